//! Disconnect: what is left of a client that went away?

use std::time::{Duration, Instant};

use tests::deadline::until;
use tests::ledger::Token;
use tests::raw::{Raw, request};
use tests::workload::{Size, Workload};
use tests::{Cluster, Command, Ledger, Node, process};

const CLEAN_MAX: Duration = Duration::from_secs(20);
const PROGRESS_MAX: Duration = Duration::from_secs(15);
const ABORTS: u32 = 1500;

struct Footprint {
    descriptors: usize,
    threads: usize,
}

fn footprint(node: &Node) -> Footprint {
    let pid = node.pid().unwrap();
    Footprint {
        descriptors: process::descriptors(pid).unwrap(),
        threads: process::threads(pid).unwrap(),
    }
}

/// Clients give up at any moment of their request, under load.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_give_up_leave_nothing_hanging_and_nothing_half_done() {
    let cluster = Cluster::start().await;
    let before: Vec<_> = cluster.nodes.iter().map(footprint).collect();
    let size = Size { writers: 8, soloists: 0, readers: 2, keys: 50 };
    let load = Workload::start(cluster.clients(), "polite", size);
    let abandoned = Ledger::new("abandoned");
    for number in 0..ABORTS {
        let node = &cluster.nodes[number as usize % cluster.nodes.len()];
        let client = if number % 3 == 0 { &node.client_http1 } else { &node.client };
        let (key, token) = (format!("k{}", number % 40), Token { writer: number, number });
        abandoned.attempt(&key, token);
        let append = Command::append("abandoned", &key, &token.text());
        let patience = Duration::from_micros(u64::from(number) * 37 % 12_000);
        let _given_up = tokio::time::timeout(patience, client.send(&append)).await;
    }
    for number in 0..200_u32 {
        let node = &cluster.nodes[number as usize % cluster.nodes.len()];
        let mut raw = Raw::connect(node.client.base(), &cluster.ca).await.unwrap();
        let (key, token) = (format!("k{}", number % 40), Token { writer: ABORTS + number, number });
        abandoned.attempt(&key, token);
        let append = Command::append("abandoned", &key, &token.text());
        raw.send(&request(append.body.to_string().as_bytes())).await.unwrap();
    }
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    let ledger = load.finish().await;
    ledger.judge(&cluster.clients()).await;
    let judged = abandoned.judge(&cluster.clients()).await;
    assert_eq!(judged.acknowledged, 0);
    for (node, before) in cluster.nodes.iter().zip(before) {
        is_clean(node, &before).await;
    }
    let start = Instant::now();
    cluster.node(0).client.ok(&Command::put("polite", "last")).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

async fn is_clean(node: &Node, before: &Footprint) {
    // Our own idle connections stay open, and a snapshot may be on its way.
    const SPARE: usize = 24;
    until(&format!("{} letting go of everything", node.name), CLEAN_MAX, async || {
        let now = footprint(node);
        if now.descriptors > before.descriptors + SPARE {
            return Err(format!("{} descriptors, {} before", now.descriptors, before.descriptors));
        }
        if now.threads > before.threads + SPARE {
            return Err(format!("{} threads, {} before", now.threads, before.threads));
        }
        Ok(())
    })
    .await;
}
