//! Housekeeping: when does a group take a snapshot?
//!
//! One task per node takes them, one at a time. A snapshot is due after a
//! number of bytes of log; sooner if log and state together are large for what
//! is left of the disk (rdbv2's rule). Or somebody asked for it ([`Asked`]):
//! that goes first, and does not wait for the next look at the groups. openraft
//! purges the log behind a snapshot that is on disk.
//!
//! A build that the disk has no room for is given up at once, and the group
//! rests before it is tried again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use api::GroupId;

use crate::asked::Asked;
use crate::group::Group;
use crate::storage::SnapshotTrigger;
use crate::switchboard::Running;

/// How often each group is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one snapshot may take before the next group gets its turn.
const BUILD_MAX: Duration = Duration::from_secs(600);

/// Between two looks at a build.
const BUILD_PAUSE: Duration = Duration::from_millis(50);

/// How long a group whose snapshot found no room on the disk waits for the next try.
const REST: Duration = Duration::from_secs(30);

/// How much sooner a snapshot is due when the disk is tight.
const TIGHT_DIVISOR: u64 = 8;

/// Takes the snapshots of a node.
pub struct Housekeeper {
    running: Arc<Running>,
    data: PathBuf,
    trigger: SnapshotTrigger,
    asked: Arc<Asked>,
    resting: Resting,
}

impl Housekeeper {
    /// Nothing is done before [`Housekeeper::run`].
    #[must_use]
    pub fn new(
        running: Arc<Running>,
        data: PathBuf,
        trigger: SnapshotTrigger,
        asked: Arc<Asked>,
    ) -> Self {
        Self { running, data, trigger, asked, resting: Resting::default() }
    }

    /// Takes snapshots until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = self.keep() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn keep(&mut self) {
        let asked = Arc::clone(&self.asked);
        let mut look = Instant::now() + LOOK_EVERY;
        loop {
            tokio::select! {
                biased;
                // First, or whoever keeps asking would keep this from ever being due.
                () = sleep_until(look) => {
                    self.take_due().await;
                    look = Instant::now() + LOOK_EVERY;
                }
                () = asked.news() => self.take_asked().await,
            }
        }
    }

    /// Looks at each group once, so that no group, however often it is asked
    /// for, keeps the others waiting.
    async fn take_asked(&mut self) {
        for group in Arc::clone(&self.running).groups.values() {
            let Some(goal) = self.asked.goal(group.gid) else { continue };
            if step(goal, &Indexes::of(group)) == Step::Build {
                self.build(group).await;
            }
            let kept = Indexes::of(group).kept;
            if let Some(kept) = kept {
                self.asked.reached(group.gid, kept);
            }
        }
    }

    async fn take_due(&mut self) {
        for group in Arc::clone(&self.running).groups.values() {
            self.take_asked().await;
            // Measuring touches the disk, which may stand still.
            let (looked_at, data) = (Arc::clone(group), self.data.clone());
            let trigger = self.trigger;
            let look = move || is_due(&looked_at, &data, trigger);
            let is_due = disk::blocking::run(look).await.unwrap_or(false);
            if is_due && Indexes::of(group).has_news() {
                self.build(group).await;
            }
        }
    }

    async fn build(&mut self, group: &Group) {
        if !self.resting.holds(group.gid) && build(group).await == Built::Deferred {
            self.resting.begin(group.gid);
        }
    }
}

/// Groups whose snapshot found no room on the disk, and until when they rest.
#[derive(Default)]
struct Resting(BTreeMap<GroupId, Instant>);

impl Resting {
    fn begin(&mut self, group: GroupId) {
        self.0.insert(group, Instant::now() + REST);
    }

    fn holds(&self, group: GroupId) -> bool {
        self.0.get(&group).is_some_and(|until| Instant::now() < *until)
    }
}

/// How far a group's replica and its snapshots are.
struct Indexes {
    /// What the newest snapshot on the disk holds.
    kept: Option<u64>,
    /// The same as openraft knows it: it takes up none that is not ahead of this.
    known: Option<u64>,
    applied: Option<u64>,
}

impl Indexes {
    fn of(group: &Group) -> Self {
        Self {
            kept: group.newest_snapshot(),
            known: group.handle.metrics().snapshot.map(|at| at.index),
            applied: group.applied.borrow().index(),
        }
    }

    /// Whether a snapshot of what is applied now would be a new one. The end of
    /// a build of another one would never be heard of.
    fn has_news(&self) -> bool {
        self.applied > self.known
    }
}

/// What an asked group needs.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Its newest snapshot holds what was asked for.
    Nothing,
    Build,
    /// There is nothing new to build it of.
    Wait,
}

fn step(goal: u64, indexes: &Indexes) -> Step {
    if indexes.kept >= Some(goal) {
        Step::Nothing
    } else if indexes.has_news() {
        Step::Build
    } else {
        Step::Wait
    }
}

