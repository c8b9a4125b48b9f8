//! Dialect: does every node answer as rdbv2 does, and as we say beyond that?
//!
//! R1 to R19 are the cases of the dialect; see docs/api.md for the rest.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::answer::Triple;
use tests::{Client, Cluster, Command, Effect};

/// Longer than a node works on a request.
const ANSWER_MAX: Duration = Duration::from_secs(7);
const READY_MAX: Duration = Duration::from_secs(20);

fn key_of(collection: &str, value: &str) -> String {
    hex::encode(Sha256::digest([collection.as_bytes(), b"\0", value.as_bytes()].concat()))
}

fn triple_of(collection: &str, value: &str) -> Triple {
    Triple::new(collection, &key_of(collection, value), value)
}

fn values(answer: &Value) -> Vec<String> {
    let entries = answer["entries"].as_array().unwrap_or_else(|| panic!("no entries: {answer}"));
    entries.iter().map(|entry| entry["value"].as_str().unwrap().to_owned()).collect()
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.ok(&Command::list_collections()).await;
    let json = answer.json();
    let names: Vec<_> = json["collections"].as_array().expect("an array of names").clone();
    let names: Vec<_> = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(answer.triple(), Triple::new("", "", &names.join(", ")));
    assert!(names.is_sorted(), "{names:?}");
    names
}

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

/// R1 to R7.
async fn sets_of_values(client: &Client, other: &Client, collection: &str) {
    let expected = triple_of(collection, "test1");
    for client in [client, client, other] {
        let answer = client.ok(&Command::put(collection, "test1")).await;
        assert_eq!(answer.triple(), expected);
        assert_eq!(answer.header("content-type"), "application/json");
        for header in ["rdb-version", "rdb-shard", "rdb-group", "rdb-served-by"] {
            assert!(!answer.header(header).is_empty(), "{header}: {:?}", answer.headers);
        }
    }
    assert_eq!(expected.key.len(), 64);
    let found = async |client: &Client, value| client.ok(&Command::get(collection, value)).await;
    assert_eq!(found(client, "test1").await.triple(), expected);
    assert_eq!(found(other, "test1").await.triple(), expected);
    assert_eq!(found(client, "nope").await.triple(), Triple::new(collection, "", ""));
    let unknown = client.ok(&Command::get("never-made", "v")).await;
    assert_eq!(unknown.triple(), Triple::new("never-made", "", ""));
    assert!(!names(other).await.contains(&"never-made".to_owned()));

    let delete = Command::delete(collection, "test1");
    assert_eq!(client.ok(&delete).await.triple(), expected);
    assert_eq!(found(other, "test1").await.triple(), Triple::new(collection, "", ""));
    assert_eq!(other.ok(&delete).await.triple(), Triple::new(collection, "", ""));
}

/// R8 to R10.
async fn catalogue(client: &Client, other: &Client, collection: &str) {
    client.ok(&Command::put(collection, "kept until the drop")).await;
    assert!(names(other).await.contains(&collection.to_owned()));
    let dropped = Triple::new(collection, "", "dropped");
    for drop in [
        Command::drop_collection(collection).with("value", "x"),
        Command::drop_collection(collection),
    ] {
        assert_eq!(client.ok(&drop).await.triple(), dropped);
        let found = other.ok(&Command::get(collection, "kept until the drop")).await.triple();
        assert_eq!(found, Triple::new(collection, "", ""));
        assert!(!names(other).await.contains(&collection.to_owned()));
    }
    let created = format!("{collection}-c1");
    for client in [client, other] {
        let answer = client.ok(&Command::create_collection(&created)).await;
        assert_eq!(answer.triple(), Triple::new(&created, "", "created"));
    }
    assert!(names(client).await.contains(&created));
}

/// R11.
async fn ranges(client: &Client, collection: &str) {
    for value in ["pear", "apple", "fig", "cherry", "\u{e4}pfel"] {
        client.ok(&Command::put(collection, value)).await;
    }
    let range = async |command: Command| values(&client.ok(&command).await.json());
    let all = range(Command::range(collection, "a")).await;
    assert_eq!(all, ["apple", "cherry", "fig", "pear", "\u{e4}pfel"]);
    let from = Command::range(collection, "b");
    assert_eq!(range(from.clone()).await, ["cherry", "fig", "pear", "\u{e4}pfel"]);
    assert_eq!(range(from.clone().with("end", "fig")).await, ["cherry"]);
    let page = client.ok(&from.with("limit", 2)).await.json();
    assert_eq!(values(&page), ["cherry", "fig"]);
    let cursor = page["cursor"].as_str().expect("there is more");
    let rest = Command::range(collection, "b").with("limit", 2).with("cursor", cursor);
    let page = client.ok(&rest).await.json();
    assert_eq!(values(&page), ["pear", "\u{e4}pfel"]);
}

