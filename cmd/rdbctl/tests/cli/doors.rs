//! Doors: several doors to one node in memory, which run beside the test.

#![allow(unreachable_pub, reason = "pub reads as 'for the tests' here")]

use std::sync::Arc;

use api::status::{
    GroupStatus, NodeStatus, ReplicaState, ReplicaStatus, SnapshotStatus, Status, StorageStatus,
};
use server::{Options, Server};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;

/// Doors that lead to the same rows.
pub struct Doors {
    pub fake: Arc<Fake>,
    /// The addresses, as `--endpoints` takes them.
    pub endpoints: String,
    /// Ends the servers with the test.
    _runtime: Runtime,
}

impl Doors {
    pub fn open(doors: usize) -> Self {
        let runtime = Runtime::new().unwrap();
        let fake = Arc::new(Fake::default());
        let endpoints = runtime.block_on(async {
            let mut endpoints = Vec::new();
            for n in 0..doors {
                let server = Server::new(Arc::clone(&fake), Options::new(format!("n{n}"))).unwrap();
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                endpoints.push(format!("http://{}", listener.local_addr().unwrap()));
                let never = CancellationToken::new();
                tokio::spawn(async move { server.run(listener, None, never).await });
            }
            endpoints.join(",")
        });
        Self { fake, endpoints, _runtime: runtime }
    }

    /// From now on the node says this of the cluster.
    pub fn knows(&self, status: Status) {
        *self.fake.known.lock() = Some(status);
    }
}

/// A whole cluster of three nodes and one data group, seen from its first node.
pub fn whole() -> Status {
    let names = ["n0", "n1", "n2"];
    let node = |(name, node_id): (&str, u64)| NodeStatus {
        name: name.to_owned(),
        node_id,
        reachable: true,
    };
    let group = |gid, shards| GroupStatus {
        gid,
        leader: Some("n0".to_owned()),
        term: 1,
        committed: 9,
        applied: 9,
        shards,
        state_bytes: Some(4 << 20),
        snapshot: (gid == 1).then(|| SnapshotStatus {
            index: 7,
            bytes: 5_000,
            file: "state_7.gz".to_owned(),
        }),
        replicas: names
            .map(|name| ReplicaStatus {
                node: name.to_owned(),
                applied: Some(9),
                state: if name == "n0" { ReplicaState::Leader } else { ReplicaState::Follower },
            })
            .into(),
    };
    Status {
        cluster_id: "c1".to_owned(),
        node: "n0".to_owned(),
        node_id: 1,
        ready: true,
        reason: None,
        storage: Some(StorageStatus {
            log_bytes: Some(3 << 20),
            free_bytes: 5 << 30,
            reserve_bytes: 512 << 20,
        }),
        nodes: names.into_iter().zip(1..).map(node).collect(),
        groups: vec![group(0, 0), group(1, 1024)],
    }
}
