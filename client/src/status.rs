//! Status: what does each node know of the cluster?
//!
//! The JSON of `/v1/status`, as values. Every endpoint is asked once and
//! speaks for itself: the differences between the nodes' answers are what one
//! looks for. A proxy answers with whichever node it picks.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Url;
use serde::Deserialize;

use crate::attempt::fetch;
use crate::error::Error;

/// What an endpoint said when it was asked for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The endpoint, as `https://host:port`.
    pub endpoint: String,
    /// What it said, or why it said nothing.
    pub status: Result<Status, Error>,
}

/// What one node knows of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
    #[serde(default)]
    pub reason: Option<String>,
    /// All nodes.
    pub nodes: Vec<NodeStatus>,
    /// All groups with a replica there.
    pub groups: Vec<GroupStatus>,
}

/// One node, seen from the node that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its id; 0 before it has one.
    pub node_id: u64,
    /// Whether it answered lately.
    pub reachable: bool,
}

/// One group, seen from the node that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ReplicaStatus {
    /// The node's name.
    pub node: String,
    /// The last index known to be applied there (replicated, for other nodes);
    /// `None` if the node that answers cannot know.
    pub applied: Option<u64>,
    /// `leader`, `follower`, `candidate`, `learner` or `unknown`.
    pub state: String,
}

/// Asks all endpoints at once, each for at most `patience`.
pub(crate) async fn ask(http: &reqwest::Client, urls: &[Url], patience: Duration) -> Vec<Seen> {
    join_all(urls.iter().map(|url| ask_one(http, url.clone(), patience))).await
}

async fn ask_one(http: &reqwest::Client, mut url: Url, patience: Duration) -> Seen {
    url.set_path("/v1/status");
    let endpoint = url.origin().ascii_serialization();
    let status = match fetch(http, url, patience).await {
        Ok(body) => serde_json::from_slice(&body)
            .map_err(|error| Error::Garbled { message: error.to_string() }),
        Err(failed) => Err(failed.into_error(false)),
    };
    Seen { endpoint, status }
}

#[cfg(test)]
mod tests {
    use api::service;

    use super::*;

    #[test]
    fn statuses_are_read_as_nodes_write_them() {
        let written = service::Status {
            cluster_id: "c1".to_owned(),
            node: "a".to_owned(),
            node_id: 3,
            ready: false,
            reason: Some("waiting".to_owned()),
            nodes: vec![service::NodeStatus { name: "b".to_owned(), node_id: 4, reachable: true }],
            groups: vec![service::GroupStatus {
                gid: 1,
                leader: Some("b".to_owned()),
                term: 2,
                committed: 9,
                applied: 8,
                shards: 512,
                replicas: vec![service::ReplicaStatus {
                    node: "b".to_owned(),
                    applied: Some(7),
                    state: "leader",
                }],
            }],
        };
        let replica =
            ReplicaStatus { node: "b".to_owned(), applied: Some(7), state: "leader".to_owned() };
        let expected = Status {
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
                replicas: vec![replica],
            }],
        };
        let read = |status: &service::Status| {
            serde_json::from_str::<Status>(&serde_json::to_string(status).unwrap()).unwrap()
        };
        assert_eq!(read(&written), expected);
        assert_eq!(read(&service::Status::default()), Status::default());
    }
}
