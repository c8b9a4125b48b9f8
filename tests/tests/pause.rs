//! Pause: what does a leader do that slept through its own replacement?

use std::time::Duration;

use tests::workload::{Size, Workload};
use tests::{Client, Cluster, Options};

/// Several times the longest election timeout.
const PAUSE: Duration = Duration::from_millis(3500);
const PROGRESS_MAX: Duration = Duration::from_secs(15);

/// Writers use the other nodes; readers and soloists only the one that is
/// paused. Their requests wait in its sockets and are the first it sees.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_that_wakes_shows_nothing_old_and_acknowledges_nothing_false() {
    let cluster = Cluster::start().await;
    for round in 0..3 {
        let leader = cluster.leader(1 + round % 2).await;
        let awake: Vec<Client> = cluster
            .nodes
            .iter()
            .filter(|node| node.index != leader.index)
            .map(|node| node.client.clone())
            .collect();
        let paused = vec![leader.client.clone(), leader.client_http1.clone()];
        let size = Size { writers: 8, soloists: 16, readers: 16, keys: 16 };
        let load = Workload::start_apart(awake, paused, &format!("pause-{round}"), size);
        load.wait_acknowledged(100, PROGRESS_MAX).await;
        leader.pause();
        tokio::time::sleep(PAUSE).await;
        load.wait_acknowledged(100, PROGRESS_MAX).await;
        leader.resume();
        load.wait_acknowledged(300, PROGRESS_MAX).await;
        cluster.wait_settled().await;
        let ledger = load.finish().await;
        let judged = ledger.judge(&cluster.clients()).await;
        assert!(judged.reads > 50, "too little was read: {judged:?}");
        cluster.wait_caught_up(PROGRESS_MAX).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_follower_costs_no_election_and_no_write() {
    // A machine too busy for heartbeats would elect for its own reasons.
    let cluster = Cluster::start_with(Options::default().alone()).await;
    let leaders = [cluster.leader(1).await.index, cluster.leader(2).await.index];
    let follower = cluster.nodes.iter().find(|node| !leaders.contains(&node.index)).unwrap();
    let awake: Vec<Client> = cluster
        .nodes
        .iter()
        .filter(|node| node.index != follower.index)
        .map(|node| node.client.clone())
        .collect();
    let terms = terms(&cluster).await;
    let size = Size { writers: 8, soloists: 4, readers: 2, keys: 64 };
    let load = Workload::start(awake, "strobe", size);
    for _ in 0..3 {
        follower.pause();
        load.wait_acknowledged(100, PROGRESS_MAX).await;
        tokio::time::sleep(PAUSE / 3).await;
        follower.resume();
        load.wait_acknowledged(100, PROGRESS_MAX).await;
    }
    let ledger = load.finish().await;
    ledger.judge(&cluster.clients()).await;
    cluster.wait_caught_up(PROGRESS_MAX).await;
    assert_eq!(self::terms(&cluster).await, terms, "somebody was elected");
}

/// The terms of the data groups.
async fn terms(cluster: &Cluster) -> Vec<u64> {
    let statuses = cluster.statuses().await;
    let term = |gid| statuses.iter().filter_map(|status| Some(status.group(gid)?.term)).max();
    [1, 2].into_iter().map(|gid| term(gid).unwrap()).collect()
}
