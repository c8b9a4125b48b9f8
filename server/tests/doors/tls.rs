//! TLS: what is negotiated, refused and replaced.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use crate::harness::{certify, read_to_close, start_tls};

const GET: &str = r#"{"action":"get","payload":{"collection":"c","key":"k"}}"#;

#[tokio::test]
async fn the_client_chooses_between_http2_and_http1() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _tls) = start_tls(folder.path()).await;
    let answer = node.http.post(node.url("/command")).body(GET).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    let pem = std::fs::read(folder.path().join("chain.pem")).unwrap();
    let old = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .resolve("localhost", node.address)
        .http1_only()
        .build()
        .unwrap();
    let answer = old.post(node.url("/command")).body(GET).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_11));
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_only() {
    let folder = tempfile::tempdir().unwrap();
    let (node, tls) = start_tls(folder.path()).await;
    let url = node.url("/livez");
    assert_eq!(node.http.get(&url).send().await.unwrap().status(), 200);
    let renewed = certify(folder.path());
    assert!(tls.reload_if_changed().unwrap());
    assert_eq!(node.http.get(&url).send().await.unwrap().status(), 200, "the old one goes on");
    let client = reqwest::Client::builder()
        .tls_certs_only([renewed])
        .resolve("localhost", node.address)
        .build()
        .unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_no_tls_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _tls) = start_tls(folder.path()).await;
    let garbage = node.raw(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    assert!(!garbage.contains("HTTP"), "{garbage:?}");
    let stranger = reqwest::Client::builder().resolve("localhost", node.address).build().unwrap();
    assert!(stranger.get(node.url("/livez")).send().await.is_err());
    while node.counters.handshakes_failed.get() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
}

/// A whole request, and more than the door reads of it.
#[tokio::test]
async fn plain_http_is_told_to_use_tls_and_reaches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _tls) = start_tls(folder.path()).await;
    for length in [GET.len(), 1 << 20] {
        let head =
            format!("POST /command HTTP/1.1\r\nHost: n1\r\nContent-Length: {length}\r\n\r\n");
        let answer = node.raw(&[head.as_bytes(), &vec![b' '; length]].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
        assert!(answer.contains("\r\nrdb-applied: no\r\n"), "{answer:?}");
        assert!(answer.ends_with("use https://\n"), "{answer:?}");
    }
    while node.counters.handshakes_failed.get() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(node.counters.requests.get(), 0);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _tls) = start_tls(folder.path()).await;
    let mut socket = node.connect().await;
    socket.write_all(&[22, 3, 1]).await.unwrap();
    let started = Instant::now();
    assert_eq!(read_to_close(&mut socket).await, "");
    let took = started.elapsed();
    assert!((4..7).contains(&took.as_secs()), "{took:?}");
}
