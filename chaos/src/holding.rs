//! Holding: packets to a node come later than they were sent, or in another order.
//!
//! The kernel hands every packet that comes to a node's network to a queue; a process
//! of ours in that network, this program again, keeps each for a while. It ends with
//! the fault.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nfq::{Queue, Verdict};

use crate::ground::Ground;

/// The flag with which this program holds packets.
pub const FLAG: &str = "--hold-packets";
const QUEUE: u16 = 0;
/// Held at once; whoever comes beyond waits in the kernel, and is lost if that is full.
const HELD_MAX: usize = 8_192;
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Holds the packets of this process's network, each for a time between these, until
/// it is ended.
///
/// # Errors
///
/// If the system refuses, or the queue breaks.
pub fn hold(least: Duration, most: Duration) -> io::Result<()> {
    let mut queue = Queue::open()?;
    queue.bind(QUEUE)?;
    queue.set_recv_enobufs(false)?;
    queue.set_nonblocking(true);
    // In the order in which they may go; the number keeps those of one time apart.
    let mut held = BTreeMap::new();
    for number in 0_u64.. {
        let now = Instant::now();
        match queue.recv() {
            Ok(message) if held.len() < HELD_MAX => {
                let due = now + rand::random_range(least..=most);
                held.insert((due, number), message);
                continue;
            }
            // It is lost, as by a line that is full.
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK_EVERY),
            Err(error) => return Err(error),
        }
        while let Some(first) = held.first_entry().filter(|first| first.key().0 <= now) {
            let mut message = first.remove();
            message.set_verdict(Verdict::Accept);
            queue.verdict(message)?;
        }
    }
    Ok(())
}

/// A process that holds a node's packets. Dropped, it ends, and packets pass again.
#[derive(Debug)]
pub struct Holder<'g> {
    child: Child,
    ground: &'g Ground,
    n: usize,
}

impl<'g> Holder<'g> {
    /// Begins, for a time between these.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn begin(
        ground: &'g Ground,
        n: usize,
        (least, most): (Duration, Duration),
    ) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut words = ground.front(n);
        words.push(own.display().to_string());
        words.extend([FLAG.to_owned(), format!("{},{}", least.as_millis(), most.as_millis())]);
        let (program, args) = words.split_first().ok_or("no command")?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let holder = Self { child, ground, n };
        ground.set_queue(n, true)?;
        Ok(holder)
    }

    /// Whether it holds packets still.
    pub fn holds(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        // In this order: packets for a queue that nobody reads are lost.
        let _gone = self.ground.set_queue(self.n, false);
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}
