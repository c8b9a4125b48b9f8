//! Status: what does a node say of the cluster?

use serde::Deserialize;

/// The answer of `/v1/status`.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The cluster's id; empty before there is one.
    pub cluster_id: String,
    /// The node that answers.
    pub node: String,
    /// Its id; 0 before it has one.
    pub node_id: u64,
    /// Whether it takes requests.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// All nodes.
    pub nodes: Vec<Member>,
    /// All groups with a replica there.
    pub groups: Vec<Group>,
}

/// A node, seen from the one that answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id.
    pub node_id: u64,
    /// Whether it answered lately.
    pub reachable: bool,
}

/// A group, seen from the node that answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    /// Its id; 0 is the meta group.
    pub gid: u32,
    /// The name of its leader.
    pub leader: Option<String>,
    /// Its term.
    pub term: u64,
    /// The last index known to be committed.
    pub committed: u64,
    /// The last index applied there.
    pub applied: u64,
    /// Shards it owns.
    pub shards: usize,
}

impl Status {
    /// The group of that id.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// The leader of a group, if the node knows one.
    #[must_use]
    pub fn leader(&self, gid: u32) -> Option<&str> {
        self.group(gid)?.leader.as_deref()
    }
}
