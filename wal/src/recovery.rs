//! Recovery: is the log that was found a log that was written?
//!
//! Runs when a group is opened. Keys are always walked, so a hole is always
//! found. Every record is read when the last close was not clean or
//! [`verify`](crate::Options::verify) asks for it; otherwise only the ends
//! are, and the rest when it is read.

use std::ops::{ControlFlow, RangeInclusive};

use api::GroupId;
use api::codec::Malformed;
use bytes::Bytes;
use disk::Fault;
use openraft::RaftTypeConfig;
use openraft::alias::{LogIdOf, VoteOf};
use openraft::entry::RaftEntry;

use crate::codec::Codec;
use crate::fact;
use crate::key::{self, Fact, Key};
use crate::record;
use crate::store::{Store, Table};

/// How many records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The first and the last.
    Ends,
    /// All.
    Every,
}

/// What was found of a group.
pub(crate) struct Recovered<C: RaftTypeConfig> {
    pub(crate) vote: Option<VoteOf<C>>,
    pub(crate) purged: Option<LogIdOf<C>>,
    pub(crate) committed: Option<LogIdOf<C>>,
    /// The first entry, or the next one.
    pub(crate) first: u64,
    /// The last entry, or the last purged.
    pub(crate) last: Option<LogIdOf<C>>,
    /// Purged entries that a crash left behind.
    pub(crate) leftover: Option<RangeInclusive<u64>>,
}

/// Reads records of one group and names what is wrong with them.
pub(crate) struct Found<'s, K> {
    pub(crate) store: &'s dyn Store,
    pub(crate) gid: GroupId,
    pub(crate) codec: &'s K,
}

/// Reads the group and checks W4 on what is there.
pub(crate) fn recover<C: RaftTypeConfig, K: Codec<C>>(
    found: &Found<'_, K>,
    depth: Depth,
) -> Result<Recovered<C>, Fault> {
    let purged = found.log_id(Fact::Purged)?;
    let begin = purged.as_ref().map_or(0, |purged: &LogIdOf<C>| purged.index + 1);
    let held = found.walk(begin, depth)?;
    if let (Some(purged), Some((first, _))) = (&purged, &held)
        && (*first != begin)
    {
        return Err(
            found.corrupt(format!("log begins at {first}, but {purged} is the last purged"))
        );
    }
    let last = held.as_ref().map(|(_, last)| last.clone()).or_else(|| purged.clone());
    if last < purged {
        return Err(found.corrupt(format!("last entry {last:?} is older than purged {purged:?}")));
    }
    let committed = found.log_id(Fact::Committed)?;
    found.check_committed(committed.as_ref(), begin, last.as_ref())?;
    Ok(Recovered {
        vote: found.vote()?,
        leftover: found.leftover(begin)?,
        first: held.map_or(begin, |(first, _)| first),
        purged,
        committed,
        last,
    })
}

