//! Group time: what a replica knows of its group's time, for the issue times of requests.
//!
//! A group's time is what its leaders stamp on entries. A stamp is made before
//! anybody sees the entry, so a stamp and the time passed since it was seen are
//! never ahead of the group's time, but may be far behind it: an entry may be
//! applied long after it was stamped. So the highest estimate counts, and a
//! replica that has heard no fresh stamp since its process started has none.
//!
//! # Invariants
//!
//! * X2: the estimate never goes back, whatever is applied late.
//! * X3: there is none before a stamp was heard that was made after the start.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use state::Applied;

/// An issue time that every replica takes for too old: whoever does not know the
/// group's time asks with it, and is told the time instead of being carried out.
pub const UNKNOWN_MS: u64 = 0;

/// What one replica knows of its group's time.
#[derive(Debug, Default)]
pub struct GroupTime {
    /// A stamp, and when it was heard. Held for a comparison only.
    heard: Mutex<Option<(u64, Instant)>>,
}

impl GroupTime {
    /// The group's time by now; [`UNKNOWN_MS`] before it was told (X3).
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (*self.heard.lock()).map_or(UNKNOWN_MS, since)
    }

    /// The group answered just now that its time is `stamp_ms`.
    pub fn told(&self, stamp_ms: u64) {
        let mut heard = self.heard.lock();
        if heard.is_none_or(|heard| stamp_ms > since(heard)) {
            *heard = Some((stamp_ms, Instant::now()));
        }
    }

    /// An entry stamped `stamp_ms`, some time ago, is applied.
    fn applied(&self, stamp_ms: u64) {
        let mut heard = self.heard.lock();
        if heard.is_some_and(|heard| stamp_ms > since(heard)) {
            *heard = Some((stamp_ms, Instant::now()));
        }
    }

    /// Follows what is applied, as it is: a stamp that is looked at late is an
    /// estimate that is behind. Ends with the store.
    pub async fn follow(self: Arc<Self>, mut applied: watch::Receiver<Applied>) {
        while applied.changed().await.is_ok() {
            let stamp_ms = applied.borrow_and_update().group_time_ms;
            self.applied(stamp_ms);
        }
    }
}

/// A stamp, and the time passed since it was heard.
fn since((stamp_ms, at): (u64, Instant)) -> u64 {
    let passed_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    stamp_ms.saturating_add(passed_ms)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn entry(group_time_ms: u64) -> Applied {
        Applied { last: None, group_time_ms }
    }

    #[tokio::test(start_paused = true)]
    async fn x3_what_lay_in_the_log_tells_no_time() {
        let time = GroupTime::default();
        time.applied(5_000);
        assert_eq!(time.now_ms(), UNKNOWN_MS);
        time.told(90_000);
        advance(MINUTE).await;
        assert_eq!(time.now_ms(), 150_000);
    }

    #[tokio::test(start_paused = true)]
    async fn x2_what_is_applied_late_does_not_set_it_back() {
        let time = GroupTime::default();
        time.told(1_000);
        advance(MINUTE).await;
        time.applied(2_000);
        assert_eq!(time.now_ms(), 61_000);
        time.told(50_000);
        assert_eq!(time.now_ms(), 61_000);
        time.applied(70_000);
        advance(MINUTE).await;
        assert_eq!(time.now_ms(), 130_000);
    }

    /// A group that is rarely written to, as the meta group is.
    #[tokio::test(start_paused = true)]
    async fn an_entry_counts_from_when_it_was_applied_not_from_when_somebody_asks() {
        let (sender, receiver) = watch::channel(entry(0));
        let time = Arc::new(GroupTime::default());
        time.told(1_000);
        tokio::spawn(Arc::clone(&time).follow(receiver));
        sender.send_replace(entry(100_000));
        tokio::time::sleep(MINUTE).await;
        assert_eq!(time.now_ms(), 160_000);
    }
}
