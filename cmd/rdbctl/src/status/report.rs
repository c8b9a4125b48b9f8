//! Report: what do several nodes' answers come to, taken together?
//!
//! A node knows best about itself, a leader about its group. Where answers
//! differ, the higher term is right, then the leader's own, then the one that
//! has seen more committed.

use std::collections::BTreeMap;

use client::status::{GroupStatus, ReplicaState, Seen, SnapshotStatus, Status, StorageStatus};
use serde::Serialize;

use crate::failure::silence;

/// The cluster, as the endpoints together know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The cluster's id; empty if nobody knows of one.
    pub cluster_id: String,
    /// Everything that was asked.
    pub endpoints: Vec<Endpoint>,
    /// All nodes, by name.
    pub nodes: Vec<Node>,
    /// All groups, by id.
    pub groups: Vec<Group>,
}

/// An address that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The address.
    pub address: String,
    /// The node that answered there.
    pub node: Option<String>,
    /// The id of that node's cluster.
    pub cluster_id: String,
    /// Why there was no answer.
    pub silence: Option<String>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its id; 0 before it has one.
    pub node_id: u64,
    /// Whether it takes requests; `None` if it was not asked.
    pub ready: Option<bool>,
    /// Why not, if not.
    pub reason: Option<String>,
    /// It answered here, or another node that did reaches it.
    pub reachable: bool,
    /// The other nodes that answered and do not reach it.
    pub unreachable_from: Vec<String>,
    /// What its disk holds and has left, if it was asked.
    pub storage: Option<StorageStatus>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its id; 0 is the meta group.
    pub gid: u32,
    /// The node that leads it, if known.
    pub leader: Option<String>,
    /// The current term.
    pub term: u64,
    /// The last index that any answer knows to be committed.
    pub committed: u64,
    /// The last index applied at whoever knows best.
    pub applied: u64,
    /// Shards it owns.
    pub shards: usize,
    /// Bytes of its state: at its leader, or else the most that a node has.
    pub state_bytes: Option<u64>,
    /// Its newest snapshot: at its leader, or else the newest that a node has.
    pub snapshot: Option<SnapshotStatus>,
    /// Its replicas, in the order of their nodes' names.
    pub replicas: Vec<Replica>,
    /// How many more nodes it may lose and go on; `None` if it has no majority now.
    pub spare: Option<usize>,
}

/// A replica of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replica {
    /// Its node.
    pub node: String,
    /// What it does in the group.
    pub state: ReplicaState,
    /// The last index known to be applied there, or replicated to it.
    pub applied: Option<u64>,
    /// How far that is behind what is committed.
    pub lag: Option<u64>,
}

impl Report {
    /// The picture that `seen` makes. Only the cluster that most answers belong
    /// to is in it; foreign endpoints stand in the list of endpoints alone.
    #[must_use]
    pub fn of(seen: &[Seen]) -> Self {
        let cluster_id = cluster_of_most(seen);
        let ours =
            |status: &&Status| status.cluster_id.is_empty() || status.cluster_id == cluster_id;
        // By name: several endpoints, one of them a proxy, may lead to one node.
        let answers: BTreeMap<&str, &Status> = seen
            .iter()
            .filter_map(|seen| seen.status.as_ref().ok())
            .filter(ours)
            .map(|status| (status.node.as_str(), status))
            .collect();
        let answers: Vec<_> = answers.into_values().collect();
        let nodes = nodes(&answers);
        let groups = groups(&answers, &nodes);
        Self { cluster_id, endpoints: seen.iter().map(endpoint).collect(), nodes, groups }
    }

    /// Whether anybody answered at all.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.node.is_some())
    }

    /// How many more nodes every group can lose; `None` if one has no majority now.
    #[must_use]
    pub fn spare(&self) -> Option<usize> {
        self.groups.iter().map(|group| group.spare).min().flatten()
    }
}

fn endpoint(seen: &Seen) -> Endpoint {
    let address = seen.endpoint.clone();
    match &seen.status {
        Ok(status) => Endpoint {
            address,
            node: Some(status.node.clone()),
            cluster_id: status.cluster_id.clone(),
            silence: None,
        },
        Err(error) => Endpoint { address, silence: Some(silence(error)), ..Endpoint::default() },
    }
}

