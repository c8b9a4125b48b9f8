//! Memory: how much does a node hold, and how soon is it back with much data?
//!
//! A size for every day. `cargo run --release -p tests --bin load` does the
//! same with a million rows.

use std::time::{Duration, Instant};

use tests::bulk::Bulk;
use tests::deadline::until;
use tests::{Cluster, Options, process};

const MEGABYTE: u64 = 1 << 20;
const IDLE_MAX: u64 = 150 * MEGABYTE;
/// Queues, tails and caches at work; mapped files are the system's and not counted.
const LOADED_MAX: u64 = 400 * MEGABYTE;
const START_MAX: Duration = Duration::from_secs(10);
const SAMPLE: Duration = Duration::from_millis(200);

const BULK: Bulk = Bulk { rows: 40_000, value_bytes: 100, writers: 128 };

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hold_little_when_idle_bounded_under_load_and_start_soon_after_a_kill() {
    let mut cluster = Cluster::start_with(Options::default().alone()).await;
    eprintln!("a new cluster was up after {:?}", cluster.started_within);
    for node in &cluster.nodes {
        let idle = node.resident_bytes();
        eprintln!("{}: {} MiB idle", node.name, idle / MEGABYTE);
        assert!(idle <= IDLE_MAX, "{}: {idle}", node.name);
    }
    let pids: Vec<u32> = cluster.nodes.iter().filter_map(tests::Node::pid).collect();
    let watch = tokio::spawn(async move {
        let mut most = 0;
        loop {
            let now = pids.iter().filter_map(|&pid| process::anonymous_bytes(pid)).max();
            most = most.max(now.unwrap_or_default());
            tokio::time::sleep(SAMPLE).await;
            if pids.iter().all(|&pid| !process::runs(pid)) {
                return most;
            }
        }
    });
    let loaded = BULK.load(&cluster.clients()).await;
    eprintln!("{} rows in {:?}: {:.0}/s", BULK.rows, loaded.took, loaded.rows_per_second);
    BULK.verify(&cluster.clients(), 200).await;

    let node = cluster.node(0);
    node.kill();
    let took = node.start_ready(START_MAX).await;
    eprintln!("one node was ready {took:?} after its start");
    cluster.kill_all();
    let most = watch.await.unwrap();
    eprintln!("at most {} MiB, mapped files not counted", most / MEGABYTE);
    assert!(most <= LOADED_MAX, "{most}");

    let start = Instant::now();
    cluster.resume(&[]).await;
    eprintln!("all nodes were ready and led {:?} after their start", start.elapsed());
    assert!(start.elapsed() <= START_MAX, "{:?}", start.elapsed());
    BULK.verify(&cluster.clients(), 200).await;
    until("little memory again", START_MAX, async || {
        let held = |node: &tests::Node| process::anonymous_bytes(node.pid()?);
        let most = cluster.nodes.iter().filter_map(held).max().unwrap_or_default();
        if most <= IDLE_MAX { Ok(()) } else { Err(format!("{most} bytes")) }
    })
    .await;
}
