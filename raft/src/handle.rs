//! Handle: one group's openraft instance, in this system's words.
//!
//! Its errors become refusals here: what openraft certainly did not append is
//! not applied, everything else that has no answer is unknown.

use std::collections::BTreeMap;

use futures::{Stream, StreamExt};
use openraft::Raft;
use openraft::ReadPolicy;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{
    ClientWriteError, Fatal, ForwardToLeader, InitializeError, LinearizableReadError, RaftError,
};
use openraft::metrics::RaftMetrics;
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use tokio::sync::oneshot;

use api::{Answers, GroupId, Member, NodeId, Payload, Refusal};

use crate::binding::{AppendResult, Callback, ProposalResult, Snapshot, Types, Vote};

/// A stream of append results, boxed.
pub type AppendResults =
    std::pin::Pin<Box<dyn Stream<Item = Result<AppendResult, Fatal<Types>>> + Send>>;

/// One group's openraft instance. Clones share it.
#[derive(Clone)]
pub struct Handle(pub Raft<Types, state::Store>);

impl Handle {
    /// Puts one payload into the log and waits until it is applied.
    pub async fn propose(&self, group: GroupId, payload: Payload) -> Result<Answers, Refusal> {
        let (done, outcome) = oneshot::channel();
        let callback = Callback::new(move |result: ProposalResult| {
            let _gone = done.send(result);
        });
        let proposed = self.0.client_write_ff(payload, Some(callback)).await;
        if proposed.is_err() {
            return Err(Refusal::Stopping);
        }
        let unknown = Refusal::Unknown { group, waited: std::time::Duration::ZERO };
        match outcome.await {
            Ok(Ok(written)) => Ok(written.data),
            Ok(Err(ClientWriteError::ForwardToLeader(forward))) => Err(not_leader(group, &forward)),
            // Discarded entries may yet commit through another leader.
            Ok(Err(_)) | Err(_) => Err(unknown),
        }
    }

    /// The index a linearizable read must see applied.
    pub async fn read_index(&self, group: GroupId) -> Result<u64, Refusal> {
        let linearizer = self.0.get_read_linearizer(ReadPolicy::ReadIndex).await;
        match linearizer {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(not_leader(group, &forward))
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(Refusal::NoLeader { group })
            }
            Err(RaftError::Fatal(_)) => Err(Refusal::Stopping),
        }
    }

    /// Answers a vote or a pre-vote.
    pub async fn vote(
        &self,
        request: VoteRequest<Types>,
        pre_vote: bool,
    ) -> Result<VoteResponse<Types>, RaftError<Types>> {
        if pre_vote { self.0.pre_vote(request).await } else { self.0.vote(request).await }
    }

    /// Hears that the leader wants to hand over.
    pub async fn hear_transfer(
        &self,
        request: TransferLeaderRequest<Types>,
    ) -> Result<TransferLeaderResponse<Types>, Fatal<Types>> {
        self.0.handle_transfer_leader(request).await
    }

    /// Appends what the leader streams; results come in the same order.
    pub fn append<S>(&self, requests: S) -> AppendResults
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        self.0.stream_append(requests).boxed()
    }

    /// Replaces the state by a received snapshot.
    pub async fn install(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<SnapshotResponse<Types>, Fatal<Types>> {
        self.0.install_full_snapshot(vote, snapshot).await
    }

    /// The newest snapshot on disk.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.0.get_snapshot().await.ok().flatten()
    }

    /// Writes the first membership, unless there is one.
    pub async fn initialize(
        &self,
        members: BTreeMap<NodeId, Member>,
    ) -> Result<(), RaftError<Types, InitializeError<Types>>> {
        self.0.initialize(members).await
    }

    /// Whether the group has a membership here.
    pub async fn is_initialized(&self) -> Result<bool, Fatal<Types>> {
        self.0.is_initialized().await
    }

    /// Starts a snapshot.
    pub async fn build_snapshot(&self) -> Result<(), Fatal<Types>> {
        self.0.trigger().snapshot().await
    }

    /// Hands leadership to another voter.
    pub async fn transfer_to(&self, node: NodeId) -> Result<(), Fatal<Types>> {
        self.0.trigger().transfer_leader(node).await
    }

    /// All figures, as they stand.
    #[must_use]
    pub fn metrics(&self) -> RaftMetrics<Types> {
        self.0.metrics().borrow_watched().clone()
    }

    /// Stops the group's tasks.
    pub async fn shutdown(&self) {
        let stopped = self.0.shutdown().await;
        if let Err(error) = stopped {
            tracing::warn!(%error, "a group did not stop cleanly");
        }
    }
}

fn not_leader(group: GroupId, forward: &ForwardToLeader<Types>) -> Refusal {
    use openraft::errors::ForwardReason;
    match (&forward.reason, forward.leader_id) {
        (ForwardReason::NotLeader, Some(leader)) => {
            Refusal::NotLeader { group, leader: Some(leader) }
        }
        // A leader without a recent quorum, or one that is handing over.
        _ => Refusal::NoLeader { group },
    }
}
