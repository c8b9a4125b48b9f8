//! Group: one group's open log, shared by its owner and its readers.

use std::ops::{ControlFlow, Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use disk::Fault;
use openraft::RaftTypeConfig;
use openraft::alias::LogIdOf;
use openraft::entry::RaftEntry;
use parking_lot::RwLock;

use crate::codec::Codec;
use crate::flushed::Reached;
use crate::key::Key;
use crate::queue::Owner;
use crate::recovery::Found;
use crate::span::Span;
use crate::store::Table;
use crate::tail::Held;
use crate::wal::Inner;

/// One group's open log.
pub(crate) struct Group<C: RaftTypeConfig, K> {
    pub(crate) inner: Arc<Inner>,
    pub(crate) owner: Arc<Owner>,
    pub(crate) codec: K,
    /// Never held while waiting. The owner changes it, readers look.
    pub(crate) span: RwLock<Span<C>>,
    /// Bytes of records appended since the log was opened.
    pub(crate) appended_bytes: AtomicU64,
}

/// How many bytes of entries a reader still wants. The first entry always fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    left: usize,
    spent: bool,
}

/// What one look at the log gives a reader.
pub(crate) enum Look<E> {
    /// These entries complete what was asked for.
    Memory(Vec<E>),
    /// These are on the disk only.
    Disk(Range<u64>),
    /// What was read before is not the log any more: begin again.
    Changed,
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) epoch: u64,
    pub(crate) end: u64,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { left: bytes_max, spent: false }
    }

    /// Takes an entry of this size, if it fits.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        if self.spent && bytes > self.left {
            return false;
        }
        self.left = self.left.saturating_sub(bytes);
        self.spent = true;
        true
    }
}

impl<C, K> Group<C, K>
where
    C: RaftTypeConfig<Entry: Clone>,
    K: Codec<C>,
{
    /// The range a reader may have now, and the epoch it holds in.
    pub(crate) fn clamp(&self, asked: &Range<u64>) -> (Range<u64>, Seen) {
        let span = self.span.read();
        // An empty log has nothing between first and next.
        let (start, end) = (asked.start.max(span.first), asked.end.min(span.next()));
        (start..end.max(start), Seen { epoch: span.epoch, end: end.max(start) })
    }

    /// Looks for the entries from `next` on. `begun` says that entries before
    /// `next` were read already, so that none may be missing in between.
    pub(crate) fn look(
        &self,
        next: u64,
        seen: Seen,
        begun: bool,
        budget: &mut Budget,
    ) -> Look<C::Entry> {
        let span = self.span.read();
        let purged = next < span.first;
        if span.epoch != seen.epoch || (purged && begun) {
            return Look::Changed;
        }
        let next = next.max(span.first);
        let end = seen.end.min(span.next());
        if next < span.tail.first().min(end) {
            return Look::Disk(next..span.tail.first().min(end));
        }
        let wanted = usize::try_from(end.saturating_sub(next)).unwrap_or(usize::MAX);
        let held = span.tail.from(next).take(wanted);
        let fitting = held.take_while(|held| budget.spend(held.bytes));
        Look::Memory(fitting.map(|held| held.entry.clone()).collect())
    }

    /// Reads entries from the disk, as many as fit. Blocks.
    pub(crate) fn fetch(
        &self,
        range: &Range<u64>,
        mut budget: Budget,
    ) -> Result<Fetched<C::Entry>, Fault> {
        let found = self.found();
        let mut entries = Vec::new();
        let mut full = false;
        let mut outcome = Ok(());
        let (from, to) = (self.entry_key(range.start), self.entry_key(range.end - 1));
        self.inner.shared.store.scan(Table::Log, &from, &to, &mut |key, record| {
            full = !budget.spend(record.len());
            if full {
                return ControlFlow::Break(());
            }
            match found.entry::<C>(key, record) {
                // A hole. The caller knows whether a purge made it, or damage.
                Ok((entry, _)) if entry.index() != range.start + entries.len() as u64 => {
                    return ControlFlow::Break(());
                }
                Ok((entry, _)) => entries.push(entry),
                Err(fault) => {
                    outcome = Err(fault);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        outcome.map(|()| Fetched { entries, full, budget })
    }

    /// Whether the log is still the one that was seen, and its entry `index`
    /// not purged.
    pub(crate) fn holds(&self, index: u64, seen: Seen) -> bool {
        let span = self.span.read();
        span.epoch == seen.epoch && span.first <= index
    }

    /// Takes entries into memory, where readers see them at once.
    pub(crate) fn accept(&self, entries: Vec<Held<C::Entry>>) -> u64 {
        let flushed = self.owner.mark.index();
        let mut span = self.span.write();
        span.accept(entries);
        span.tail.evict(flushed);
        span.epoch
    }

    /// Cuts the log after `after`. `None` if nothing is there; otherwise where
    /// the cut begins and what is durable once it is.
    pub(crate) fn cut(&self, after: Option<&LogIdOf<C>>) -> Option<(u64, Reached)> {
        let mut span = self.span.write();
        let from = span.cut(after)?;
        let index = span.last.as_ref().map(|last| last.index);
        let reached = Reached { epoch: span.epoch, index };
        // Under the lock: nothing may be appended before the mark went back (W3).
        self.owner.mark.lower(reached);
        Some((from, reached))
    }

    /// Purges the log. `None` if that was done before; otherwise the entries to
    /// delete and what counts as durable once the purged mark is.
    pub(crate) fn purge(&self, upto: LogIdOf<C>) -> Option<(Option<RangeInclusive<u64>>, Reached)> {
        let index = Some(upto.index);
        let mut span = self.span.write();
        let doomed = span.purge(upto)?;
        Some((doomed, Reached { epoch: span.epoch, index }))
    }

    pub(crate) fn entry_key(&self, index: u64) -> Key {
        Key::entry(self.owner.gid, index)
    }

    pub(crate) fn found(&self) -> Found<'_, K> {
        Found { store: &*self.inner.shared.store, gid: self.owner.gid, codec: &self.codec }
    }
}

/// What a read of the disk gave.
pub(crate) struct Fetched<E> {
    /// Consecutive entries from the start of the range.
    pub(crate) entries: Vec<E>,
    /// The next one does not fit the budget.
    pub(crate) full: bool,
    /// What is left of the budget.
    pub(crate) budget: Budget,
}
