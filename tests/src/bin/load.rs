//! Load: what does a cluster of five make of a million rows on this machine?
//!
//! `cargo run --release -p tests --bin load` starts a cluster, loads rows,
//! kills every node, starts them again and prints what it measured. Build the
//! nodes first, in the same profile: `cargo build --release --bin rdb`.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::{Duration, Instant};

use clap::Parser;
use tests::bulk::Bulk;
use tests::{Cluster, Options};

const START_MAX: Duration = Duration::from_secs(120);
const MEGABYTE: u64 = 1 << 20;

/// Loads rows into a cluster of five on this machine and measures it.
#[derive(Debug, Parser)]
struct Args {
    /// Rows to load.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Bytes of each value.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 256)]
    writers: u32,
    /// Data groups.
    #[arg(long, default_value_t = 2)]
    groups: u32,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let mut cluster = Cluster::start_with(Options::default().groups(args.groups).alone()).await;
    println!("start {:?}", cluster.started_within);
    print_memory("idle", &cluster);
    let bulk = Bulk { rows: args.rows, value_bytes: args.value_bytes, writers: args.writers };
    let loaded = bulk.load(&cluster.clients()).await;
    println!("load {:?}, {:.0} rows/s", loaded.took, loaded.rows_per_second);
    print_memory("loaded", &cluster);
    bulk.verify(&cluster.clients(), 1000).await;

    let node = cluster.node(0);
    node.kill();
    println!("one node after kill -9: ready in {:?}", node.start_ready(START_MAX).await);
    cluster.kill_all();
    let start = Instant::now();
    cluster.resume(&[]).await;
    println!("all nodes after kill -9: ready in {:?}", start.elapsed());
    bulk.verify(&cluster.clients(), 1000).await;
    print_memory("restarted", &cluster);
}

fn print_memory(when: &str, cluster: &Cluster) {
    for node in &cluster.nodes {
        let pid = node.pid().unwrap_or_default();
        let of = |bytes: Option<u64>| bytes.unwrap_or_default() / MEGABYTE;
        println!(
            "{when}: {} {} MiB resident, {} MiB of it not mapped files",
            node.name,
            of(tests::process::resident_bytes(pid)),
            of(tests::process::anonymous_bytes(pid)),
        );
    }
}
