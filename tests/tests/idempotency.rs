//! Idempotency: does a request that is sent again do its work once?

use std::time::Duration;

use futures::future::join_all;
use tests::{Answer, Client, Cluster, Command, Effect};

const READY_MAX: Duration = Duration::from_secs(20);
const COLLECTION: &str = "ids";

async fn value(client: &Client, key: &str) -> String {
    client.ok(&Command::get_key(COLLECTION, key)).await.triple().value
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_sent_through_all_nodes_at_once_takes_effect_once() {
    let cluster = Cluster::start().await;
    let clients = cluster.clients();
    for number in 0..25 {
        let (key, token) = (format!("k{}", number % 7), format!("<{number}>"));
        let command = Command::append(COLLECTION, &key, &token).id(format!("at-once-{number}"));
        let everywhere = clients.iter().chain(&clients).map(|client| client.ok(&command));
        let answers: Vec<Answer> = join_all(everywhere).await;
        let fresh = answers.iter().filter(|answer| !answer.is_replay()).count();
        assert_eq!(fresh, 1, "{number}: {answers:?}");
        let version = answers[0].version();
        assert!(answers.iter().all(|answer| answer.version() == version), "{answers:?}");
        for client in &clients {
            assert_eq!(value(client, &key).await.matches(&token).count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_write_is_replayed_with_its_first_answer() {
    let cluster = Cluster::start().await;
    let [first, second] = [&cluster.node(1).client, &cluster.node(3).client];
    let made = first.ok(&Command::put_key(COLLECTION, "c", "one")).await.version().unwrap();
    let writes = [
        Command::put(COLLECTION, "member"),
        Command::delete(COLLECTION, "member"),
        Command::put_key(COLLECTION, "k", "v"),
        Command::append(COLLECTION, "k", "w"),
        Command::delete_key(COLLECTION, "k"),
        Command::delete_key(COLLECTION, "k").with("if_version", 99),
        Command::cas(COLLECTION, "c", "two", made),
        Command::cas(COLLECTION, "c", "three", made),
        Command::create_collection("made by id"),
        Command::drop_collection("made by id"),
    ];
    for (number, write) in writes.into_iter().enumerate() {
        let write = write.id(format!("kind-{number}"));
        let answer = first.ask(&write).await;
        assert!(!answer.is_replay(), "{write:?}");
        let again = second.ask(&write).await;
        assert!(again.is_replay(), "{write:?}: {again:?}");
        assert_eq!(again.status, answer.status, "{write:?}");
        assert_eq!(again.json(), answer.json(), "{write:?}");
        assert_eq!(again.version(), answer.version(), "{write:?}");
    }
    assert_eq!(value(first, "c").await, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_says_when_its_value_was_too_long_to_keep() {
    let cluster = Cluster::start().await;
    let long = "l".repeat(2000);
    let append = Command::append(COLLECTION, "long", &long).id("long");
    cluster.node(0).client.ok(&append).await;
    let again = cluster.node(1).client.ok(&append).await;
    assert!(again.is_replay());
    assert_eq!(again.header("rdb-replay-value"), "omitted");
    assert_eq!(value(&cluster.node(2).client, "long").await, long);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_used_for_another_request_is_refused_and_changes_nothing() {
    let cluster = Cluster::start().await;
    let first = Command::put_key(COLLECTION, "k", "v").id("used");
    cluster.node(0).client.ok(&first).await;
    let others = [
        Command::put_key(COLLECTION, "k", "other value"),
        Command::append(COLLECTION, "k", "v"),
        Command::delete_key(COLLECTION, "k"),
        Command::cas(COLLECTION, "k", "v", 0),
    ];
    for (other, node) in others.into_iter().zip(&cluster.nodes) {
        let answer = node.client.ask(&other.id("used")).await;
        assert_eq!((answer.status, answer.effect()), (422, Effect::None), "{}", answer.text());
        assert_eq!(value(&node.client, "k").await, "v");
    }
    let long = Command::put_key(COLLECTION, "k", "w").id("i".repeat(256));
    let answer = cluster.node(0).client.ask(&long).await;
    assert_eq!((answer.status, answer.effect()), (400, Effect::None), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_remembered_through_a_drop_and_the_death_of_everybody() {
    let mut cluster = Cluster::start().await;
    let append = Command::append(COLLECTION, "k", "once").id("before-the-drop");
    cluster.node(0).client.ok(&append).await;
    let kept = Command::append("kept", "k", "once").id("before-the-kills");
    cluster.node(0).client.ok(&kept).await;

    cluster.node(1).client.ok(&Command::drop_collection(COLLECTION)).await;
    cluster.node(2).client.ok(&Command::put_key(COLLECTION, "other", "v")).await;
    for node in &cluster.nodes {
        assert!(node.client.ok(&append).await.is_replay(), "{}", node.name);
        assert_eq!(value(&node.client, "k").await, "");
    }

    for gid in [1, 2] {
        let leader = cluster.leader(gid).await;
        leader.kill();
        cluster.wait_settled().await;
        for node in cluster.running() {
            assert!(node.client.ok(&kept).await.is_replay(), "{}", node.name);
        }
        leader.start_ready(READY_MAX).await;
    }
    cluster.kill_all();
    cluster.resume(&[]).await;
    for node in &cluster.nodes {
        assert!(node.client.ok(&kept).await.is_replay(), "{}", node.name);
        let found = node.client.ok(&Command::get_key("kept", "k")).await;
        assert_eq!(found.triple().value, "once");
    }
}
