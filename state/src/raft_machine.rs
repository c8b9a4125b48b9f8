//! Raft machine: openraft's view of a store.
//!
//! openraft drives one worker per group: apply these entries, build a snapshot,
//! install one. This file hands the work to the store, in bounded chunks, and
//! answers clients once their entries are committed and visible.
//!
//! # Limits
//!
//! A chunk, which is one transaction, holds [`CHUNK_ENTRIES_MAX`] entries and
//! [`CHUNK_BYTES_MAX`] bytes, unless one entry alone is larger.

use std::io;

use api::{Answers, Member, NodeId, Payload};
use futures::{Stream, TryStreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftTypeConfig};

use crate::membership::{LeaderId, LogId};
use crate::snapshot::SnapshotFile;
use crate::store::{Entry, Store};

/// Entries applied in one transaction at most.
pub const CHUNK_ENTRIES_MAX: usize = 1024;

/// Bytes of payload applied in one transaction, unless one entry alone is larger.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;

/// Room beside the raw copy and the snapshot that a build leaves free.
const BUILD_RESERVE_BYTES: u64 = 64 << 20;

/// openraft's type configuration with this system's types in it.
pub trait Binding:
    RaftTypeConfig<
        D = Payload,
        R = Answers,
        NodeId = NodeId,
        Node = Member,
        Term = u64,
        LeaderId = LeaderId,
        Payload = EntryPayload<Payload, NodeId, Member>,
        Entry = Entry,
    >
{
}

impl<C> Binding for C where
    C: RaftTypeConfig<
            D = Payload,
            R = Answers,
            NodeId = NodeId,
            Node = Member,
            Term = u64,
            LeaderId = LeaderId,
            Payload = EntryPayload<Payload, NodeId, Member>,
            Entry = Entry,
        >
{
}

/// Builds snapshots of a store beside its thread.
pub struct Builder {
    store: Store,
}

impl<C: Binding> RaftStateMachine<C> for Store {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembershipOf<C>), io::Error> {
        Ok(self.position())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        let mut chunk = Chunk::<C>::default();
        while let Some((entry, responder)) = entries.try_next().await? {
            if !chunk.has_room_for(&entry) {
                std::mem::take(&mut chunk).apply(self).await?;
            }
            chunk.push(entry, responder);
        }
        chunk.apply(self).await
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        if !force && !has_room_to_build(self) {
            tracing::warn!(group = %self.group(), "snapshot deferred: the disk is nearly full");
            self.note_deferred_build();
            return None;
        }
        Some(Builder { store: self.clone() })
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { store: self.clone() }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<C>,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        let path = snapshot.path().to_owned();
        self.install(snapshot).await.map_err(|bad| bad.into_fault(&path).into())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<C, SnapshotFile>>, io::Error> {
        let store = self.clone();
        let newest = blocking(move || store.useful_snapshot()).await?;
        Ok(newest.map(to_openraft::<C>))
    }
}

impl<C: Binding> RaftSnapshotBuilder<C> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<C, SnapshotFile>, io::Error> {
        let store = self.store.clone();
        let built = blocking(move || Ok(store.build_snapshot()?)).await?;
        Ok(to_openraft::<C>(built))
    }
}

impl Store {
    /// The newest snapshot, if a peer can go on from it: when the log starts
    /// behind its end, or there is none, a new one is built.
    fn useful_snapshot(&self) -> io::Result<Option<SnapshotFile>> {
        let newest = self.newest_snapshot()?;
        let ends_at = newest.as_ref().and_then(|file| file.header().last_index());
        if ends_at < self.log().purged() {
            return Ok(Some(self.build_snapshot()?));
        }
        Ok(newest)
    }
}

/// openraft's words for a snapshot file.
#[must_use]
pub fn to_openraft<C: Binding>(file: SnapshotFile) -> SnapshotOf<C, SnapshotFile> {
    SnapshotOf::<C, SnapshotFile> { meta: meta_of::<C>(&file), snapshot: file }
}

/// openraft's words for what a snapshot file says about itself.
#[must_use]
pub fn meta_of<C: Binding>(file: &SnapshotFile) -> SnapshotMetaOf<C> {
    let header = file.header();
    SnapshotMetaOf::<C> { last_log_id: header.last, last_membership: header.membership.clone() }
}

/// Entries on their way into one transaction.
struct Chunk<C: Binding> {
    entries: Vec<Entry>,
    responders: Vec<Option<ApplyResponder<C>>>,
    bytes: usize,
}

impl<C: Binding> Default for Chunk<C> {
    fn default() -> Self {
        Self { entries: Vec::new(), responders: Vec::new(), bytes: 0 }
    }
}

impl<C: Binding> Chunk<C> {
    fn has_room_for(&self, entry: &Entry) -> bool {
        self.entries.is_empty()
            || self.entries.len() < CHUNK_ENTRIES_MAX
                && self.bytes + payload_bytes(entry) <= CHUNK_BYTES_MAX
    }

    fn push(&mut self, entry: Entry, responder: Option<ApplyResponder<C>>) {
        self.bytes += payload_bytes(&entry);
        self.entries.push(entry);
        self.responders.push(responder);
    }

    async fn apply(self, store: &Store) -> Result<(), io::Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let answers = store.apply(self.entries).await?;
        assert_eq!(answers.len(), self.responders.len(), "every entry has its answers");
        for (responder, answers) in self.responders.into_iter().zip(answers) {
            if let Some(responder) = responder {
                responder.send(answers);
            }
        }
        Ok(())
    }
}

fn payload_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(payload) => payload.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

/// A build needs room for a raw copy and, at worst, as much again compressed.
fn has_room_to_build(store: &Store) -> bool {
    let (Ok(used), Ok(space)) = (store.used_bytes(), disk::machine::space(store.directory()))
    else {
        return true; // The build will meet the fault and say so.
    };
    space.free_bytes > 2 * used + BUILD_RESERVE_BYTES
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    disk::blocking::run(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
