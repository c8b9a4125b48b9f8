//! Inspect: what lies in a log environment, and is it whole?
//!
//! Reads without a codec and without changing anything, beside a running node
//! or on a stopped one's directory. Long walks take many short looks instead
//! of one long one, which would keep a running node from reusing its pages;
//! so they see a log that moves on.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use api::GroupId;
use bytes::Bytes;
use disk::Fault;

use crate::fact;
use crate::identity::{self, System};
use crate::key::{self, Fact, Key};
use crate::record::{self, BadRecord};
use crate::store::{LmdbStore, Store, Table, Visit};

/// Records per look.
const LOOK_RECORDS: usize = 4_096;

/// Looks into a log environment.
pub struct Inspector<S = LmdbStore> {
    store: S,
}

/// What there is of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The group.
    pub gid: GroupId,
    /// The vote, in its codec's form.
    pub vote: Option<Result<Bytes, BadRecord>>,
    /// The last purged log id.
    pub purged: Option<Result<Position, BadRecord>>,
    /// The last log id that was saved as committed.
    pub committed: Option<Result<Position, BadRecord>>,
    /// The first entry that is not purged.
    pub first: Option<u64>,
    /// The last entry.
    pub last: Option<u64>,
    /// Entries, those that wait for deletion included.
    pub entries: u64,
    /// Bytes of their records.
    pub bytes: u64,
}

/// A log id without the codec that knows the leader in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The index.
    pub index: u64,
    /// The log id, in its codec's form.
    pub log_id: Bytes,
}

/// One entry's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r> {
    /// The index in its key.
    pub index: u64,
    /// Its length.
    pub bytes: usize,
    /// Its body, in its codec's form, if it is what was written.
    pub body: Result<&'r [u8], BadRecord>,
}

/// Something that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The group.
    pub gid: GroupId,
    /// The entry, if it is about one.
    pub index: Option<u64>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The entry's record is bad.
    Entry(BadRecord),
    /// A fact's record is bad.
    Fact(Fact, BadRecord),
    /// The entries before this one, from the given index on, are missing.
    Hole {
        /// The first that is missing.
        from: u64,
    },
    /// A key that nothing writes.
    Key(Vec<u8>),
}

/// What a verification went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Groups.
    pub groups: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of entries' records.
    pub bytes: u64,
    /// Problems reported.
    pub problems: u64,
}

impl Inspector {
    /// Opens the environment in a directory, for reading only.
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        Ok(Self::on_store(LmdbStore::open_read_only(dir)?))
    }
}

impl<S: Store> Inspector<S> {
    /// Looks into a store that is open already.
    pub fn on_store(store: S) -> Self {
        Self { store }
    }

    /// Whose logs these are, and how they were left. `None` if nobody's yet.
    /// A running node's are always unclean.
    pub fn system(&self) -> Result<Option<System>, Fault> {
        identity::read(&self.store)
    }

    /// Every group there is something of.
    pub fn gids(&self) -> Result<Vec<GroupId>, Fault> {
        let mut gids = BTreeSet::new();
        let (first, last) = (GroupId(0), GroupId(u32::MAX));
        let (from, to) = (Key::fact(first, Fact::Vote), Key::entry(last, u64::MAX));
        self.store.scan(Table::Groups, &from, &to, &mut |key, _record| {
            gids.extend(key::parse_fact(key).map(|(gid, _)| gid));
            ControlFlow::Continue(())
        })?;
        let mut next = Some(first);
        while let Some(gid) = next {
            let mut found = None;
            let (from, to) = (Key::entry(gid, 0), Key::entry(last, u64::MAX));
            self.store.scan(Table::Log, &from, &to, &mut |key, _record| {
                found = key::parse_entry(key).map(|(gid, _)| gid);
                ControlFlow::Break(())
            })?;
            gids.extend(found);
            next = found.and_then(|gid| gid.0.checked_add(1)).map(GroupId);
        }
        Ok(gids.into_iter().collect())
    }

    /// What there is of each group.
    pub fn groups(&self) -> Result<Vec<Summary>, Fault> {
        self.gids()?.into_iter().map(|gid| self.summary(gid)).collect()
    }

    /// What there is of one group.
    pub fn summary(&self, gid: GroupId) -> Result<Summary, Fault> {
        let purged = self.position(gid, Fact::Purged)?;
        let begin = purged.as_ref().and_then(|purged| purged.as_ref().ok());
        let begin = begin.map_or(0, |purged| purged.index + 1);
        let mut summary = Summary {
            gid,
            vote: self.fact(gid, Fact::Vote)?,
            purged,
            committed: self.position(gid, Fact::Committed)?,
            first: None,
            last: None,
            entries: 0,
            bytes: 0,
        };
        self.walk(gid, 0..u64::MAX, &mut |key, record| {
            summary.entries += 1;
            summary.bytes += record.len() as u64;
            let index = key::parse_entry(key).map(|(_, index)| index);
            if let Some(index) = index.filter(|index| *index >= begin) {
                summary.first.get_or_insert(index);
                summary.last = Some(index);
            }
            ControlFlow::Continue(())
        })?;
        Ok(summary)
    }

