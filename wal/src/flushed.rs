//! Flushed: up to where is a group's log durable?
//!
//! The writer raises a group's mark after each commit; a truncation lowers it
//! before any entry can take a truncated one's place. Each truncation starts
//! a new epoch, and what the writer reports for an operation of an older
//! epoch is ignored: it speaks of entries that may be gone (W3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// Watches how far one group's log is durable. Clones watch the same group.
#[derive(Clone, Debug)]
pub struct Flushed {
    mark: Arc<Mark>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The entry is durable.
    Flushed,
    /// It was not durable in time.
    TimedOut,
    /// The logs were closed or have failed: it will not become durable.
    Stopped,
}

impl Flushed {
    pub(crate) fn new(mark: Arc<Mark>) -> Self {
        Self { mark }
    }

    /// The last durable entry, or the last purged one if that is later. `None`
    /// while there is neither; the first index of a log is 0.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        self.mark.level.lock().flushed
    }

    /// Blocks the calling thread until the entry at `index` is durable. Not for
    /// a thread of the async runtime.
    #[must_use]
    pub fn wait_until(&self, index: u64, timeout: Duration) -> Waited {
        let deadline = Instant::now() + timeout;
        let mut level = self.mark.level.lock();
        loop {
            if let Some(ended) = level.ended(index) {
                return ended;
            }
            if self.mark.changed.wait_until(&mut level, deadline).timed_out() {
                return level.ended(index).unwrap_or(Waited::TimedOut);
            }
        }
    }

    /// Waits until the entry at `index` is durable; never times out by itself.
    pub async fn wait(&self, index: u64) -> Waited {
        loop {
            let changed = self.mark.notify.notified();
            let ended = self.mark.level.lock().ended(index);
            if let Some(ended) = ended {
                return ended;
            }
            changed.await;
        }
    }
}

/// A group's mark, shared by its log, the writer and those who watch.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    level: Mutex<Level>,
    changed: Condvar,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Level {
    flushed: Option<u64>,
    epoch: u64,
    stopped: bool,
}

/// What an operation says about the mark once it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The epoch the operation was accepted in.
    pub(crate) epoch: u64,
    /// The last durable index.
    pub(crate) index: Option<u64>,
}

impl Mark {
    /// Where the group stood when its log was opened.
    pub(crate) fn restart(&self, index: Option<u64>) {
        self.change(|level| *level = Level { flushed: index, epoch: 0, stopped: level.stopped });
    }

    /// A truncation was accepted: nothing after `index` counts from here on.
    pub(crate) fn lower(&self, to: Reached) {
        self.change(|level| {
            assert!(to.epoch > level.epoch, "W3: epoch {} after {}", to.epoch, level.epoch);
            level.epoch = to.epoch;
            level.flushed = level.flushed.min(to.index);
        });
    }

    /// An operation is durable.
    pub(crate) fn raise(&self, to: Reached) {
        self.change(|level| {
            if to.epoch == level.epoch {
                level.flushed = level.flushed.max(to.index);
            }
        });
    }

    /// No operation will become durable any more.
    pub(crate) fn stop(&self) {
        self.change(|level| level.stopped = true);
    }

    pub(crate) fn index(&self) -> Option<u64> {
        self.level.lock().flushed
    }

    fn change(&self, change: impl FnOnce(&mut Level)) {
        change(&mut self.level.lock());
        self.changed.notify_all();
        self.notify.notify_waiters();
    }
}

impl Level {
    fn ended(&self, index: u64) -> Option<Waited> {
        if self.flushed >= Some(index) {
            return Some(Waited::Flushed);
        }
        self.stopped.then_some(Waited::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn reached(epoch: u64, index: Option<u64>) -> Reached {
        Reached { epoch, index }
    }

    #[test]
    fn w3_a_late_report_of_truncated_entries_is_ignored() {
        let mark = Mark::default();
        mark.restart(Some(79));
        // Entries 80-105 wait for the disk; then the log is cut after 89.
        mark.lower(reached(1, Some(89)));
        assert_eq!(mark.index(), Some(79));
        mark.raise(reached(0, Some(105)));
        assert_eq!(mark.index(), Some(79));
        mark.raise(reached(1, Some(89)));
        assert_eq!(mark.index(), Some(89));
    }

    #[test]
    fn an_empty_log_has_no_mark_and_entry_zero_counts() {
        let mark = Arc::new(Mark::default());
        let flushed = Flushed::new(Arc::clone(&mark));
        assert_eq!(flushed.wait_until(0, Duration::ZERO), Waited::TimedOut);
        mark.raise(reached(0, Some(0)));
        assert_eq!(flushed.wait_until(0, Duration::ZERO), Waited::Flushed);
        assert_eq!(flushed.wait_until(1, Duration::ZERO), Waited::TimedOut);
    }

    #[test]
    fn a_thread_wakes_when_the_mark_passes_it_or_the_log_stops() {
        let mark = Arc::new(Mark::default());
        let flushed = Flushed::new(Arc::clone(&mark));
        let wait = |index| {
            let flushed = flushed.clone();
            thread::spawn(move || flushed.wait_until(index, Duration::from_secs(60)))
        };
        let (near, far) = (wait(3), wait(9));
        mark.raise(reached(0, Some(3)));
        assert_eq!(near.join().unwrap(), Waited::Flushed);
        mark.stop();
        assert_eq!(far.join().unwrap(), Waited::Stopped);
    }

    #[tokio::test]
    async fn a_task_wakes_when_the_mark_passes_it() {
        let mark = Arc::new(Mark::default());
        let flushed = Flushed::new(Arc::clone(&mark));
        let waiting = tokio::spawn(async move { flushed.wait(3).await });
        tokio::task::yield_now().await;
        mark.raise(reached(0, Some(3)));
        assert_eq!(waiting.await.unwrap(), Waited::Flushed);
    }
}
