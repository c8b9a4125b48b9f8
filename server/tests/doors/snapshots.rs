//! Snapshots: asked for, noted, refused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use api::Refusal;
use api::status::{GroupStatus, Status};

use crate::harness::{Answer, Node, start, start_with};

const PATH: &str = "/v1/snapshots";

async fn ask(node: &Node) -> Answer {
    let request = node.http.post(node.url(PATH)).header("accept", "application/problem+json");
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_request_is_noted_and_says_what_the_snapshots_will_hold() {
    let node = start().await;
    let group = |gid, applied| GroupStatus { gid, applied, ..GroupStatus::default() };
    let groups = vec![group(0, 9), group(1, 1234)];
    let known = Status { node: "n1".to_owned(), groups, ..Status::default() };
    *node.fake.known.lock() = Some(known);
    let answer = ask(&node).await;
    assert_eq!(answer.status, 202);
    let expected = r#"{"node":"n1","groups":[{"gid":0,"index":9},{"gid":1,"index":1234}]}"#;
    assert_eq!(answer.text, expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("rdb-served-by"), Some("n1"));
    assert_eq!(ask(&node).await.text, expected, "it may be asked again");
    assert_eq!(node.fake.snapshots_asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_the_node_refuses_is_a_problem() {
    let node = start().await;
    let reason = "waiting for n2".to_owned();
    *node.fake.snapshots_refused.lock() = Some(Refusal::NotReady { reason }.into());
    let answer = ask(&node).await;
    assert_eq!((answer.status, answer.header("rdb-applied")), (503, Some("no")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let problem = answer.json();
    assert_eq!(problem["code"], "not_ready");
    assert!(problem["detail"].as_str().unwrap().contains("waiting for n2"), "{problem}");
}

#[tokio::test]
async fn only_a_post_asks() {
    let node = start().await;
    for request in [node.http.get(node.url(PATH)), node.http.put(node.url(PATH))] {
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    }
    assert_eq!(node.fake.snapshots_asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_promises_nothing() {
    let node = start_with(|options| options.drain_notice = Duration::from_secs(2)).await;
    node.shutdown.cancel();
    while node.get("/readyz").await.status == 200 {
        tokio::task::yield_now().await;
    }
    let answer = ask(&node).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"stopping".into()));
    assert_eq!(node.fake.snapshots_asked.load(Ordering::SeqCst), 0);
}
