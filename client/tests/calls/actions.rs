//! Every action, and what comes back.

use api::Applied;
use api::service::Consistency;
use certificates::Files;
use client::{Client, Error, Expected, Range};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use server::{Options, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, builder, impostor, nobody};

#[tokio::test]
async fn rows_are_written_read_and_removed() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let written = client.put("c", "k", "1").await.unwrap();
    assert_eq!((&*written.key, written.value.as_deref()), ("k", Some("1")));
    assert!(!written.replay);
    let row = client.get("c", "k").await.unwrap().unwrap();
    assert_eq!((row.value.as_deref(), row.version), (Some("1"), Some(written.version)));
    let appended = client.append("c", "k", "2").await.unwrap();
    assert_eq!(appended.value.as_deref(), Some("12"));
    assert_eq!(client.delete("c", "k").await.unwrap().unwrap().value.as_deref(), Some("12"));
    assert_eq!(client.delete("c", "k").await.unwrap(), None);
    assert_eq!(client.get("c", "k").await.unwrap(), None);
    assert_eq!(client.get("unknown", "k").await.unwrap(), None);
}

#[tokio::test]
async fn values_are_members_of_a_set() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let key = client.put_value("c", "v").await.unwrap().key;
    assert_eq!(key.as_bytes(), shard::key_of_value("c", b"v"));
    assert_eq!(client.put_value("c", "v").await.unwrap().key, key);
    assert_eq!(client.get_value("c", "v").await.unwrap().unwrap().key, key);
    assert_eq!(client.delete_value("c", "v").await.unwrap().unwrap().key, key);
    assert_eq!(client.delete_value("c", "v").await.unwrap(), None);
}

#[tokio::test]
async fn conditions_decide() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let version = client.cas("c", "k", "1", Expected::Absent).await.unwrap().version;
    let error = client.cas("c", "k", "2", Expected::Absent).await.unwrap_err();
    let Error::Conflict { present: Some(present) } = &error else { panic!("{error}") };
    assert_eq!((present.value.as_deref(), present.version), (Some("1"), Some(version)));
    assert_eq!(error.applied(), Applied::No);
    client.cas("c", "k", "2", Expected::Value("1")).await.unwrap();
    assert!(client.cas("c", "k", "3", Expected::Version(version)).await.is_err());
    let error = client.delete_version("c", "k", version).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let error = client.cas("c", "other", "1", Expected::Value("0")).await.unwrap_err();
    assert_eq!(error, Error::Conflict { present: None });
}

#[tokio::test]
async fn lists_come_in_pages() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    for (key, value) in [("a", "3"), ("b", "2"), ("c", "1"), ("d", "1")] {
        client.put("c", key, value).await.unwrap();
    }
    let keys =
        |page: &client::Page| page.rows.iter().map(|row| row.key.clone()).collect::<String>();
    let page =
        client.range_by_key("c", Range { limit: Some(3), ..Range::default() }).await.unwrap();
    assert_eq!(keys(&page), "abc");
    let cursor = page.cursor.as_deref();
    let page = client.range_by_key("c", Range { cursor, ..Range::default() }).await.unwrap();
    assert_eq!((&*keys(&page), page.cursor), ("d", None));
    let page = client.range("c", Range { start: "2", ..Range::default() }).await.unwrap();
    assert_eq!(keys(&page), "ba");
    let page = client.find("c", "1", None, None).await.unwrap();
    assert_eq!(keys(&page), "cd");
}

#[tokio::test]
async fn collections_come_and_go() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.create_collection("b, c").await.unwrap();
    client.create_collection("a").await.unwrap();
    assert_eq!(client.list_collections().await.unwrap(), ["a", "b, c"]);
    client.drop_collection("a").await.unwrap();
    assert_eq!(client.list_collections().await.unwrap(), ["b, c"]);
}

#[tokio::test]
async fn reads_are_stale_only_when_asked() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.get("c", "k").await.unwrap();
    assert_eq!(*cluster.fake.last_consistency.lock(), Some(Consistency::Linearizable));
    client.stale().get("c", "k").await.unwrap();
    assert_eq!(*cluster.fake.last_consistency.lock(), Some(Consistency::Stale));
    client.stale().put("c", "k", "v").await.unwrap();
}

#[tokio::test]
async fn what_the_cluster_will_never_do_is_rejected_at_once() {
    let cluster = Cluster::start(2).await;
    let error = cluster.client().put("c", "k", "").await.unwrap_err();
    let Error::Rejected { status: 400, message, .. } = &error else { panic!("{error}") };
    assert!(message.contains("payload.value"), "{message}");
    assert_eq!(cluster.fake.calls(), 0);
}

#[tokio::test]
async fn a_value_that_is_no_text_is_there_but_not_shown() {
    let cluster = Cluster::start(1).await;
    cluster.fake.plant("c", b"k", b"\xff");
    let row = cluster.client().delete("c", "k").await.unwrap().unwrap();
    assert_eq!((&*row.key, row.value), ("k", None));
}

#[tokio::test]
async fn only_the_given_certificates_are_trusted() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = server::tls::load(Files { chain, key, authorities: None }).unwrap();
    let fake = std::sync::Arc::new(crate::fake::Fake::default());
    let server = Server::new(fake, Options::new("n1")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    tokio::spawn(async move { server.run(listener, Some(tls), stop).await });
    let client = |pem: &str| {
        let endpoint = format!("https://localhost:{port}");
        Client::builder().endpoints([endpoint]).ca_pem(pem).build().unwrap()
    };
    client(&cert.pem()).put("c", "k", "v").await.unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let policy = client::retry::Policy { attempts_max: 1, ..client::retry::Policy::default() };
    let endpoint = format!("https://localhost:{port}");
    let stranger = Client::builder().endpoints([endpoint]).ca_pem(other).retries(policy);
    let error = stranger.build().unwrap().put("c", "k", "v").await.unwrap_err();
    assert!(matches!(error, Error::NotApplied { .. }), "{error}");
}

#[tokio::test]
async fn every_endpoint_tells_its_status_and_silence_is_told_too() {
    let cluster = Cluster::start(2).await;
    let silent = nobody().await;
    let doors = [cluster.doors[0], silent, cluster.doors[1]];
    let seen = builder(&doors).build().unwrap().statuses().await;
    let endpoints: Vec<_> = seen.iter().map(|seen| seen.endpoint.clone()).collect();
    assert_eq!(endpoints, doors.map(|door| format!("http://{door}")));
    assert!(seen[0].status.is_ok() && seen[2].status.is_ok());
    let error = seen[1].status.clone().unwrap_err();
    assert!(matches!(&error, Error::NotApplied { code, .. } if code == "unreachable"), "{error}");
    assert_eq!(cluster.fake.calls(), 0);
}

#[tokio::test]
async fn a_status_that_is_none_is_an_error() {
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let doors = [impostor(page).await, impostor(missing).await];
    let seen = builder(&doors).build().unwrap().statuses().await;
    assert!(matches!(seen[0].status, Err(Error::Garbled { .. })), "{seen:?}");
    assert!(matches!(seen[1].status, Err(Error::NotApplied { .. })), "{seen:?}");
}
