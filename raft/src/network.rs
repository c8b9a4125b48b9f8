//! Network: hands each of openraft's calls to the conversation it belongs to.
//!
//! One [`Line`] goes to one member for one group. openraft makes separate lines
//! for entries, heartbeats and snapshots; they differ in the connection used.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use openraft::OptionalSend;
use openraft::base::BoxFuture;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
    RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};

use api::wire::peer;
use api::{GroupId, Member, NodeId};

use crate::binding::{Snapshot, Types, Vote};
use crate::peers::{Peer, Roster};
use crate::replication::AppendResults;
use crate::{campaign, replication, snapshot};

/// How long openraft waits before it calls an unreachable member again.
const BACKOFF: Duration = Duration::from_millis(100);

/// Makes the lines of one group.
#[derive(Clone)]
pub struct Network {
    group: GroupId,
    roster: Arc<Roster>,
}

impl Network {
    /// The lines of `group`.
    #[must_use]
    pub fn new(group: GroupId, roster: Arc<Roster>) -> Self {
        Self { group, roster }
    }

    fn line(&self, to: NodeId, heartbeat: bool) -> Line {
        let peer = self.roster.peer(to).cloned();
        Line { group: self.group, to, roster: Arc::clone(&self.roster), peer, heartbeat }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Line;

    async fn new_client(&mut self, target: NodeId, _: &Member) -> Line {
        self.line(target, false)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, _: &Member) -> Line {
        self.line(target, true)
    }
}

/// The way to one member for one group.
pub struct Line {
    group: GroupId,
    to: NodeId,
    roster: Arc<Roster>,
    peer: Option<Arc<Peer>>,
    heartbeat: bool,
}

impl Line {
    /// The member, if the roster knows it.
    pub fn peer(&self) -> Result<&Arc<Peer>, Unreachable<Types>> {
        let unknown = || Unreachable::from_string(format!("node {} is no member", self.to));
        self.peer.as_ref().ok_or_else(unknown)
    }

    /// The route of a message on this line.
    #[must_use]
    pub fn route(&self) -> peer::Route {
        self.roster.route(self.group, self.to)
    }
}

/// The member cannot be reached now; openraft backs off before it tries again.
pub fn unreachable(why: impl ToString) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(why))
}

impl NetBackoff<Types> for Line {
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}

impl NetStreamAppend<Types> for Line {
    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendResults<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let ttl = option.hard_ttl();
        if self.heartbeat {
            Box::pin(replication::send_heartbeat(self, requests, ttl))
        } else {
            Box::pin(replication::send_stream(self, requests, ttl))
        }
    }
}

impl NetVote<Types> for Line {
    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        campaign::ask_vote(self, &request, false, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        campaign::ask_vote(self, &request, true, option.hard_ttl()).await
    }
}

impl NetTransferLeader<Types> for Line {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        campaign::tell_transfer(self, &request, option.hard_ttl()).await
    }
}

impl NetSnapshot<Types> for Line {
    type SnapshotData = state::SnapshotFile;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        snapshot::send(self, vote, snapshot, cancel).await
    }
}
