//! Endpoints: each asked by itself, and every step told.

use std::sync::Arc;

use api::status::{GroupStatus, Status};
use api::{GroupId, Refusal};
use client::health::Probe;
use client::snapshots::Goal;
use client::{Error, Step};
use parking_lot::Mutex;

use crate::cluster::{Cluster, builder, impostor, nobody};
use crate::fake::Mishap;

fn no_leader() -> Mishap {
    Mishap::Fail(Refusal::NoLeader { group: GroupId(1) }.into())
}

#[tokio::test]
async fn every_endpoint_speaks_for_its_own_health() {
    let cluster = Cluster::start(1).await;
    *cluster.fake.unready.lock() = Some("read-only".to_owned());
    let page = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nnone";
    let doors = [cluster.doors[0], nobody().await, impostor(page).await];
    let client = builder(&doors).build().unwrap();
    let healths = client.healths(Probe::Ready).await;
    let checkup = healths[0].checkup.clone().unwrap();
    assert!(!checkup.well);
    assert_eq!(checkup.checks[0].failure.as_deref(), Some("read-only"));
    assert!(healths[1].checkup.is_err() && healths[2].checkup.is_err(), "{healths:?}");
    let healths = client.healths(Probe::Live).await;
    assert!(healths[0].checkup.clone().unwrap().well);
    assert_eq!(healths[1].endpoint, format!("http://{}", doors[1]));
}

#[tokio::test]
async fn every_endpoint_is_asked_for_snapshots_and_says_what_it_noted() {
    let cluster = Cluster::start(1).await;
    let group = GroupStatus { gid: 1, applied: 7, ..GroupStatus::default() };
    let known = Status { node: "n0".to_owned(), groups: vec![group], ..Status::default() };
    *cluster.fake.known.lock() = Some(known);
    let page = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let doors = [cluster.doors[0], nobody().await, impostor(page).await];
    let client = builder(&doors).build().unwrap();
    let asked = client.ask_snapshots().await;
    let noted = asked[0].noted.clone().unwrap();
    assert_eq!((&*noted.node, &*noted.groups), ("n0", &[Goal { gid: 1, index: 7 }][..]));
    assert!(asked[1].noted.is_err() && asked[2].noted.is_err(), "{asked:?}");

    *cluster.fake.snapshots_refused.lock() = Some(Refusal::Stopping.into());
    let refused = client.ask_snapshots().await.remove(0).noted;
    assert!(matches!(refused, Err(Error::NotApplied { code, .. }) if code == "stopping"));
}

#[tokio::test]
async fn a_row_tells_where_it_lives() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let version = client.put("c", "k", "v").await.unwrap().version;
    let located = client.locate("c", "k").await.unwrap();
    assert_eq!(located.row.unwrap().version, Some(version));
    assert_eq!(located.shard, Some(shard::of_key("c", b"k").0));
    assert_eq!((located.group, located.served_by.as_deref()), (Some(1), Some("n0")));
    let absent = client.locate("c", "other").await.unwrap();
    assert_eq!((absent.row, absent.group), (None, Some(1)));
    assert_eq!(client.locate("unknown", "k").await.unwrap().shard, None);
}

#[tokio::test]
async fn what_each_endpoint_has_is_asked_once_and_stale() {
    let cluster = Cluster::start(1).await;
    cluster.fake.plant("c", b"k", b"v");
    cluster.fake.plan([no_leader(), Mishap::Smooth]);
    let doors = [cluster.doors[0], nobody().await];
    let client = builder(&doors).build().unwrap();
    let held = client.locate_everywhere("c", "k").await;
    assert!(held[0].located.is_err() && held[1].located.is_err(), "{held:?}");
    assert_eq!(cluster.fake.calls(), 1);
    let held = client.locate_everywhere("c", "k").await;
    let row = held[0].located.clone().unwrap().row.unwrap();
    assert_eq!(row.value.as_deref(), Some("v"));
    let asked = *cluster.fake.last_consistency.lock();
    assert_eq!(asked, Some(api::service::Consistency::Stale));
}

#[tokio::test]
async fn every_attempt_is_told() {
    let cluster = Cluster::start(1).await;
    cluster.fake.plan([no_leader()]);
    let steps = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&steps);
    let client = cluster
        .builder()
        .trace(move |step| {
            told.lock().push(match step {
                Step::Asked { endpoint, what } => format!("{what} {endpoint}"),
                Step::Failed { code, again, .. } => format!("{code} {}", again.is_some()),
            });
        })
        .build()
        .unwrap();
    client.put("c", "k", "v").await.unwrap();
    let asked = format!("put http://{}", cluster.doors[0]);
    assert_eq!(*steps.lock(), [&asked, "no_leader true", &asked]);
}