fn cluster_of_most(seen: &[Seen]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for status in seen.iter().filter_map(|seen| seen.status.as_ref().ok()) {
        if !status.cluster_id.is_empty() {
            *counts.entry(&status.cluster_id).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or_else(String::new, |(id, _)| id.to_owned())
}

fn nodes(answers: &[&Status]) -> Vec<Node> {
    let mut nodes: BTreeMap<&str, Node> = BTreeMap::new();
    for status in answers {
        let own = nodes.entry(&status.node).or_default();
        own.node_id = own.node_id.max(status.node_id);
        own.ready = Some(status.ready);
        own.reason.clone_from(&status.reason);
        own.reachable = true;
        own.storage = status.storage;
        for other in &status.nodes {
            let node = nodes.entry(&other.name).or_default();
            node.node_id = node.node_id.max(other.node_id);
            node.reachable |= other.reachable;
            if !other.reachable && other.name != status.node {
                node.unreachable_from.push(status.node.clone());
            }
        }
    }
    let named = nodes.into_iter().map(|(name, node)| Node { name: name.to_owned(), ..node });
    named.collect()
}

fn groups(answers: &[&Status], nodes: &[Node]) -> Vec<Group> {
    let mut views: BTreeMap<u32, Vec<View<'_>>> = BTreeMap::new();
    for status in answers {
        for group in &status.groups {
            views.entry(group.gid).or_default().push(View { from: &status.node, group });
        }
    }
    views.values().filter_map(|views| merged(views, nodes)).collect()
}

/// A group, seen from a node.
#[derive(Clone, Copy)]
struct View<'a> {
    from: &'a str,
    group: &'a GroupStatus,
}

impl View<'_> {
    fn authority(&self) -> (u64, bool, bool, u64) {
        let leader = self.group.leader.as_deref();
        let leads = leader == Some(self.from);
        (self.group.term, leader.is_some(), leads, self.group.committed)
    }
}

fn merged(views: &[View<'_>], nodes: &[Node]) -> Option<Group> {
    let best = views.iter().max_by_key(|view| view.authority())?;
    // Each replica measures itself: of several, the leader's counts.
    let leader = views.iter().find(|view| Some(view.from) == best.group.leader.as_deref());
    let heard = || leader.map_or(views, std::slice::from_ref).iter().map(|view| view.group);
    let committed = views.iter().map(|view| view.group.committed).max().unwrap_or(0);
    let mut replicas: Vec<_> = best.group.replicas.iter().collect();
    replicas.sort_by(|a, b| a.node.cmp(&b.node));
    let replicas: Vec<_> = replicas
        .into_iter()
        .map(|replica| {
            let own = views.iter().find(|view| view.from == replica.node);
            let own = own.and_then(|view| {
                view.group.replicas.iter().find(|other| other.node == replica.node)
            });
            let known = own.unwrap_or(replica);
            let applied = known.applied;
            let lag = applied.map(|applied| committed.saturating_sub(applied));
            Replica { node: known.node.clone(), state: known.state, applied, lag }
        })
        .collect();
    Some(Group {
        gid: best.group.gid,
        leader: best.group.leader.clone(),
        term: best.group.term,
        committed,
        applied: best.group.applied,
        shards: best.group.shards,
        state_bytes: heard().filter_map(|group| group.state_bytes).max(),
        snapshot: heard()
            .filter_map(|group| group.snapshot.as_ref())
            .max_by_key(|it| it.index)
            .cloned(),
        spare: spare(&replicas, nodes),
        replicas,
    })
}

/// How many of the voters that are up could go before there is no majority.
fn spare(replicas: &[Replica], nodes: &[Node]) -> Option<usize> {
    let up =
        |replica: &&Replica| nodes.iter().any(|node| node.name == replica.node && node.reachable);
    let voters = || replicas.iter().filter(|replica| replica.state != ReplicaState::Learner);
    let majority = voters().count() / 2 + 1;
    voters().filter(up).count().checked_sub(majority)
}