fn is_due(group: &Group, data: &Path, trigger: SnapshotTrigger) -> bool {
    let log_bytes = group.log_bytes_behind_snapshot();
    let free_bytes = disk::machine::space(data).map_or(u64::MAX, |space| space.free_bytes);
    let held_bytes = log_bytes + group.store.used_bytes().unwrap_or(0);
    due(trigger, log_bytes, held_bytes, free_bytes)
}

fn due(trigger: SnapshotTrigger, log_bytes: u64, held_bytes: u64, free_bytes: u64) -> bool {
    let allowed = u128::from(free_bytes) * u128::from(trigger.disk_millionths) / 1_000_000;
    let tight = u128::from(held_bytes) > allowed;
    let threshold =
        if tight { (trigger.log_bytes / TIGHT_DIVISOR).max(1) } else { trigger.log_bytes };
    log_bytes >= threshold
}

/// How a build ended, or did not.
#[derive(Debug, PartialEq, Eq)]
enum Built {
    /// There is a snapshot, or will be.
    Begun,
    /// The disk has no room for it.
    Deferred,
}

/// What a build changes, whichever way it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    /// The newest snapshot that openraft knows.
    snapshot: Option<u64>,
    /// Builds that were deferred so far.
    deferred: u64,
}

/// Builds a snapshot of a group that has news, and waits for it.
async fn build(group: &Group) -> Built {
    let ends = || Ends {
        snapshot: group.handle.metrics().snapshot.map(|at| at.index),
        deferred: group.store.builds_deferred(),
    };
    let (before, appended_bytes) = (ends(), group.appended_bytes());
    if group.handle.build_snapshot().await.is_err() {
        return Built::Begun; // The group has stopped.
    }
    match end_of_build(before, ends).await {
        Some(Built::Deferred) => return Built::Deferred,
        Some(Built::Begun) => {}
        None => tracing::warn!(group = %group.gid, "a snapshot takes very long"),
    }
    group.count_log_from(appended_bytes);
    Built::Begun
}

/// Waits until the ends are others than before; `None` if that takes too long.
async fn end_of_build(before: Ends, ends: impl Fn() -> Ends) -> Option<Built> {
    let ended = async {
        loop {
            let now = ends();
            if now.snapshot != before.snapshot {
                return Built::Begun;
            }
            if now.deferred != before.deferred {
                return Built::Deferred;
            }
            sleep(BUILD_PAUSE).await;
        }
    };
    timeout(BUILD_MAX, ended).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIGGER: SnapshotTrigger = SnapshotTrigger { log_bytes: 800, disk_millionths: 1_000 };

    #[test]
    fn a_snapshot_is_due_after_its_bytes_of_log() {
        assert!(!due(TRIGGER, 799, 799, u64::MAX));
        assert!(due(TRIGGER, 800, 800, u64::MAX));
    }

    #[test]
    fn a_tight_disk_makes_it_due_sooner() {
        assert!(!due(TRIGGER, 100, 1_000, 1_000_000));
        assert!(due(TRIGGER, 100, 1_001, 1_000_000));
    }

    #[test]
    fn an_idle_group_takes_none_however_tight_the_disk() {
        assert!(!due(TRIGGER, 0, u64::MAX, 1));
    }

    #[test]
    fn an_asked_group_builds_only_what_is_new() {
        let step = |goal, kept, known, applied| step(goal, &Indexes { kept, known, applied });
        assert_eq!(step(9, None, None, Some(9)), Step::Build);
        assert_eq!(step(9, Some(8), Some(8), Some(12)), Step::Build);
        assert_eq!(step(9, Some(9), Some(9), Some(12)), Step::Nothing);
        // One built for a peer, which openraft was not told of, is as good.
        assert_eq!(step(9, Some(10), Some(3), Some(12)), Step::Nothing);
        // The file of the last one is gone, and nothing was applied since.
        assert_eq!(step(9, Some(3), Some(9), Some(9)), Step::Wait);
        assert_eq!(step(9, None, None, None), Step::Wait);
    }

    #[tokio::test(start_paused = true)]
    async fn a_build_ends_with_a_snapshot_or_for_want_of_room() {
        let before = Ends { snapshot: Some(3), deferred: 1 };
        let first_seen = Instant::now();
        let later = |after: Ends| move || if first_seen.elapsed() < REST { before } else { after };
        let built = Ends { snapshot: Some(9), deferred: 1 };
        assert_eq!(end_of_build(before, later(built)).await, Some(Built::Begun));
        let deferred = Ends { snapshot: Some(3), deferred: 2 };
        assert_eq!(end_of_build(before, later(deferred)).await, Some(Built::Deferred));
        assert_eq!(end_of_build(before, || before).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_without_room_rests_and_holds_up_no_other() {
        let mut resting = Resting::default();
        resting.begin(GroupId(1));
        assert!(resting.holds(GroupId(1)) && !resting.holds(GroupId(2)));
        tokio::time::advance(REST).await;
        assert!(!resting.holds(GroupId(1)));
    }
}