/// R12 to R16 and R18.
async fn bad_requests(client: &Client, collection: &str) {
    let bodies = [
        "{}",
        r#"{"action":"put","payload":{"collection":"","value":"v"}}"#,
        &format!(r#"{{"action":"put","payload":{{"collection":"{collection}","value":""}}}}"#),
        r#"{"action":"fly","payload":{"collection":"c","value":"v"}}"#,
        "null",
    ];
    for body in bodies {
        let answer = client.request("POST", "/command", body.to_owned()).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.effect(), Effect::None, "{body}");
    }
    for body in [r#"{"action""#, "put", r#"{"action":"put","payload":{"collection":1}}"#] {
        let answer = client.request("POST", "/command", body).await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (400, "unable to parse JSON object"));
    }
    for method in ["GET", "PUT", "DELETE"] {
        let answer = client.request(method, "/command", "").await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (405, "http method not allowed"));
    }
    let large = "v".repeat(32_769);
    let answer = client.ok(&Command::put(collection, &large)).await;
    assert_eq!(answer.triple(), triple_of(collection, &large));
    client.ok(&Command::put(collection, "test1")).await;
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

async fn rows_by_key(client: &Client, other: &Client, collection: &str) {
    let row = |key: &str, value: &str| Triple::new(collection, key, value);
    let put = client.ok(&Command::put_key(collection, "k", "one")).await;
    assert_eq!(put.triple(), row("k", "one"));
    assert_eq!(other.ok(&Command::get_key(collection, "k")).await.triple(), row("k", "one"));
    let put = other.ok(&Command::put_key(collection, "k", "two")).await;
    assert_eq!(put.triple(), row("k", "two"));
    assert_eq!(client.ok(&Command::get_key(collection, "k")).await.triple(), row("k", "two"));
    let append = client.ok(&Command::append(collection, "k", " three")).await;
    assert!(append.version() > put.version(), "{append:?}");
    let found = other.ok(&Command::get_key(collection, "k")).await;
    assert_eq!(found.triple(), row("k", "two three"));
    assert_eq!(found.version(), append.version());
    client.ok(&Command::append(collection, "new", "made")).await;
    assert_eq!(other.ok(&Command::get_key(collection, "new")).await.triple(), row("new", "made"));
    let deleted = other.ok(&Command::delete_key(collection, "k")).await;
    assert_eq!(deleted.triple().key, "k");
    let gone = Triple::new(collection, "", "");
    assert_eq!(client.ok(&Command::get_key(collection, "k")).await.triple(), gone);
    assert_eq!(client.ok(&Command::delete_key(collection, "k")).await.triple(), gone);
    let odd = "k/\u{0}\n\u{1f511}\"";
    client.ok(&Command::put_key(collection, odd, "v\u{0}\u{ffff}")).await;
    let found = other.ok(&Command::get_key(collection, odd)).await;
    assert_eq!(found.triple(), row(odd, "v\u{0}\u{ffff}"));
}

async fn conditions(client: &Client, other: &Client, collection: &str) {
    let cas = |value: &str, version| Command::cas(collection, "cas", value, version);
    let made = client.ok(&cas("one", 0)).await;
    let version = made.version().unwrap();
    let again = other.ask(&cas("two", 0)).await;
    assert_eq!((again.status, again.effect()), (409, Effect::None), "{}", again.text());
    let wrong = client.ask(&cas("two", version + 7)).await;
    assert_eq!((wrong.status, wrong.effect()), (409, Effect::None), "{}", wrong.text());
    let found = client.ok(&Command::get_key(collection, "cas")).await;
    assert_eq!(found.triple().value, "one");
    let right = other.ok(&cas("two", version)).await;
    assert!(right.version().unwrap() > version);
    let found = client.ok(&Command::get_key(collection, "cas")).await;
    assert_eq!(found.triple().value, "two");
}

async fn searches(client: &Client, other: &Client, collection: &str) {
    for key in ["s1", "s2", "s3"] {
        client.ok(&Command::put_key(collection, key, "same")).await;
    }
    let found = other.ok(&Command::find(collection, "same")).await.json();
    let keys: Vec<_> =
        found["entries"].as_array().unwrap().iter().map(|entry| entry["key"].clone()).collect();
    assert_eq!(keys, ["s1", "s2", "s3"]);
    let none = other.ok(&Command::find(collection, "nobody's")).await.json();
    assert_eq!(none["entries"], json!([]));
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
