//! Binding: openraft's type parameters, chosen once.
//!
//! Everything generic over `RaftTypeConfig` elsewhere becomes concrete here;
//! no other file of this crate spells openraft's generics.

use openraft::alias::{EntryOf, SnapshotMetaOf, SnapshotOf, VoteOf};
use openraft::raft::responder::Responder;
use openraft::raft::{ClientWriteResult, StreamAppendResult};
use openraft::{EntryPayload, OptionalSend};

use api::{Answers, Member, NodeId, Payload};

use crate::runtime::Runtime;

/// openraft's view of this system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

pub use state::membership::{LeaderId, LogId, Membership, StoredMembership};

/// A ballot.
pub type Vote = VoteOf<Types>;
/// A log entry.
pub type Entry = EntryOf<Types>;
/// The content of a log entry.
pub type EntryContent = EntryPayload<Payload, NodeId, Member>;
/// What a snapshot covers.
pub type SnapshotMeta = SnapshotMetaOf<Types>;
/// A snapshot file and what it covers.
pub type Snapshot = SnapshotOf<Types, state::SnapshotFile>;
/// The outcome of a proposal.
pub type ProposalResult = ClientWriteResult<Types>;
/// The outcome of one append message.
pub type AppendResult = StreamAppendResult<Types>;

impl openraft::RaftTypeConfig for Types {
    type D = Payload;
    type R = Answers;
    type NodeId = NodeId;
    type Node = Member;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = openraft::impls::Vote<LeaderId>;
    type Payload = EntryContent;
    type Entry = openraft::Entry<
        <LeaderId as openraft::vote::RaftLeaderId>::Committed,
        EntryPayload<Payload, NodeId, Member>,
    >;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = Callback<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// Runs a closure with the outcome of a proposal. It runs on openraft's own
/// tasks, so it must not block.
pub struct Callback<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Callback<T> {
    /// Wraps the closure.
    pub fn new(run: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(run))
    }
}

impl<T: OptionalSend + 'static> Responder<Types, T> for Callback<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}
