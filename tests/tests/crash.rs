//! Crash: what is left when processes die at any moment?

use std::time::{Duration, Instant};

use tests::disk::DiskProbe;
use tests::scrape::scrape;
use tests::workload::{Size, Workload};
use tests::{Cluster, Command, NODES, Options};

const READY_MAX: Duration = Duration::from_secs(20);
const PROGRESS_MAX: Duration = Duration::from_secs(15);
const GAP_MAX: Duration = Duration::from_millis(2500);

const CPU_SECONDS: &str = "process_cpu_seconds_total";

const BUSY: Size = Size { writers: 16, soloists: 4, readers: 2, keys: 200 };

/// Every pair of nodes, then all at once.
#[tokio::test(flavor = "multi_thread")]
async fn any_two_nodes_then_all_five_killed_under_load_lose_and_repeat_nothing() {
    let mut cluster = Cluster::start().await;
    let load = Workload::start(cluster.clients(), "crash", BUSY);
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    for first in 0..NODES {
        for second in first + 1..NODES {
            let start = Instant::now();
            let pair = [cluster.node(first), cluster.node(second)];
            pair.iter().for_each(|node| node.kill());
            load.wait_acknowledged(100, PROGRESS_MAX).await;
            let served = start.elapsed();
            pair.iter().for_each(|node| node.start());
            for node in pair {
                node.wait_ready(READY_MAX).await;
            }
            load.wait_acknowledged(20, PROGRESS_MAX).await;
            eprintln!(
                "{first} and {second}: 100 writes after {served:?}, whole after {:?}",
                start.elapsed()
            );
        }
    }
    cluster.kill_all();
    let start = Instant::now();
    cluster.resume(&[]).await;
    eprintln!("all five: whole after {:?}", start.elapsed());
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    let ledger = load.finish().await;
    let judged = ledger.judge(&cluster.clients()).await;
    assert!(judged.acknowledged > 1000, "too little happened: {judged:?}");
    assert!(judged.reads > 100, "too little was read: {judged:?}");
    cluster.wait_caught_up(READY_MAX).await;
}

/// With the default timers, per group, the meta group's leader included.
#[tokio::test(flavor = "multi_thread")]
async fn writes_flow_again_soon_after_a_leader_is_killed_under_64_writers() {
    let cluster = Cluster::start_with(Options::default().alone()).await;
    let size = Size { writers: 64, soloists: 0, readers: 0, keys: 64 };
    let load = Workload::start(cluster.clients(), "failover", size);
    load.wait_acknowledged(1000, PROGRESS_MAX).await;
    let disk = DiskProbe::start(cluster.root());
    for gid in [1, 2, 0, 1, 2] {
        let leader = cluster.leader(gid).await;
        let killed = Instant::now();
        leader.kill();
        load.wait_acknowledged(500, PROGRESS_MAX).await;
        cluster.wait_settled().await;
        load.wait_acknowledged(500, PROGRESS_MAX).await;
        let gaps = load.ledger().longest_gaps(killed);
        let stalled = disk.stalled_since(killed);
        eprintln!("leader of group {gid} killed: longest gap by group {gaps:?}, disk {stalled:?}");
        // No database is faster than its disk, which all five share here.
        assert!(gaps.values().all(|gap| *gap <= GAP_MAX + stalled), "{gaps:?}, disk {stalled:?}");
        leader.start_ready(READY_MAX).await;
        cluster.wait_caught_up(READY_MAX).await;
    }
    let ledger = load.finish().await;
    ledger.judge(&cluster.clients()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_again_and_again_while_it_starts_recovers() {
    let cluster = Cluster::start_with(Options::default().small_snapshots()).await;
    let load = Workload::start(cluster.clients(), "restarts", BUSY);
    let node = cluster.node(4);
    for attempt in 0..12_u64 {
        load.wait_acknowledged(50, PROGRESS_MAX).await;
        node.kill();
        node.start();
        // Ends at another point of its start each time.
        let life = Duration::from_millis(15 + attempt * 40);
        tokio::time::sleep(life).await;
        assert!(node.ended().is_none(), "it ended by itself:\n{}", node.log());
        tests::deadline::until("its lock", READY_MAX, async || {
            node.pid().map(|_| ()).ok_or_else(|| "not held yet".to_owned())
        })
        .await;
    }
    node.wait_ready(READY_MAX).await;
    let ledger = load.finish().await;
    cluster.wait_caught_up(READY_MAX).await;
    ledger.judge(&cluster.clients()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_and_stops_cleanly() {
    let cluster = Cluster::start().await;
    let load = Workload::start(cluster.clients(), "rolling", BUSY);
    load.wait_acknowledged(100, PROGRESS_MAX).await;
    let start = Instant::now();
    for node in &cluster.nodes {
        let took = node.terminate();
        load.wait_acknowledged(50, PROGRESS_MAX).await;
        let back = node.start_ready(READY_MAX).await;
        cluster.wait_caught_up(READY_MAX).await;
        eprintln!("{}: stopped in {took:?}, back in {back:?}", node.name);
    }
    let gaps = load.ledger().longest_gaps(start);
    eprintln!("rolling restart: longest gap by group {gaps:?}");
    let ledger = load.finish().await;
    ledger.judge(&cluster.clients()).await;
    // Beside another cluster; with a hand-over it should be a fraction of this.
    assert!(gaps.values().all(|gap| *gap <= 2 * GAP_MAX), "{gaps:?}");
}

/// A stale read asks nobody, so it shows what the node itself has.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_alone_has_the_same_rows_as_the_others_afterwards() {
    let cluster = Cluster::start().await;
    let node = cluster.node(2);
    for number in 0..200 {
        let (key, value) = (format!("k{number}"), format!("v{number}"));
        let through = cluster.node(if number < 100 { 2 } else { 0 });
        through.client.ok(&Command::put_key("rows", &key, &value)).await;
        if number == 100 {
            node.kill();
        }
    }
    node.start_ready(READY_MAX).await;
    cluster.wait_caught_up(READY_MAX).await;
    for number in 0..200 {
        let get = Command::get_key("rows", &format!("k{number}")).stale();
        let found = node.client.ok(&get).await.triple().value;
        assert_eq!(found, format!("v{number}"));
    }
}

/// Whoever leads must not spend its time on dialling one who is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_follower_costs_the_others_no_processor() {
    const WATCHED: Duration = Duration::from_secs(4);
    const SHARE_MAX: f64 = 0.3;
    let cluster = Cluster::start_with(Options::default().alone()).await;
    cluster.node(4).kill();
    cluster.wait_settled().await;
    let living = || cluster.nodes.iter().take(4);
    let used = async || {
        let mut seconds = Vec::new();
        for node in living() {
            seconds.push(scrape(node).await.value(CPU_SECONDS));
        }
        seconds
    };
    let before = used().await;
    tokio::time::sleep(WATCHED).await;
    let after = used().await;
    for ((node, before), after) in living().zip(before).zip(after) {
        let share = (after - before) / WATCHED.as_secs_f64();
        eprintln!("{}: {share:.2} of a processor", node.name);
        assert!(share < SHARE_MAX, "{}: {share:.2} of a processor", node.name);
    }
}
