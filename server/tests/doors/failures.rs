//! Failures: each says what it is, whether it applied, and what to do.

use std::time::{Duration, Instant};

use api::service::Failure;
use api::{GroupId, Refusal};
use serde_json::json;

use crate::fake::Mishap;
use crate::harness::{start, start_with};

const PUT: &str = r#"{"action":"put","payload":{"collection":"c","key":"k","value":"v"}}"#;
const GET: &str = r#"{"action":"get","payload":{"collection":"c","key":"k"}}"#;
const PROBLEM: [(&str, &str); 1] = [("Accept", "application/problem+json")];

#[tokio::test]
async fn every_failure_has_its_status_and_tells_whether_it_applied() {
    let node = start().await;
    let group = GroupId(2);
    let waited = Duration::from_secs(1);
    let cases: [(Failure, u16, &str, &str); 12] = [
        (Refusal::NoLeader { group }.into(), 503, "no", "no leader available"),
        (Refusal::NotLeader { group, leader: None }.into(), 503, "no", "no leader available"),
        (Refusal::Expired { group, waited }.into(), 503, "no", "group 2 did not take"),
        (
            Refusal::NotReady { reason: "alone".to_owned() }.into(),
            503,
            "no",
            "node not ready: alone",
        ),
        (Refusal::Stopping.into(), 503, "no", "node is stopping"),
        (Refusal::Busy { group }.into(), 429, "no", "busy: group 2"),
        (Refusal::Unknown { group, waited }.into(), 504, "unknown", "outcome unknown"),
        (
            Refusal::DiskFull { free_bytes: 1, reserve_bytes: 2 }.into(),
            507,
            "no",
            "disk nearly full",
        ),
        (Failure::IdReused, 422, "no", "this idempotency key"),
        (Failure::IdExpired, 409, "unknown", "this request is older"),
        (Failure::TooManyCollections { limit: 7 }, 409, "no", "too many collections"),
        (Failure::BadCursor, 400, "no", "the cursor"),
    ];
    for (failure, status, applied, text) in cases {
        node.fake.plan([Mishap::Fail(failure.clone()), Mishap::Fail(failure.clone())]);
        let answer = node.post(PUT).await;
        assert_eq!(answer.status, status, "{failure:?}");
        assert_eq!(answer.header("rdb-applied"), Some(applied), "{failure:?}");
        assert!(answer.text.starts_with(text), "{failure:?}: {}", answer.text);
        let later = (status == 503 || status == 429).then_some("1");
        assert_eq!(answer.header("retry-after"), later, "{failure:?}");
        let answer = node.post_with(PUT, &PROBLEM).await;
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["code"], failure.code());
        assert_eq!(problem["status"], status);
        assert_eq!(problem["applied"], applied);
        assert!(problem["detail"].as_str().unwrap().starts_with(text));
    }
}

#[tokio::test]
async fn problems_name_the_limit_and_its_setting() {
    let node = start_with(|options| options.value_bytes_max = 10).await;
    let put = json!({ "action": "put", "payload": { "collection": "c", "value": "12345678901" } });
    let answer = node.post_with(put.to_string(), &PROBLEM).await;
    let problem = answer.json();
    assert_eq!(answer.status, 413);
    assert_eq!((&problem["limit"], &problem["retryable"]), (&json!(10), &json!(false)));
    assert_eq!(problem["setting"], "limits.value_bytes_max");
    let append = json!({ "action": "append", "payload":
        { "collection": "c", "key": "k", "value": "123456" } });
    assert_eq!(node.post(append.to_string()).await.status, 200);
    let answer = node.post_with(append.to_string(), &PROBLEM).await;
    assert_eq!((answer.status, answer.json()["limit"].as_u64()), (413, Some(10)));
}

#[tokio::test]
async fn a_failed_read_changed_nothing() {
    let node = start().await;
    let waited = Duration::from_secs(1);
    node.fake.plan([Mishap::Fail(Refusal::Unknown { group: GroupId(1), waited }.into())]);
    let answer = node.post(GET).await;
    assert_eq!((answer.status, answer.header("rdb-applied")), (504, Some("no")));
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_on_in_time() {
    let node = start().await;
    node.fake.plan([Mishap::Slow(Duration::from_secs(3)), Mishap::Slow(Duration::from_secs(3))]);
    let started = Instant::now();
    let answer = node.post_with(PUT, &[("Rdb-Timeout-Ms", "100")]).await;
    assert_eq!((answer.status, answer.header("rdb-applied")), (504, Some("unknown")));
    let answer = node.post_with(GET, &[("Rdb-Timeout-Ms", "100")]).await;
    assert_eq!((answer.status, answer.header("rdb-applied")), (504, Some("no")));
    assert!(started.elapsed() < Duration::from_secs(2));
    let call = node.fake.last_call.lock().unwrap();
    assert_eq!(call.timeout, Duration::from_millis(100));
}

#[tokio::test]
async fn a_panic_is_one_clients_500() {
    let node = start().await;
    node.fake.plan([Mishap::Panic]);
    let answer = node.post(PUT).await;
    assert_eq!((answer.status, answer.header("rdb-applied")), (500, Some("unknown")));
    assert_eq!(node.counters.panics.get(), 1);
    assert_eq!(node.post(PUT).await.status, 200);
}

#[tokio::test]
async fn beyond_the_requests_limit_it_is_busy() {
    let node = start_with(|options| options.requests_max = 1).await;
    node.fake.plan([Mishap::Slow(Duration::from_millis(500))]);
    let slow = tokio::spawn(node.http.post(node.url("/command")).body(PUT).send());
    while node.fake.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = node.post(GET).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert!(answer.text.starts_with("busy: "), "{}", answer.text);
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert_eq!(node.post(GET).await.status, 200);
}
