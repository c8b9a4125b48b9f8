//! Tracer: strace on a running node, which makes its system calls late or fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::process;
use tokio::time::sleep;

const ATTACH_MAX: Duration = Duration::from_secs(5);
const DETACH_MAX: Duration = Duration::from_secs(5);
const SYNCS: &str = "fsync,fdatasync,msync";

/// What becomes of syncs.
#[derive(Clone, Copy, Debug)]
pub enum Syncs {
    /// They begin so much later.
    Late(Duration),
    /// Each thread's next one fails, with EIO.
    FailOnce,
}

/// A tracer at work. Dropped, it lets go of the process.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
    output: PathBuf,
}

impl Tracer {
    /// Takes hold of every thread of a process.
    ///
    /// # Errors
    ///
    /// If it does not come to that.
    pub async fn attach(pid: u32, syncs: Syncs, output: &Path) -> Result<Self, String> {
        let inject = match syncs {
            Syncs::Late(by) => format!("inject={SYNCS}:delay_enter={}", by.as_micros()),
            Syncs::FailOnce => format!("inject={SYNCS}:error=EIO:when=1"),
        };
        let child = Command::new("strace")
            .args(["-f", "-q", "-e", &format!("trace={SYNCS}"), "-e", &inject, "-o"])
            .arg(output)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        let tracer = Self { child, output: output.to_owned() };
        let start = Instant::now();
        // Who ends by what the tracer does is not held any more.
        while !tracer.holds(pid) && process::runs(pid) {
            if start.elapsed() > ATTACH_MAX {
                return Err(format!("strace does not get hold of process {pid}"));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(tracer)
    }

    /// How many calls it has changed.
    #[must_use]
    pub fn injected(&self) -> usize {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        text.lines().filter(|l| l.contains("(INJECTED)") || l.contains("(DELAYED)")).count()
    }

    fn holds(&self, pid: u32) -> bool {
        let tracer = format!("TracerPid:\t{}", self.child.id());
        let threads = fs::read_dir(format!("/proc/{pid}/task")).ok();
        let mut threads = threads.into_iter().flatten().flatten();
        threads.all(|thread| {
            let status = fs::read_to_string(thread.path().join("status"));
            // A thread that is gone needs no hold.
            status.map_or(true, |status| status.lines().any(|line| line == tracer))
        })
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It detaches on this one, and not on a harder one.
        process::signal(self.child.id(), Signal::SIGINT);
        let start = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if start.elapsed() > DETACH_MAX {
                let _gone = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
