//! Span: which entries does a group's log hold, as far as its owner knows?
//!
//! The state of one open log in memory. Each change of the log first happens
//! here, at once and visibly to readers, and then stands in the queue. Pure:
//! no disk, no waiting.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use openraft::RaftTypeConfig;
use openraft::alias::{LogIdOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::vote::RaftVote;

use crate::tail::{Held, Tail};

/// One open log.
pub(crate) struct Span<C: RaftTypeConfig> {
    /// The first entry that may be read. Meaningless while the log is empty.
    pub(crate) first: u64,
    /// The last entry, or the last purged one if there is none.
    pub(crate) last: Option<LogIdOf<C>>,
    pub(crate) purged: Option<LogIdOf<C>>,
    pub(crate) committed: Option<LogIdOf<C>>,
    pub(crate) vote: Option<VoteOf<C>>,
    pub(crate) tail: Tail<C::Entry>,
    /// Counts truncations: a reader that saw another epoch starts again.
    pub(crate) epoch: u64,
}

impl<C: RaftTypeConfig> Span<C> {
    /// The index after the last entry. Of a log that never held one: 0.
    pub(crate) fn next(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.index + 1)
    }

    /// Takes entries at the end. A log that holds and purged nothing begins
    /// wherever its first entry says; openraft's begin at 0.
    pub(crate) fn accept(&mut self, entries: Vec<Held<C::Entry>>) {
        for held in entries {
            let log_id = held.entry.log_id();
            match &self.last {
                None => {
                    self.first = log_id.index;
                    self.tail.reset(log_id.index);
                }
                Some(last) => {
                    assert!(
                        log_id.index == last.index + 1,
                        "W4: entry {log_id} appended after {last}"
                    );
                    assert!(log_id > *last, "W4: entry {log_id} is of an older leader than {last}");
                }
            }
            self.tail.push(log_id.index, held);
            self.last = Some(log_id);
        }
        self.validate();
    }

    /// Forgets the entries after `after`. `None` if there are none; otherwise
    /// the first index that goes.
    pub(crate) fn cut(&mut self, after: Option<&LogIdOf<C>>) -> Option<u64> {
        let next = after.map_or(0, |after| after.index + 1);
        let purged = self.purged.as_ref().map_or(0, |purged| purged.index + 1);
        assert!(next >= purged, "W4: truncated to {next}, but purged before {purged}");
        if self.last.as_ref().is_none_or(|last| last.index < next) {
            return None;
        }
        let held = after.and_then(|after| self.tail.get(after.index)).map(RaftEntry::log_id);
        assert!(
            held.is_none() || held.as_ref() == after,
            "W4: truncated after {after:?}, but the log has {held:?}"
        );
        self.tail.cut(next);
        self.last = if next <= self.first { self.purged.clone() } else { after.cloned() };
        self.epoch += 1;
        self.validate();
        Some(next)
    }

    /// Forgets the entries up to `upto`, which may be past the end. `None` if
    /// that was done before; otherwise the entries to delete, if any.
    pub(crate) fn purge(&mut self, upto: LogIdOf<C>) -> Option<Option<RangeInclusive<u64>>> {
        if self.purged.as_ref().is_some_and(|purged| purged.index >= upto.index) {
            return None;
        }
        let next = upto.index + 1;
        let held = self.first..self.next();
        let doomed = (!held.is_empty() && held.start < next)
            .then(|| held.start..=(held.end - 1).min(upto.index));
        assert!(
            held.is_empty() || next >= held.start,
            "W4: purged up to {upto}, but the log begins at {}",
            held.start
        );
        if held.is_empty() || next >= held.end {
            self.tail.reset(next);
            self.last = Some(upto.clone());
        } else {
            self.tail.drop_before(next);
        }
        self.first = next;
        self.purged = Some(upto);
        self.validate();
        Some(doomed)
    }

    /// Takes a vote. It never goes back.
    pub(crate) fn promise(&mut self, vote: VoteOf<C>) {
        let back = self
            .vote
            .as_ref()
            .is_some_and(|old| RaftVote::partial_cmp(&vote, old) == Some(Ordering::Less));
        assert!(!back, "W7: vote {vote} saved after {:?}", self.vote);
        self.vote = Some(vote);
    }

    /// Takes a committed log id. `false` if it says nothing new, or speaks of an
    /// entry the log does not hold: on a restart openraft reads up to it.
    pub(crate) fn commit(&mut self, committed: &LogIdOf<C>) -> bool {
        let news = self.committed.as_ref().is_none_or(|old| committed > old);
        if !news || committed.index >= self.next() {
            return false;
        }
        self.committed = Some(committed.clone());
        true
    }

    /// What must hold between operations.
    pub(crate) fn validate(&self) {
        let next = self.next();
        assert!(self.last >= self.purged, "W4: {:?} purged, last {:?}", self.purged, self.last);
        let empty = self.last == self.purged;
        if let (Some(purged), false) = (&self.purged, empty) {
            let after = purged.index + 1;
            assert!(self.first == after, "W4: log begins at {}, purged {purged}", self.first);
        }
        assert!(
            empty || self.tail.next() == next,
            "W4: the tail ends before {}, the log before {next}",
            self.tail.next()
        );
    }
}
