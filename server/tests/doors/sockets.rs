//! Sockets: slow, absent and numerous peers.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::fake::Mishap;
use crate::harness::{Node, http1, read_to_close, read_until, start, start_with};

const PUT: &str = r#"{"action":"put","payload":{"collection":"c","key":"k","value":"v"}}"#;

/// Sends one byte now and then, until the server has enough.
async fn trickle(node: &Node, bytes: &str) -> Duration {
    let mut socket = node.connect().await;
    let started = Instant::now();
    for byte in bytes.bytes().cycle() {
        if socket.write_all(&[byte]).await.is_err() || started.elapsed() > Duration::from_secs(5) {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}

async fn impatient() -> Node {
    start_with(|options| {
        options.timeouts.header = Duration::from_millis(300);
        options.timeouts.body = Duration::from_millis(300);
        options.timeouts.idle = Duration::from_millis(600);
    })
    .await
}

#[tokio::test]
async fn heads_that_trickle_in_are_cut_off() {
    let node = impatient().await;
    let mut socket = node.connect().await;
    let took = trickle(&node, "POST /command HTTP/1.1\r\nX-Header: aaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Who says nothing at all is no better.
    assert_eq!(read_to_close(&mut socket).await, "");
    assert_eq!(node.counters.cut_slow.get(), 2);
}

#[tokio::test]
async fn bodies_that_stall_are_answered_and_cut_off() {
    let node = impatient().await;
    let mut socket = node.connect().await;
    let head = "POST /command HTTP/1.1\r\nHost: n1\r\nContent-Length: 100\r\n\r\n{";
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = read_to_close(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(node.fake.calls(), 0);
}

#[tokio::test]
async fn between_requests_a_connection_may_wait_longer_than_within_one() {
    let node = impatient().await;
    let mut socket = node.connect().await;
    for _ in 0..2 {
        socket.write_all(http1(PUT).as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, "\"v\"}").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        sleep(Duration::from_millis(450)).await;
    }
    let idle = Instant::now();
    assert_eq!(read_to_close(&mut socket).await, "");
    assert!(idle.elapsed() < Duration::from_secs(1));
    assert_eq!(node.counters.cut_slow.get(), 0);
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_cut() {
    let node = start_with(|options| options.timeouts.stall = Duration::from_millis(300)).await;
    node.fake.plan([Mishap::Slow(Duration::from_secs(3))]);
    let mut socket = node.connect().await;
    socket.write_all(http1(PUT).as_bytes()).await.unwrap();
    let started = Instant::now();
    assert_eq!(read_to_close(&mut socket).await, "");
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(node.counters.cut_slow.get(), 1);
}

#[tokio::test]
async fn a_write_whose_client_hangs_up_is_finished() {
    let node = start().await;
    node.fake.plan([Mishap::Slow(Duration::from_millis(200))]);
    let mut socket = node.connect().await;
    socket.write_all(http1(PUT).as_bytes()).await.unwrap();
    while node.fake.calls() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    drop(socket);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(node.fake.value("c", b"k").unwrap(), "v");
}

#[tokio::test]
async fn a_request_whose_client_hangs_up_midway_is_none() {
    let node = start().await;
    let mut socket = node.connect().await;
    let whole = http1(PUT);
    socket.write_all(&whole.as_bytes()[..whole.len() - 1]).await.unwrap();
    drop(socket);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(node.fake.calls(), 0);
}

#[tokio::test]
async fn beyond_the_connections_limit_they_are_closed_at_once() {
    let node = start_with(|options| options.connections_max = 2).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut socket = node.connect().await;
        socket.write_all(http1("{").as_bytes()).await.unwrap();
        read_until(&mut socket, "JSON object").await;
        kept.push(socket);
    }
    let mut refused = node.connect().await;
    assert_eq!(read_to_close(&mut refused).await, "");
    assert_eq!(node.counters.refused_full.get(), 1);
    drop(kept.pop());
    sleep(Duration::from_millis(100)).await;
    let mut socket = node.connect().await;
    socket.write_all(http1("{").as_bytes()).await.unwrap();
    assert!(read_until(&mut socket, "JSON object").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(node.counters.accepted.get(), 3);
}

#[tokio::test]
async fn one_peer_may_not_take_all_connections() {
    let node = start_with(|options| options.connections_per_peer_max = 1).await;
    let mut first = node.connect().await;
    first.write_all(http1("{").as_bytes()).await.unwrap();
    read_until(&mut first, "JSON object").await;
    let mut second = node.connect().await;
    assert_eq!(read_to_close(&mut second).await, "");
    assert_eq!(node.counters.refused_peer.get(), 1);
}

#[tokio::test]
async fn a_hundred_slow_peers_do_not_slow_the_others() {
    let node = start().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut socket = node.connect().await;
        socket.write_all(b"POST /command HTTP/1.1\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
        slow.push(socket);
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(node.post(PUT).await.status, 200);
        times.push(started.elapsed());
    }
    times.sort();
    assert!(times[10] < Duration::from_millis(50), "{times:?}");
}

#[tokio::test]
async fn plain_http2_is_spoken_to_who_speaks_it() {
    let node = start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/command", node.address);
    let requests = (0..200).map(|_| client.post(&url).body(PUT).send());
    let mut answers = tokio::task::JoinSet::new();
    requests.for_each(|request| {
        answers.spawn(request);
    });
    while let Some(answer) = answers.join_next().await {
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.status(), 200);
    }
}
