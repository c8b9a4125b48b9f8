//! Member: one node's process, and why it may end.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use oracle::{Exit, Line};
use parking_lot::Mutex;
use tests::{Node, process};
use tokio::time::sleep;

use crate::ground::{self, Ground};
use crate::stage::Stage;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A way in which a process may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a signal.
    Signal(Signal),
    /// With an exit code.
    Code(i32),
}

/// The disk failed.
pub const STORAGE_FAULT: Ending = Ending::Code(20);
/// The disk has no room.
pub const DISK_FULL: Ending = Ending::Code(21);

/// One node's process. Dropped, it ends.
#[derive(Debug)]
pub struct Member {
    /// Its number.
    pub n: usize,
    /// The node.
    pub node: Node,
    /// Where its file system is.
    pub disk: PathBuf,
    stage: Arc<Stage>,
    /// How it may end now. Held for one look.
    explained: Mutex<Vec<Ending>>,
    /// Further environment of its next start.
    environment: Mutex<Vec<String>>,
}

impl Member {
    /// A node that does not run.
    #[must_use]
    pub fn new(n: usize, node: Node, root: &Path, stage: Arc<Stage>) -> Self {
        let (explained, environment) = Default::default();
        Self { n, node, disk: ground::disk(root, n), stage, explained, environment }
    }

    /// Starts it, if it does not run.
    pub fn start(&self, ground: &Ground) {
        if self.runs() {
            return;
        }
        let mut front = ground.front(self.n);
        let environment = self.environment.lock().clone();
        if !environment.is_empty() {
            front.push("env".to_owned());
            front.extend(environment);
        }
        self.node.start_through(&front);
        if let Some(pid) = self.pid() {
            ground.adopt(self.n, pid);
        }
    }

    /// From the next start on, it has these variables besides.
    pub fn set_environment(&self, variables: Vec<String>) {
        *self.environment.lock() = variables;
    }

    /// Whether it runs. If it ended meanwhile, that is noted.
    #[must_use]
    pub fn runs(&self) -> bool {
        let mut explained = self.explained.lock();
        if let Some(status) = self.node.ended() {
            let how = ending(status);
            let exit = Exit {
                node: self.node.name.clone(),
                at_ns: self.stage.now_ns(),
                how: status.to_string(),
                explained: how.is_some_and(|how| explained.contains(&how)),
            };
            self.stage.note(Line::Exit(exit));
            explained.clear();
        }
        self.pid().is_some()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.node.started()
    }

    /// Until its end, or until [`expect_nothing`](Self::expect_nothing), it may end so.
    pub fn expect(&self, endings: &[Ending]) {
        self.explained.lock().extend(endings);
    }

    /// It has no reason any more to end by itself.
    pub fn expect_nothing(&self) {
        // An end that was not looked at belongs to what was expected.
        let _noted = self.runs();
        self.explained.lock().clear();
    }

    /// Sends it a signal, if it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            process::signal(pid, signal);
        }
    }

    /// Ends it without warning; whether it ran.
    pub async fn kill(&self) -> bool {
        if !self.runs() {
            return false;
        }
        self.expect(&[Ending::Signal(Signal::SIGKILL)]);
        self.signal(Signal::SIGKILL);
        self.is_gone_within(Duration::from_secs(10)).await
    }

    /// Asks it to end; whether it did in time.
    pub async fn terminate(&self, limit: Duration) -> bool {
        if !self.runs() {
            return false;
        }
        self.expect(&[Ending::Code(0)]);
        self.signal(Signal::SIGTERM);
        self.is_gone_within(limit).await
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pid().is_some_and(process::is_paused)
    }

    /// Waits for its end; whether it came in time.
    pub async fn is_gone_within(&self, limit: Duration) -> bool {
        let start = Instant::now();
        while self.runs() {
            if start.elapsed() > limit {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        process::signal(pid, Signal::SIGKILL);
        let start = Instant::now();
        while self.node.ended().is_none() && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn ending(status: ExitStatus) -> Option<Ending> {
    if let Some(code) = status.code() {
        return Some(Ending::Code(code));
    }
    Signal::try_from(status.signal()?).ok().map(Ending::Signal)
}
