//! Status: what one node knows of the cluster; the JSON of `/v1/status`.
//!
//! Nodes write it, clients and tools read it. A field may be added; a reader
//! ignores fields it does not know.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What one node knows of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's id; empty before there is one.
    pub cluster_id: String,
    /// The name of the node that answers.
    pub node: String,
    /// Its id; 0 before it has one.
    pub node_id: u64,
    /// Whether it takes requests.
    pub ready: bool,
    /// Why not, if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its disk holds and has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageStatus>,
    /// All nodes.
    pub nodes: Vec<NodeStatus>,
    /// All groups with a replica there.
    pub groups: Vec<GroupStatus>,
}

/// The disk of the node that answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageStatus {
    /// Bytes of the log, of all groups; `None` before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// What is free.
    pub free_bytes: u64,
    /// Below this, writes are refused.
    pub reserve_bytes: u64,
}

/// One node, seen from the node that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its id; 0 before it has one.
    pub node_id: u64,
    /// Whether it answered lately.
    pub reachable: bool,
}

/// One group, seen from the node that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its id; 0 is the meta group.
    pub gid: u32,
    /// The name of the node that leads it, if known.
    pub leader: Option<String>,
    /// The current term.
    pub term: u64,
    /// The last committed index known there.
    pub committed: u64,
    /// The last index applied there.
    pub applied: u64,
    /// Shards it owns.
    pub shards: usize,
    /// Bytes of its state there; `None` before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<u64>,
    /// The newest snapshot there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
}

/// A snapshot of a group, on the disk of the node that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// The last index in it.
    pub index: u64,
    /// Its size, compressed.
    pub bytes: u64,
    /// Its name in the folder of the group's state: `state_<sha256>.gz`.
    pub file: String,
}

/// One replica of a group, seen from the node that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// The node's name.
    pub node: String,
    /// The last index known to be applied there (replicated, for other nodes);
    /// `None` if the node that answers cannot know.
    pub applied: Option<u64>,
    /// What it does in the group.
    pub state: ReplicaState,
}

/// What a replica does in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// It orders the group's writes.
    Leader,
    /// It follows a leader.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It receives the log and has no vote.
    Learner,
    /// The node that answers cannot tell.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for ReplicaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Unknown => "unknown",
        })
    }
}

impl Status {
    /// The group of that id, if this node has a replica of it.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&GroupStatus> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// The name of a group's leader, if the node knows one.
    #[must_use]
    pub fn leader(&self, gid: u32) -> Option<&str> {
        self.group(gid)?.leader.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented JSON (docs/api.md), field for field.
    #[test]
    fn the_json_is_the_documented_one_and_is_read_back() {
        let status = Status {
            cluster_id: "c1".to_owned(),
            node: "a".to_owned(),
            node_id: 3,
            ready: false,
            reason: Some("waiting".to_owned()),
            storage: Some(StorageStatus { log_bytes: Some(70), free_bytes: 80, reserve_bytes: 90 }),
            nodes: vec![NodeStatus { name: "b".to_owned(), node_id: 4, reachable: true }],
            groups: vec![GroupStatus {
                gid: 1,
                leader: Some("b".to_owned()),
                term: 2,
                committed: 9,
                applied: 8,
                shards: 512,
                state_bytes: Some(60),
                snapshot: Some(SnapshotStatus {
                    index: 6,
                    bytes: 50,
                    file: "state_x.gz".to_owned(),
                }),
                replicas: vec![ReplicaStatus {
                    node: "b".to_owned(),
                    applied: Some(7),
                    state: ReplicaState::Leader,
                }],
            }],
        };
        let text = concat!(
            r#"{"cluster_id":"c1","node":"a","node_id":3,"ready":false,"reason":"waiting","#,
            r#""storage":{"log_bytes":70,"free_bytes":80,"reserve_bytes":90},"#,
            r#""nodes":[{"name":"b","node_id":4,"reachable":true}],"#,
            r#""groups":[{"gid":1,"leader":"b","term":2,"committed":9,"applied":8,"shards":512,"#,
            r#""state_bytes":60,"snapshot":{"index":6,"bytes":50,"file":"state_x.gz"},"#,
            r#""replicas":[{"node":"b","applied":7,"state":"leader"}]}]}"#,
        );
        assert_eq!(serde_json::to_string(&status).unwrap(), text);
        assert_eq!(serde_json::from_str::<Status>(text).unwrap(), status);
    }

    #[test]
    fn what_an_older_node_does_not_say_is_absent() {
        let group = concat!(
            r#"{"gid":1,"leader":null,"term":2,"committed":9,"applied":8,"shards":512,"#,
            r#""replicas":[]}"#,
        );
        let read: GroupStatus = serde_json::from_str(group).unwrap();
        assert_eq!((read.state_bytes, &read.snapshot), (None, &None));
        assert_eq!(serde_json::to_string(&read).unwrap(), group);
    }

    #[test]
    fn what_a_newer_node_says_is_read_by_an_older_tool() {
        let state = r#"{"node":"b","applied":null,"state":"retired","weight":5}"#;
        let replica: ReplicaStatus = serde_json::from_str(state).unwrap();
        assert_eq!(replica.state, ReplicaState::Unknown);
    }
}
