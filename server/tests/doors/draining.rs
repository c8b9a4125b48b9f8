//! Draining: what is at hand is finished, nothing new begins.

use std::time::{Duration, Instant};

use server::Drained;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::fake::Mishap;
use crate::harness::{http1, read_to_close, read_until, start, start_with};

const PUT: &str = r#"{"action":"put","payload":{"collection":"c","key":"k","value":"v"}}"#;

#[tokio::test]
async fn requests_at_hand_are_finished_and_idle_connections_closed() {
    let node = start().await;
    let mut idle = node.connect().await;
    idle.write_all(http1(PUT).as_bytes()).await.unwrap();
    read_until(&mut idle, "\"v\"}").await;
    let mut fresh = node.connect().await;
    let mut busy = node.connect().await;
    node.fake.plan([Mishap::Slow(Duration::from_millis(300))]);
    busy.write_all(http1(PUT).as_bytes()).await.unwrap();
    while node.fake.calls() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    node.shutdown.cancel();
    assert_eq!(read_to_close(&mut idle).await, "");
    assert_eq!(read_to_close(&mut fresh).await, "");
    let answer = read_to_close(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(node.task.await.unwrap(), Drained { cut: 0, abandoned: 0 });
    assert!(TcpStream::connect(node.address).await.is_err());
}

#[tokio::test]
async fn what_takes_too_long_is_cut() {
    let node = start_with(|options| options.drain_time = Duration::from_millis(200)).await;
    node.fake.plan([Mishap::Slow(Duration::from_secs(3))]);
    let mut busy = node.connect().await;
    busy.write_all(http1(PUT).as_bytes()).await.unwrap();
    while node.fake.calls() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    node.shutdown.cancel();
    assert_eq!(node.task.await.unwrap(), Drained { cut: 1, abandoned: 1 });
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(read_to_close(&mut busy).await, "");
}

#[tokio::test]
async fn notice_is_given_before_the_door_closes() {
    let node = start_with(|options| options.drain_notice = Duration::from_millis(400)).await;
    node.shutdown.cancel();
    sleep(Duration::from_millis(50)).await;
    let ready = node.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("[-]accepting failed: the node is stopping"), "{}", ready.text);
    assert_eq!(node.post(PUT).await.status, 200, "requests are still served");
    assert_eq!(node.task.await.unwrap(), Drained { cut: 0, abandoned: 0 });
}

#[tokio::test]
async fn a_server_that_is_dropped_takes_its_connections_with_it() {
    let node = start().await;
    let mut socket = node.connect().await;
    socket.write_all(http1(PUT).as_bytes()).await.unwrap();
    read_until(&mut socket, "\"v\"}").await;
    node.task.abort();
    assert_eq!(read_to_close(&mut socket).await, "");
}
