//! Metrics: what a scrape shows of the requests and the node behind the door.

use std::collections::BTreeMap;

use api::figures::{Figures, GroupFigures, LogFigures, RaftFigures, SpaceFigures, StateFigures};
use api::meter::{Durations, Sizes};
use api::service::Failure;
use api::{GroupId, Refusal};

use crate::fake::Mishap;
use crate::harness::{Answer, Node, start};

/// Every sample of a page, by its series.
async fn scrape(node: &Node) -> BTreeMap<String, f64> {
    let answer = node.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = answer.text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap_or_else(|error| panic!("{line}: {error}")))
    });
    samples.collect()
}

#[tokio::test]
async fn requests_are_counted_by_action_and_result() {
    let node = start().await;
    let put = r#"{"action":"put","payload":{"collection":"c","key":"k","value":"v"}}"#;
    let cas = concat!(
        r#"{"action":"cas","payload":{"collection":"c","key":"k","value":"w","#,
        r#""expected":"other"}}"#
    );
    for (body, status) in [(put, 200), (put, 200), (cas, 409), ("{", 400)] {
        assert_eq!(node.post(body).await.status, status, "{body}");
    }
    let busy = Refusal::Busy { group: GroupId(1) };
    node.fake.plan([Mishap::Fail(Failure::Refused(busy))]);
    assert_eq!(node.post(put).await.status, 429);

    let samples = scrape(&node).await;
    let count = |op: &str, code: &str| {
        samples[&format!("rdb_requests_total{{api=\"command\",op=\"{op}\",code=\"{code}\"}}")]
    };
    assert_eq!((count("put", "ok"), count("put", "busy")), (2.0, 1.0));
    assert_eq!((count("cas", "mismatch"), count("cas", "ok")), (1.0, 0.0));
    assert_eq!(count("none", "bad_request"), 1.0);
    let took = r#"rdb_request_duration_seconds_count{api="command",op="put"}"#;
    assert_eq!(samples[took], 3.0);
    assert_eq!(samples["rdb_requests_in_flight"], 0.0);
    assert!(samples["rdb_connections_accepted_total"] >= 1.0);
    assert_eq!(samples[r#"rdb_healthcheck{type="readyz",name="storage"}"#], 1.0);
    assert!(samples["process_resident_memory_bytes"] > 0.0);
}

#[tokio::test]
async fn a_failing_check_shows() {
    let node = start().await;
    *node.fake.unready.lock() = Some("read-only".to_owned());
    assert_eq!(scrape(&node).await[r#"rdb_healthcheck{type="readyz",name="storage"}"#], 0.0);
}

#[tokio::test]
async fn figures_have_their_names_and_what_is_unknown_is_absent() {
    let node = start().await;
    let absent = scrape(&node).await;
    for name in ["rdb_raft_term", "rdb_wal_fsync", "rdb_storage", "rdb_tls_cert"] {
        assert!(!absent.keys().any(|series| series.starts_with(name)), "{name} in {absent:?}");
    }
    *node.fake.figures.lock() = figures();
    let samples = scrape(&node).await;
    for (series, value) in [
        (r#"rdb_raft_has_leader{group="1"}"#, 1.0),
        (r#"rdb_raft_is_leader{group="1"}"#, 0.0),
        (r#"rdb_raft_term{group="1"}"#, 7.0),
        (r#"rdb_raft_commit_lag_entries{group="1",peer="n2"}"#, 5.0),
        (r#"rdb_raft_proposals_pending{group="1"}"#, 3.0),
        (r#"rdb_requests_forwarded_total{group="1"}"#, 4.0),
        (r#"rdb_wal_fsync_duration_seconds_bucket{le="0.002"}"#, 1.0),
        (r#"rdb_wal_fsync_duration_seconds_bucket{le="+Inf"}"#, 1.0),
        (r#"rdb_wal_batch_entries_sum"#, 12.0),
        (r#"rdb_apply_duration_seconds_count{group="1"}"#, 0.0),
        (r#"rdb_storage_used_bytes{part="log"}"#, 100.0),
        (r#"rdb_storage_used_bytes{part="state"}"#, 200.0),
        (r#"rdb_storage_used_bytes{part="snapshots"}"#, 0.0),
        ("rdb_storage_free_bytes", 300.0),
        (r#"rdb_peer_reachable{peer="n2"}"#, 1.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series} in {samples:?}");
    }
}

fn figures() -> Figures {
    let (sync, entries) = (Durations::default(), Sizes::default());
    sync.record(std::time::Duration::from_millis(2));
    entries.record(12);
    let raft = RaftFigures {
        has_leader: true,
        term: 7,
        lags: vec![("n2".to_owned(), 5)],
        pending: 3,
        forwarded: 4,
        ..RaftFigures::default()
    };
    let state = StateFigures { used_bytes: Some(200), ..StateFigures::default() };
    Figures {
        groups: vec![GroupFigures { group: GroupId(1), raft, state }],
        log: Some(LogFigures { sync: sync.read(), entries: entries.read(), used_bytes: Some(100) }),
        space: Some(SpaceFigures { free_bytes: 300, reserve_bytes: 30 }),
        peers: vec![("n2".to_owned(), true)],
    }
}

#[tokio::test]
async fn prometheus_gets_openmetrics() {
    let node = start().await;
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let request = node.http.get(node.url("/metrics")).header("accept", accept);
    let answer = Answer::read(request.send().await.unwrap()).await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(expected));
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
}
