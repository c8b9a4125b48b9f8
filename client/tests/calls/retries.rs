//! Retries: through other doors, with one effect, and honest about the outcome.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::{Applied, GroupId, Refusal};
use client::Error;
use client::retry::Policy;

use crate::cluster::{Cluster, Thief, builder, impostor, nobody};
use crate::fake::Mishap;

fn no_leader() -> Mishap {
    Mishap::Fail(Refusal::NoLeader { group: GroupId(1) }.into())
}

fn unknown() -> Refusal {
    Refusal::Unknown { group: GroupId(1), waited: Duration::from_secs(1) }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_the_effect_is_one() {
    let cluster = Cluster::start(1).await;
    let thief = Thief::before(cluster.doors[0], 3).await;
    let client = builder(&[thief.address]).build().unwrap();
    let appended = client.append("c", "k", "x").await.unwrap();
    assert_eq!(thief.stolen.load(Ordering::SeqCst), 3);
    assert_eq!(cluster.fake.value("c", b"k").unwrap(), "x");
    assert!(appended.replay);
    assert_eq!(appended.value.as_deref(), Some("x"));
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_through_another_door() {
    let cluster = Cluster::start(3).await;
    cluster.fake.plan([Mishap::RunThenFail(unknown().into()), no_leader(), no_leader()]);
    let appended = cluster.client().append("c", "k", "x").await.unwrap();
    assert!(appended.replay);
    assert_eq!(cluster.fake.value("c", b"k").unwrap(), "x");
    assert_eq!(cluster.fake.calls(), 4);
}

#[tokio::test]
async fn two_calls_are_two_requests() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.append("c", "k", "x").await.unwrap();
    client.append("c", "k", "x").await.unwrap();
    assert_eq!(cluster.fake.value("c", b"k").unwrap(), "xx");
    let keyed = client.with_idempotency_key("order-1");
    keyed.append("c", "k", "y").await.unwrap();
    assert!(keyed.append("c", "k", "y").await.unwrap().replay);
    assert_eq!(cluster.fake.value("c", b"k").unwrap(), "xxy");
    let error = keyed.append("c", "k", "z").await.unwrap_err();
    assert!(matches!(error, Error::Rejected { status: 422, .. }), "{error}");
}

#[tokio::test]
async fn a_closed_door_costs_no_call() {
    let cluster = Cluster::start(3).await;
    let client = cluster.client();
    cluster.close(0).await;
    cluster.close(2).await;
    for n in 0..20 {
        client.put("c", &format!("k{n}"), "v").await.unwrap();
    }
}

#[tokio::test]
async fn an_election_is_sat_out() {
    let cluster = Cluster::start(3).await;
    cluster.fake.plan(std::iter::repeat_n(no_leader(), 12));
    cluster.client().put("c", "k", "v").await.unwrap();
    assert_eq!(cluster.fake.calls(), 13);
}

#[tokio::test]
async fn when_nobody_can_the_call_says_nothing_happened() {
    let client = builder(&[nobody().await, nobody().await])
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let started = Instant::now();
    let error = client.put("c", "k", "v").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(matches!(&error, Error::NotApplied { code, .. } if code == "unreachable"), "{error}");
    assert_eq!(error.applied(), Applied::No);
}

#[tokio::test]
async fn one_unknown_attempt_makes_the_whole_call_unknown() {
    let cluster = Cluster::start(1).await;
    cluster.fake.plan([Mishap::RunThenFail(unknown().into())]);
    cluster.fake.plan(std::iter::repeat_n(no_leader(), 2));
    let policy = Policy { attempts_max: 3, ..Policy::default() };
    let client = cluster.builder().retries(policy).build().unwrap();
    let error = client.append("c", "k", "x").await.unwrap_err();
    assert!(matches!(&error, Error::Unknown { code, .. } if code == "no_leader"), "{error}");
    assert_eq!(cluster.fake.value("c", b"k").unwrap(), "x");
}

#[tokio::test]
async fn a_node_that_hangs_is_left_for_another() {
    let cluster = Cluster::start(2).await;
    let client = cluster.builder().attempt_timeout(Duration::from_millis(200)).build().unwrap();
    cluster.fake.plan([Mishap::Slow(Duration::from_secs(5))]);
    let started = Instant::now();
    client.put("c", "k", "v").await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_error_page_of_something_in_between_proves_nothing() {
    let page = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let policy = Policy { attempts_max: 1, ..Policy::default() };
    let client = builder(&[impostor(page).await]).retries(policy).build().unwrap();
    let error = client.put("c", "k", "v").await.unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    // A read changes nothing, whoever answers.
    assert_eq!(client.get("c", "k").await.unwrap_err().applied(), Applied::No);
    let nonsense = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let client = builder(&[impostor(nonsense).await]).build().unwrap();
    let error = client.put("c", "k", "v").await.unwrap_err();
    assert!(matches!(error, Error::Garbled { .. }), "{error}");
}

#[tokio::test]
async fn a_busy_cluster_is_given_time() {
    let cluster = Cluster::start(3).await;
    let busy = Mishap::Fail(Refusal::Busy { group: GroupId(1) }.into());
    cluster.fake.plan(std::iter::repeat_n(busy, 3));
    let started = Instant::now();
    cluster.client().put("c", "k", "v").await.unwrap();
    // Half of 25 + 50 + 100 ms at least.
    assert!(started.elapsed() > Duration::from_millis(87), "{:?}", started.elapsed());
}
