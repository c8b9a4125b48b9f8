//! Reader: what does a group's log say?
//!
//! Recent entries come from memory. Older ones are read from the disk on
//! tokio's blocking pool, a bounded number of reads at once. A read gives the
//! log of one moment: a truncation that comes between makes it begin again.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::limits::APPEND_BYTES_MAX;
use disk::Fault;
use futures::Stream;
use futures::stream::{self, TryStreamExt};
use openraft::alias::VoteOf;
use openraft::entry::RaftEntry;
use openraft::storage::RaftLogReader;
use openraft::{OptionalSend, RaftTypeConfig};

use crate::codec::Codec;
use crate::group::{Budget, Fetched, Group, Look};

/// Reads one group's log while its owner writes it. Clones read the same log.
pub struct LogReader<C: RaftTypeConfig, K> {
    pub(crate) group: Arc<Group<C, K>>,
}

impl<C: RaftTypeConfig, K> Clone for LogReader<C, K> {
    fn clone(&self) -> Self {
        Self { group: Arc::clone(&self.group) }
    }
}

impl<C, K> LogReader<C, K>
where
    C: RaftTypeConfig<Entry: Clone>,
    K: Codec<C>,
{
    /// The last entry that was purged, if any was.
    #[must_use]
    pub fn purged_index(&self) -> Option<u64> {
        self.group.span.read().purged.as_ref().map(|purged| purged.index)
    }

    /// Bytes of records appended since the log was opened.
    #[must_use]
    pub fn appended_bytes(&self) -> u64 {
        self.group.appended_bytes.load(Ordering::Relaxed)
    }

    /// The entries of the range that the log holds: all of them, or as many as
    /// fit into `bytes_max`, but at least one.
    async fn read(&self, asked: Range<u64>, bytes_max: usize) -> io::Result<Vec<C::Entry>> {
        loop {
            if let Some(entries) = self.try_read(&asked, bytes_max).await? {
                return Ok(entries);
            }
        }
    }

    /// `None` if the log was truncated or purged under the read.
    async fn try_read(
        &self,
        asked: &Range<u64>,
        bytes_max: usize,
    ) -> io::Result<Option<Vec<C::Entry>>> {
        let (range, seen) = self.group.clamp(asked);
        let mut budget = Budget::new(bytes_max);
        let mut entries: Vec<C::Entry> = Vec::new();
        let mut next = range.start;
        loop {
            match self.group.look(next, seen, !entries.is_empty(), &mut budget) {
                Look::Changed => return Ok(None),
                Look::Memory(rest) => {
                    entries.extend(rest);
                    return Ok(Some(entries));
                }
                Look::Disk(missing) => {
                    let fetched = self.fetch(missing.clone(), budget).await?;
                    budget = fetched.budget;
                    next = missing.start + fetched.entries.len() as u64;
                    entries.extend(fetched.entries);
                    let cut_short = next < missing.end;
                    if cut_short && !self.group.holds(next, seen) {
                        return Ok(None);
                    }
                    if fetched.full {
                        return Ok(Some(entries));
                    }
                    if cut_short {
                        return Err(self.missing(next));
                    }
                }
            }
        }
    }

    /// Reads the disk where that may block.
    async fn fetch(&self, range: Range<u64>, budget: Budget) -> io::Result<Fetched<C::Entry>> {
        let inner = &self.group.inner;
        if inner.is_inline() {
            return self.group.fetch(&range, budget).map_err(|fault| self.fail(fault));
        }
        let permit = Arc::clone(&inner.reads).acquire_owned().await.map_err(io::Error::other)?;
        let group = Arc::clone(&self.group);
        let read = tokio::task::spawn_blocking(move || {
            // Inside, so that an abandoned read keeps its permit until it ends.
            let _permit = permit;
            group.fetch(&range, budget)
        });
        read.await.map_err(io::Error::other)?.map_err(|fault| self.fail(fault))
    }

    fn missing(&self, index: u64) -> io::Error {
        self.fail(self.group.found().corrupt(format!("entry {index} is missing")))
    }

    /// A record that is bad once is bad for ever: the node must not go on.
    fn fail(&self, fault: Fault) -> io::Error {
        self.group.inner.shared.fail(fault).into()
    }
}

impl<C, K> RaftLogReader<C> for LogReader<C, K>
where
    C: RaftTypeConfig<Entry: Clone>,
    K: Codec<C>,
{
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<C::Entry>> {
        self.read(half_open(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<C::Entry>> {
        self.read(start..end, APPEND_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf<C>>> {
        Ok(self.group.span.read().vote.clone())
    }

    /// Reads chunk by chunk: a replica that catches up applies a log that need
    /// not fit into memory.
    async fn entries_stream<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<C::Entry>> + OptionalSend {
        let range = half_open(&range);
        let reader = self.clone();
        let chunks = stream::try_unfold((reader, range), |(reader, range)| async move {
            let entries = reader.read(range.clone(), APPEND_BYTES_MAX).await?;
            let Some(last) = entries.last() else { return Ok::<_, io::Error>(None) };
            let rest = last.index() + 1..range.end;
            Ok(Some((stream::iter(entries.into_iter().map(Ok)), (reader, rest))))
        });
        Box::pin(chunks.try_flatten())
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
