//! Status: what one node knows, for people and programs.

use openraft::ServerState;

use api::GroupId;
use api::status::{GroupStatus, NodeStatus, ReplicaState, ReplicaStatus, Status};

use crate::group::Group;
use crate::peers::Seeds;
use crate::request::router::Router;
use crate::switchboard::Running;

/// The status of a node with a cluster.
#[must_use]
pub fn of(name: &str, running: &Running, reason: Option<String>) -> Status {
    let roster = &running.roster;
    let nodes = roster.members.iter().map(|(id, member)| NodeStatus {
        name: member.name.clone(),
        node_id: id.0,
        reachable: roster.peer(*id).is_none_or(|peer| peer.is_reachable()),
    });
    Status {
        cluster_id: roster.cluster.to_string(),
        node: name.to_owned(),
        node_id: roster.me.0,
        ready: reason.is_none(),
        reason,
        nodes: nodes.collect(),
        groups: running.groups.values().map(|group| of_group(running, group)).collect(),
    }
}

/// The status of a node without a cluster.
#[must_use]
pub fn alone(name: &str, seeds: &Seeds, reason: Option<String>) -> Status {
    let nodes = seeds.addresses.keys().map(|seed| NodeStatus {
        name: seed.clone(),
        node_id: 0,
        reachable: seeds.named(seed).is_none_or(|peer| peer.is_reachable()),
    });
    let (ready, nodes) = (false, nodes.collect());
    Status { node: name.to_owned(), ready, reason, nodes, ..Status::default() }
}

fn of_group(running: &Running, group: &Group) -> GroupStatus {
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
        replicas: replicas.collect(),
    }
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
