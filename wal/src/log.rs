//! Log: what openraft writes of one group.
//!
//! Every call first takes effect in memory, where readers see it, and then
//! stands in the node's queue; there is no waiting in between. What must be
//! durable before it returns waits for the writer after that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::GroupId;
use bytes::Bytes;
use openraft::alias::{LogIdOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftTypeConfig};
use tokio::sync::oneshot;

use crate::codec::Codec;
use crate::fact;
use crate::flushed::{Flushed, Reached};
use crate::group::Group;
use crate::key::{Fact, Key};
use crate::queue::{Done, Op, Place};
use crate::reader::LogReader;
use crate::record;
use crate::stop::Stop;
use crate::store::{Change, Table};
use crate::tail::Held;

/// What an operation without entries weighs in the queue.
const OP_BYTES: usize = 64;

/// The durable log and vote of one group. One owner; readers are made from it.
pub struct Log<C: RaftTypeConfig, K> {
    pub(crate) group: Arc<Group<C, K>>,
}

impl<C, K> Log<C, K>
where
    C: RaftTypeConfig<Entry: Clone>,
    K: Codec<C>,
{
    /// Which group's log this is.
    #[must_use]
    pub fn gid(&self) -> GroupId {
        self.group.owner.gid
    }

    /// A reader of this log.
    #[must_use]
    pub fn reader(&self) -> LogReader<C, K> {
        LogReader { group: Arc::clone(&self.group) }
    }

    /// Watches how far this log is durable.
    #[must_use]
    pub fn flushed(&self) -> Flushed {
        Flushed::new(Arc::clone(&self.group.owner.mark))
    }

    async fn reserve(&self, bytes: usize) -> Result<Place, Stop> {
        self.group.inner.shared.queue.reserve(bytes).await
    }

    fn op(&self, changes: Vec<Change>, place: Place) -> Op {
        let owner = Arc::clone(&self.group.owner);
        let place = Some(place);
        Op { owner, changes, bytes: OP_BYTES, reached: None, sweep: None, done: None, place }
    }

    fn push(&self, op: Op) {
        self.group.inner.shared.queue.push(op);
    }

    /// Pushes the operation and waits until it is durable.
    async fn push_and_wait(&self, op: Op) -> io::Result<()> {
        let (done, durable) = oneshot::channel();
        let tell: Done = Box::new(move |result| {
            // Whoever asked may be gone; the operation is durable all the same.
            let _gone = done.send(result);
        });
        self.push(Op { done: Some(tell), ..op });
        // Dropped unanswered: the writer panicked.
        let stopped = |_dropped| self.group.inner.shared.queue.stopped().unwrap_or(Stop::Closed);
        durable.await.map_err(stopped)?
    }

    fn seal(&self, entry: C::Entry) -> Sealed<C::Entry> {
        let codec = &self.group.codec;
        let key = self.group.entry_key(entry.index());
        let record =
            record::seal(&key, codec.size(&entry), |body| codec.encode_entry(&entry, body));
        Sealed { held: Held { bytes: record.len(), entry }, key, record }
    }
}

/// An entry with the record it becomes.
struct Sealed<E> {
    held: Held<E>,
    key: Key,
    record: Bytes,
}

impl<C, K> RaftLogStorage<C> for Log<C, K>
where
    C: RaftTypeConfig<Entry: Clone>,
    K: Codec<C>,
{
    type LogReader = LogReader<C, K>;

    async fn get_log_state(&mut self) -> io::Result<LogState<C>> {
        let span = self.group.span.read();
        Ok(LogState { last_purged_log_id: span.purged.clone(), last_log_id: span.last.clone() })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.reader()
    }

    /// Durable when it returns, and everything accepted before it is, too.
    async fn save_vote(&mut self, vote: &VoteOf<C>) -> io::Result<()> {
        let place = self.reserve(OP_BYTES).await?;
        let change = fact::save_vote(self.gid(), &self.group.codec, vote);
        self.group.span.write().promise(vote.clone());
        self.push_and_wait(self.op(vec![change], place)).await
    }

    /// Never waits and never causes a sync: the record rides with the next
    /// batch that anyone's operation causes, after the entry it speaks of. A
    /// crash may lose the newest ones; a restarted replica then learns the
    /// commit index from its leader, as it would without this record.
    async fn save_committed(&mut self, committed: Option<LogIdOf<C>>) -> io::Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        if self.group.span.write().commit(&committed) {
            let gid = self.gid();
            let change = fact::save_log_id(gid, &self.group.codec, Fact::Committed, &committed);
            self.group.inner.shared.queue.ride(gid, vec![change]);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogIdOf<C>>> {
        Ok(self.group.span.read().committed.clone())
    }

    /// Returns when the entries can be read; the callback comes when they are
    /// durable. Waits only while the queue is full.
    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> io::Result<()>
    where
        I: IntoIterator<Item = C::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let sealed: Vec<_> = entries.into_iter().map(|entry| self.seal(entry)).collect();
        let bytes = OP_BYTES + sealed.iter().map(|sealed| sealed.record.len()).sum::<usize>();
        let place = self.reserve(bytes).await?;
        self.group.appended_bytes.fetch_add(bytes as u64, Ordering::Relaxed);

        let mut changes = Vec::with_capacity(sealed.len());
        let mut held = Vec::with_capacity(sealed.len());
        for Sealed { held: entry, key, record } in sealed {
            held.push(entry);
            changes.push(Change::Put { table: Table::Log, key, record });
        }
        let last = held.last().map(|held| held.entry.index());
        let epoch = self.group.accept(held);
        let reached = last.map(|index| Reached { epoch, index: Some(index) });
        let done: Done = Box::new(move |result| callback.io_completed(result));
        self.push(Op { bytes, reached, done: Some(done), ..self.op(changes, place) });
        Ok(())
    }

    /// Durable when it returns: otherwise a crash could bring entries back
    /// beside a state that has applied their successors.
    async fn truncate_after(&mut self, last_log_id: Option<LogIdOf<C>>) -> io::Result<()> {
        let place = self.reserve(OP_BYTES).await?;
        let cut = self.group.cut(last_log_id.as_ref());
        let Some((from, reached)) = cut else { return Ok(()) };
        let (from, to) = (self.group.entry_key(from), self.group.entry_key(u64::MAX));
        let change = Change::Delete { table: Table::Log, from, to };
        let op = Op { reached: Some(reached), ..self.op(vec![change], place) };
        self.push_and_wait(op).await
    }

    /// Returns at once. The purged mark is durable before the first entry is
    /// deleted, so a crash leaves at most entries nobody reads; opening the
    /// group deletes those.
    async fn purge(&mut self, log_id: LogIdOf<C>) -> io::Result<()> {
        let place = self.reserve(OP_BYTES).await?;
        let change = fact::save_log_id(self.gid(), &self.group.codec, Fact::Purged, &log_id);
        let Some((sweep, reached)) = self.group.purge(log_id) else { return Ok(()) };
        self.push(Op { reached: Some(reached), sweep, ..self.op(vec![change], place) });
        Ok(())
    }
}
