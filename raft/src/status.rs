//! Status: what one node knows, for people and programs.
//!
//! All of it is in memory: a node whose disk stands still says so at once.

use openraft::ServerState;

use api::GroupId;
use api::figures::SpaceFigures;
use api::status::{
    GroupStatus, NodeStatus, ReplicaState, ReplicaStatus, SnapshotStatus, Status, StorageStatus,
};
use state::SnapshotFile;

use crate::group::Group;
use crate::peers::Seeds;
use crate::request::router::Router;
use crate::sizes::Sizes;
use crate::switchboard::Running;

/// What a node says of itself.
pub struct Own<'n> {
    /// Its name.
    pub name: &'n str,
    /// Why it takes no requests, if it takes none.
    pub reason: Option<String>,
    /// What its log and states hold.
    pub sizes: &'n Sizes,
    /// What its disk has left.
    pub space: SpaceFigures,
}

/// The status of a node with a cluster.
#[must_use]
pub fn of(own: Own<'_>, running: &Running) -> Status {
    let roster = &running.roster;
    let nodes = roster.members.iter().map(|(id, member)| NodeStatus {
        name: member.name.clone(),
        node_id: id.0,
        reachable: roster.peer(*id).is_none_or(|peer| peer.is_reachable()),
    });
    Status {
        cluster_id: roster.cluster.to_string(),
        node_id: roster.me.0,
        nodes: nodes.collect(),
        groups: running.groups.values().map(|group| of_group(own.sizes, running, group)).collect(),
        ready: own.reason.is_none(),
        ..of_itself(own)
    }
}

/// The status of a node without a cluster.
#[must_use]
pub fn alone(own: Own<'_>, seeds: &Seeds) -> Status {
    let nodes = seeds.addresses.keys().map(|seed| NodeStatus {
        name: seed.clone(),
        node_id: 0,
        reachable: seeds.named(seed).is_none_or(|peer| peer.is_reachable()),
    });
    Status { nodes: nodes.collect(), ..of_itself(own) }
}

fn of_itself(own: Own<'_>) -> Status {
    let SpaceFigures { free_bytes, reserve_bytes } = own.space;
    let log_bytes = own.sizes.log_bytes();
    Status {
        node: own.name.to_owned(),
        reason: own.reason,
        storage: Some(StorageStatus { log_bytes, free_bytes, reserve_bytes }),
        ..Status::default()
    }
}

fn of_group(sizes: &Sizes, running: &Running, group: &Group) -> GroupStatus {
    let roster = &running.roster;
    let metrics = group.handle.metrics();
    let shards = match group.gid {
        GroupId::META => 0,
        gid => Router::meta_view(running).map_or(0, |view| view.shards_of(gid).len()),
    };
    let replicas = metrics.membership_config.nodes().map(|(id, member)| {
        let matched = metrics.replication.as_ref().and_then(|all| all.get(id).copied().flatten());
        let here = *id == roster.me;
        let own = group.applied_index();
        ReplicaStatus {
            node: member.name.clone(),
            applied: if here { Some(own) } else { matched.map(|at| at.index) },
            state: match metrics.state {
                state if here => state_of(state),
                _ if metrics.current_leader == Some(*id) => ReplicaState::Leader,
                _ if metrics.current_leader.is_some() => ReplicaState::Follower,
                _ => ReplicaState::Unknown,
            },
        }
    });
    GroupStatus {
        gid: group.gid.0,
        leader: metrics.current_leader.map(|id| roster.name(id)),
        term: metrics.current_term,
        committed: metrics.local_committed.map_or(0, |at| at.index),
        applied: group.applied_index(),
        shards,
        state_bytes: sizes.state_bytes(group.gid),
        snapshot: group.store.listed_snapshot().as_ref().and_then(of_snapshot),
        replicas: replicas.collect(),
    }
}

/// A snapshot of a state to which nothing was applied is none to speak of.
fn of_snapshot(file: &SnapshotFile) -> Option<SnapshotStatus> {
    let index = file.header().last_index()?;
    Some(SnapshotStatus { index, bytes: file.bytes(), file: file.name() })
}

fn state_of(state: ServerState) -> ReplicaState {
    match state {
        ServerState::Leader => ReplicaState::Leader,
        ServerState::Follower => ReplicaState::Follower,
        ServerState::Candidate => ReplicaState::Candidate,
        ServerState::Learner => ReplicaState::Learner,
        ServerState::Shutdown => ReplicaState::Unknown,
    }
}