    /// Visits the entries of a group in order, good and bad.
    pub fn records(
        &self,
        gid: GroupId,
        range: Range<u64>,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.walk(gid, range, &mut |key, record| match key::parse_entry(key) {
            None => ControlFlow::Continue(()),
            Some((_, index)) => {
                let body = record::unseal(key, record);
                visit(Record { index, bytes: record.len(), body })
            }
        })
    }

    /// Checks every record and reports each bad one, without stopping.
    pub fn verify(&self, report: &mut dyn FnMut(Problem)) -> Result<Verified, Fault> {
        let mut verified = Verified::default();
        for gid in self.gids()? {
            verified.groups += 1;
            self.verify_facts(gid, &mut |wrong| {
                verified.problems += 1;
                report(Problem { gid, index: None, wrong });
            })?;
            self.verify_entries(gid, &mut verified, report)?;
        }
        Ok(verified)
    }

    fn verify_facts(&self, gid: GroupId, report: &mut dyn FnMut(Wrong)) -> Result<(), Fault> {
        for fact in Fact::ALL {
            let bad = match fact {
                Fact::Vote => self.fact(gid, fact)?.and_then(Result::err),
                Fact::Purged | Fact::Committed => self.position(gid, fact)?.and_then(Result::err),
            };
            if let Some(bad) = bad {
                report(Wrong::Fact(fact, bad));
            }
        }
        Ok(())
    }

    fn verify_entries(
        &self,
        gid: GroupId,
        verified: &mut Verified,
        report: &mut dyn FnMut(Problem),
    ) -> Result<(), Fault> {
        let mut next = None;
        let mut problems = 0;
        let mut fault = None;
        self.walk(gid, 0..u64::MAX, &mut |key, record| {
            verified.entries += 1;
            verified.bytes += record.len() as u64;
            let mut report = |index, wrong| {
                problems += 1;
                report(Problem { gid, index, wrong });
            };
            let Some((_, index)) = key::parse_entry(key) else {
                report(None, Wrong::Key(key.to_vec()));
                return ControlFlow::Continue(());
            };
            match self.hole(gid, next, index) {
                Ok(Some(from)) => report(Some(index), Wrong::Hole { from }),
                Ok(None) => {}
                Err(found) => {
                    fault = Some(found);
                    return ControlFlow::Break(());
                }
            }
            next = Some(index.saturating_add(1));
            if let Err(bad) = record::unseal(key, record) {
                report(Some(index), Wrong::Entry(bad));
            }
            ControlFlow::Continue(())
        })?;
        verified.problems += problems;
        fault.map_or(Ok(()), Err)
    }

    /// Whether entries that are not purged are missing before `index`. Holes
    /// among purged entries are normal: an installed snapshot leaves one.
    fn hole(&self, gid: GroupId, next: Option<u64>, index: u64) -> Result<Option<u64>, Fault> {
        if next == Some(index) {
            return Ok(None);
        }
        let purged = self.position(gid, Fact::Purged)?.and_then(Result::ok);
        let begin = purged.map(|purged| purged.index + 1);
        let expected = next.max(begin);
        Ok(expected.filter(|expected| *expected < index))
    }

    fn fact(&self, gid: GroupId, fact: Fact) -> Result<Option<Result<Bytes, BadRecord>>, Fault> {
        let key = Key::fact(gid, fact);
        let record = self.store.get(Table::Groups, &key)?;
        Ok(record.map(|record| {
            record::unseal(key.as_slice(), &record).map(|body| record.slice_ref(body))
        }))
    }

    fn position(
        &self,
        gid: GroupId,
        fact: Fact,
    ) -> Result<Option<Result<Position, BadRecord>>, Fault> {
        Ok(self.fact(gid, fact)?.map(|body| {
            let body = body?;
            let (index, log_id) =
                fact::split_index(&body).ok_or(BadRecord::Short { bytes: body.len() })?;
            Ok(Position { index, log_id })
        }))
    }

    /// Visits a group's records, some thousand per look.
    fn walk(&self, gid: GroupId, range: Range<u64>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let mut next = Some(range.start);
        while let Some(start) = next.filter(|start| range.contains(start)) {
            let mut looked = 0;
            let mut resume = None;
            let (from, to) = (Key::entry(gid, start), Key::entry(gid, range.end - 1));
            self.store.scan(Table::Log, &from, &to, &mut |key, record| {
                visit(key, record)?;
                looked += 1;
                let index = key::parse_entry(key).map(|(_, index)| index);
                resume = index.filter(|_| looked >= LOOK_RECORDS).and_then(|at| at.checked_add(1));
                if resume.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            next = resume;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}: ", self.gid)?;
        if let Some(index) = self.index {
            write!(f, "entry {index}: ")?;
        }
        match &self.wrong {
            Wrong::Entry(bad) => bad.fmt(f),
            Wrong::Fact(fact, bad) => write!(f, "{fact}: {bad}"),
            Wrong::Hole { from } => write!(f, "entries from {from} on are missing before it"),
            Wrong::Key(key) => write!(f, "unknown key {}", key.escape_ascii()),
        }
    }
}
