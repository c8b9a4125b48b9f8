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
    /// All nodes.
    pub nodes: Vec<NodeStatus>,
    /// All groups with a replica there.
    pub groups: Vec<GroupStatus>,
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
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
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
            nodes: vec![NodeStatus { name: "b".to_owned(), node_id: 4, reachable: true }],
            groups: vec![GroupStatus {
                gid: 1,
                leader: Some("b".to_owned()),
                term: 2,
                committed: 9,
                applied: 8,
                shards: 512,
                replicas: vec![ReplicaStatus {
                    node: "b".to_owned(),
                    applied: Some(7),
                    state: ReplicaState::Leader,
                }],
            }],
        };
        let text = concat!(
            r#"{"cluster_id":"c1","node":"a","node_id":3,"ready":false,"reason":"waiting","#,
            r#""nodes":[{"name":"b","node_id":4,"reachable":true}],"#,
            r#""groups":[{"gid":1,"leader":"b","term":2,"committed":9,"applied":8,"shards":512,"#,
            r#""replicas":[{"node":"b","applied":7,"state":"leader"}]}]}"#,
        );
        assert_eq!(serde_json::to_string(&status).unwrap(), text);
        assert_eq!(serde_json::from_str::<Status>(text).unwrap(), status);
    }

    #[test]
    fn what_a_newer_node_says_is_read_by_an_older_tool() {
        let state = r#"{"node":"b","applied":null,"state":"retired","weight":5}"#;
        let replica: ReplicaStatus = serde_json::from_str(state).unwrap();
        assert_eq!(replica.state, ReplicaState::Unknown);
    }
}
