//! Dialect: does every node answer as rdbv2 does, and as we say beyond that?
//!
//! R1 to R19 are the cases of the dialect; see docs/api.md for the rest.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::answer::Triple;
use tests::dialect::{
    bad_requests, catalogue, conditions, ranges, rows_by_key, searches, sets_of_values, triple_of,
};
use tests::{Client, Cluster, Command, Effect};

/// Longer than a node works on a request.
const ANSWER_MAX: Duration = Duration::from_secs(7);
const READY_MAX: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn rdbv2_requests_are_answered_the_same_through_every_node() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let other = cluster.node((node.index + 1) % cluster.nodes.len());
        for (client, other, http) in
            [(&node.client, &other.client_http1, 2), (&node.client_http1, &other.client, 1)]
        {
            let collection = format!("test-{}-http{http}", node.index);
            sets_of_values(client, other, &collection).await;
            catalogue(client, other, &collection).await;
            ranges(client, &collection).await;
            bad_requests(client, &collection).await;
        }
    }
}

/// R2.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_keeps_its_key_through_the_death_of_leaders_and_of_all() {
    let mut cluster = Cluster::start().await;
    let check = async |cluster: &Cluster| {
        for node in cluster.running() {
            for number in 0..4 {
                let value = format!("value-{number}");
                let put = node.client.ok(&Command::put("test", &value)).await;
                assert_eq!(put.triple(), triple_of("test", &value), "{}", node.name);
                let get = node.client.ok(&Command::get("test", &value)).await;
                assert_eq!(get.triple(), triple_of("test", &value), "{}", node.name);
            }
        }
    };
    check(&cluster).await;
    for gid in cluster.groups() {
        let leader = cluster.leader(gid).await;
        leader.kill();
        cluster.wait_settled().await;
        check(&cluster).await;
        leader.start_ready(READY_MAX).await;
    }
    cluster.kill_all();
    cluster.resume(&[]).await;
    check(&cluster).await;
}

/// R17.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_break_rdbv2_are_ordinary_collections() {
    let cluster = Cluster::start().await;
    let odd = [
        "collection",
        "index",
        "test_index",
        "root",
        "a, b",
        "list collections",
        " ",
        "..",
        "/",
        "\u{0}",
        "\u{1f5c3}\u{fe0f}",
        "null",
        "0",
        "__meta__",
    ];
    let long = "n".repeat(255);
    let odd: Vec<&str> = odd.into_iter().chain([&*long]).collect();
    let clients = cluster.clients();
    for (name, client) in odd.iter().zip(clients.iter().cycle()) {
        assert_eq!(client.ok(&Command::put(name, "v")).await.triple(), triple_of(name, "v"));
    }
    let listed = cluster.node(0).client.ok(&Command::list_collections()).await.json();
    let listed = listed["collections"].as_array().unwrap().clone();
    for name in &odd {
        assert!(listed.contains(&json!(name)), "{name:?} in {listed:?}");
    }
    for (at, name) in odd.iter().enumerate() {
        let client = &clients[at % clients.len()];
        let dropped = client.ok(&Command::drop_collection(name)).await.triple();
        assert_eq!(dropped, Triple::new(name, "", "dropped"));
        for (later, other) in odd.iter().enumerate() {
            let found = clients[(at + 1) % clients.len()].ok(&Command::get(other, "v")).await;
            let expected =
                if later > at { triple_of(other, "v") } else { Triple::new(other, "", "") };
            assert_eq!(found.triple(), expected, "after the drop of {name:?}");
        }
    }
    let too_long = Command::put(&"n".repeat(256), "v");
    assert_eq!(cluster.node(0).client.ask(&too_long).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_conditions_and_searches_work_through_every_node() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let other = &cluster.node((node.index + 2) % cluster.nodes.len()).client;
        let collection = format!("keys-{}", node.index);
        rows_by_key(&node.client, other, &collection).await;
        conditions(&node.client, other, &collection).await;
        searches(&node.client, other, &collection).await;
    }
}

/// R19.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_everything_but_stale_reads_is_refused_in_time() {
    let cluster = Cluster::start().await;
    cluster.node(0).client.ok(&Command::put("test", "before")).await;
    cluster.wait_caught_up(READY_MAX).await;
    for node in &cluster.nodes[2..] {
        node.kill();
    }
    for node in &cluster.nodes[..2] {
        refused_without_quorum(&node.client).await;
        let stale = node.client.ok(&Command::get("test", "before").stale()).await;
        assert_eq!(stale.triple(), triple_of("test", "before"));
    }
    cluster.node(2).start();
    cluster.wait_settled().await;
    cluster.node(0).client.ok(&Command::put("test", "after")).await;
}

async fn refused_without_quorum(client: &Client) {
    // At first a write may still be proposed by a leader that does not know yet.
    let mut refused = false;
    let start = Instant::now();
    while !refused && start.elapsed() < 3 * ANSWER_MAX {
        let answer = client.ask(&Command::put("test", "without quorum")).await;
        assert!(answer.took < ANSWER_MAX, "{:?}", answer.took);
        match answer.effect() {
            Effect::None => {
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(answer.text().contains("no leader available"), "{}", answer.text());
                refused = true;
            }
            Effect::Unknown => assert_eq!(answer.status, 504, "{}", answer.text()),
            Effect::Done => panic!("two of five acknowledged a write"),
        }
    }
    assert!(refused, "a leader without quorum goes on proposing");
    let read = client.ask(&Command::get("test", "before")).await;
    assert!(matches!(read.status, 503 | 504), "{}: {}", read.status, read.text());
    assert!(read.took < ANSWER_MAX, "{:?}", read.took);
}
