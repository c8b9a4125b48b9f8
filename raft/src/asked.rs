//! Asked: which groups shall take a snapshot now, because somebody asked?
//!
//! Whoever asks leaves a mark, and housekeeping does the work: so asking costs
//! next to nothing however often it is done, and it never starts a second
//! build. A mark says what the snapshot must hold; one that asks for less than
//! the last adds nothing.
//!
//! # Limits
//!
//! One mark per group.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use api::GroupId;
use api::snapshot::Goal;

use crate::switchboard::Running;

/// The marks.
#[derive(Debug, Default)]
pub struct Asked {
    /// The index that each marked group's snapshot must hold.
    goals: Mutex<BTreeMap<GroupId, u64>>,
    news: Notify,
}

impl Asked {
    /// Marks every group for a snapshot of what is applied now, unless there is
    /// one, and says what that is. A group without anything has nothing to save.
    pub fn mark_all(&self, running: &Running) -> Vec<Goal> {
        let goals = running.groups.values().filter_map(|group| {
            let index = group.applied.borrow().index()?;
            if group.newest_snapshot() < Some(index) {
                self.mark(group.gid, index);
            }
            Some(Goal { gid: group.gid.0, index })
        });
        goals.collect()
    }

    /// Marks a group: its snapshot must hold what was applied up to `index`.
    fn mark(&self, group: GroupId, index: u64) {
        {
            let mut goals = self.goals.lock();
            let goal = goals.entry(group).or_insert(index);
            *goal = index.max(*goal);
        }
        self.news.notify_one();
    }

    /// Waits until a group was marked since the last time.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// What a marked group's snapshot must hold.
    #[must_use]
    pub fn goal(&self, group: GroupId) -> Option<u64> {
        self.goals.lock().get(&group).copied()
    }

    /// A snapshot up to `index` is there: takes the mark away if that is enough.
    pub fn reached(&self, group: GroupId, index: u64) {
        // Marked again meanwhile, the group may need another one.
        self.goals.lock().retain(|gid, goal| *gid != group || *goal > index);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GROUP: GroupId = GroupId(1);

    #[test]
    fn a_mark_only_grows_and_goes_when_it_is_reached() {
        let asked = Asked::default();
        assert_eq!(asked.goal(GROUP), None);
        for index in [5, 9, 7] {
            asked.mark(GROUP, index);
        }
        asked.mark(GroupId(2), 3);
        assert_eq!(asked.goal(GROUP), Some(9));
        asked.reached(GROUP, 8);
        assert_eq!(asked.goal(GROUP), Some(9));
        asked.reached(GROUP, 9);
        assert_eq!((asked.goal(GROUP), asked.goal(GroupId(2))), (None, Some(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn many_marks_are_one_piece_of_news_that_nobody_misses() {
        let asked = Asked::default();
        asked.mark(GROUP, 1);
        asked.mark(GROUP, 2);
        asked.news().await;
        let again = tokio::time::timeout(Duration::from_secs(1), asked.news()).await;
        assert!(again.is_err(), "it was told already");
    }
}