impl<K> Found<'_, K> {
    /// A fault that says which group is broken.
    pub(crate) fn corrupt(&self, what: String) -> Fault {
        let what = format!("group {}: {what}", self.gid);
        Fault::corrupt("read log", self.store.path(), what)
    }

    /// The entry in a record found in table `log`, and its encoded size.
    pub(crate) fn entry<C: RaftTypeConfig>(
        &self,
        key: &[u8],
        record: &[u8],
    ) -> Result<(C::Entry, usize), Fault>
    where
        K: Codec<C>,
    {
        let index = self.index(key)?;
        let body = record::unseal(key, record)
            .map_err(|bad| self.corrupt(format!("entry {index}: {bad}")))?;
        let entry = self
            .codec
            .decode_entry(Bytes::copy_from_slice(body))
            .map_err(|malformed| self.corrupt(format!("entry {index}: {malformed}")))?;
        if entry.index() != index {
            return Err(self.corrupt(format!("entry {index} says it is {}", entry.index())));
        }
        Ok((entry, record.len()))
    }

    pub(crate) fn index(&self, key: &[u8]) -> Result<u64, Fault> {
        let parsed = key::parse_entry(key).filter(|(gid, _)| *gid == self.gid);
        let (_, index) =
            parsed.ok_or_else(|| self.corrupt(format!("key {}", key.escape_ascii())))?;
        Ok(index)
    }

    /// Walks the entries from `begin` on. Returns the first index and the last
    /// log id, if there is an entry.
    fn walk<C: RaftTypeConfig>(
        &self,
        begin: u64,
        depth: Depth,
    ) -> Result<Option<(u64, LogIdOf<C>)>, Fault>
    where
        K: Codec<C>,
    {
        let mut walk = Walk { found: self, depth, first: None, next: begin, last: None };
        let mut outcome = Ok(());
        let (from, to) = (Key::entry(self.gid, begin), Key::entry(self.gid, u64::MAX));
        self.store.scan(Table::Log, &from, &to, &mut |key, record| {
            outcome = walk.step(key, record);
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome?;
        let Some(first) = walk.first else { return Ok(None) };
        let end = Key::entry(self.gid, walk.next - 1);
        let record = self.store.get(Table::Log, &end)?;
        let record = record.ok_or_else(|| self.corrupt("the last entry is gone".into()))?;
        let (last, _) = self.entry::<C>(end.as_slice(), &record)?;
        Ok(Some((first, last.log_id())))
    }

    /// Entries below `begin`: a purge was cut short after its mark was durable.
    fn leftover(&self, begin: u64) -> Result<Option<RangeInclusive<u64>>, Fault> {
        let Some(end) = begin.checked_sub(1) else { return Ok(None) };
        let mut first = None;
        let (from, to) = (Key::entry(self.gid, 0), Key::entry(self.gid, end));
        self.store.scan(Table::Log, &from, &to, &mut |key, _record| {
            first = Some(self.index(key));
            ControlFlow::Break(())
        })?;
        let first = first.transpose()?;
        let last = self.store.last(Table::Log, &from, &to)?;
        let last = last.map(|(key, _)| self.index(&key)).transpose()?;
        Ok(first.zip(last).map(|(first, last)| first..=last))
    }

    fn vote<C: RaftTypeConfig>(&self) -> Result<Option<VoteOf<C>>, Fault>
    where
        K: Codec<C>,
    {
        let Some(body) = self.fact(Fact::Vote)? else { return Ok(None) };
        let vote = self.codec.decode_vote(body).map_err(|bad| self.malformed(Fact::Vote, &bad))?;
        Ok(Some(vote))
    }

    fn log_id<C: RaftTypeConfig>(&self, fact: Fact) -> Result<Option<LogIdOf<C>>, Fault>
    where
        K: Codec<C>,
    {
        let Some(body) = self.fact(fact)? else { return Ok(None) };
        let (index, rest) =
            fact::split_index(&body).ok_or_else(|| self.corrupt(format!("{fact} is too short")))?;
        let log_id = self.codec.decode_log_id(rest).map_err(|bad| self.malformed(fact, &bad))?;
        if log_id.index != index {
            return Err(self.corrupt(format!("{fact} {log_id} says its index is {index}")));
        }
        Ok(Some(log_id))
    }

    fn fact(&self, fact: Fact) -> Result<Option<Bytes>, Fault> {
        let key = Key::fact(self.gid, fact);
        let Some(record) = self.store.get(Table::Groups, &key)? else { return Ok(None) };
        let body = record::unseal(key.as_slice(), &record)
            .map_err(|bad| self.corrupt(format!("{fact}: {bad}")))?;
        Ok(Some(record.slice_ref(body)))
    }

    fn malformed(&self, fact: Fact, malformed: &Malformed) -> Fault {
        self.corrupt(format!("{fact}: {malformed}"))
    }

    /// The committed log id was durable after the entry it names.
    fn check_committed<C: RaftTypeConfig>(
        &self,
        committed: Option<&LogIdOf<C>>,
        begin: u64,
        last: Option<&LogIdOf<C>>,
    ) -> Result<(), Fault>
    where
        K: Codec<C>,
    {
        let Some(committed) = committed.filter(|committed| committed.index >= begin) else {
            return Ok(());
        };
        if last.is_none_or(|last| committed.index > last.index) {
            return Err(self.corrupt(format!("{committed} is committed, but {last:?} is last")));
        }
        let key = Key::entry(self.gid, committed.index);
        let record = self.store.get(Table::Log, &key)?;
        let record = record.ok_or_else(|| self.corrupt(format!("{committed} is missing")))?;
        let (entry, _) = self.entry::<C>(key.as_slice(), &record)?;
        if entry.log_id() != *committed {
            let what = format!("{committed} is committed, but the log has {}", entry.log_id());
            return Err(self.corrupt(what));
        }
        Ok(())
    }
}

/// A walk over a group's entries in order.
struct Walk<'f, 's, C: RaftTypeConfig, K> {
    found: &'f Found<'s, K>,
    depth: Depth,
    first: Option<u64>,
    next: u64,
    last: Option<LogIdOf<C>>,
}

impl<C: RaftTypeConfig, K: Codec<C>> Walk<'_, '_, C, K> {
    fn step(&mut self, key: &[u8], record: &[u8]) -> Result<(), Fault> {
        let index = self.found.index(key)?;
        let is_first = self.first.is_none();
        let first = *self.first.get_or_insert(index);
        if !is_first && index != self.next {
            let what = format!("entries {}..{index} of a log from {first} are missing", self.next);
            return Err(self.found.corrupt(what));
        }
        // A damaged key may hold any index.
        self.next = index.saturating_add(1);
        if self.depth == Depth::Ends && !is_first {
            return Ok(());
        }
        let (entry, _) = self.found.entry::<C>(key, record)?;
        let log_id = entry.log_id();
        if self.last.as_ref().is_some_and(|last| log_id <= *last) {
            return Err(self.found.corrupt(format!("{log_id} follows {:?}", self.last)));
        }
        self.last = Some(log_id);
        Ok(())
    }
}
