//! The dialect: rdbv2's acceptance cases R1 to R19, and our extensions.

use api::{GroupId, Refusal};
use serde_json::{Value, json};

use crate::fake::Mishap;
use crate::harness::{Answer, Node, start};

/// `hex(sha256("test", 0, "test1"))`.
const TEST1_KEY: &str = "9bf47d37f697d4ef4723c36977c36fba6efdbac441725c4ddc719194c2bd3019";

fn request(action: &str, payload: Value) -> String {
    json!({ "action": action, "payload": payload }).to_string()
}

fn triple(collection: &str, key: &str, value: &str) -> Value {
    json!({ "collection": collection, "key": key, "value": value })
}

async fn ask(node: &Node, action: &str, payload: Value) -> Answer {
    node.post(request(action, payload)).await
}

/// The body of an answer that must be 200.
async fn ok(node: &Node, action: &str, payload: Value) -> Value {
    let answer = ask(node, action, payload).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("rdb-served-by"), Some("n1"));
    answer.json()
}

#[tokio::test]
async fn r1_to_r7_values_come_and_go() {
    let node = start().await;
    let member = json!({ "collection": "test", "value": "test1" });
    let whole = triple("test", TEST1_KEY, "test1");
    assert_eq!(ok(&node, "put", member.clone()).await, whole);
    assert_eq!(ok(&node, "put", member.clone()).await, whole);
    assert_eq!(ok(&node, "get", member.clone()).await, whole);
    let nope = json!({ "collection": "test", "value": "nope" });
    assert_eq!(ok(&node, "get", nope).await, triple("test", "", ""));
    let unknown = json!({ "collection": "unknown", "value": "nope" });
    assert_eq!(ok(&node, "get", unknown).await, triple("unknown", "", ""));
    assert!(!node.fake.has_collection("unknown"));
    assert_eq!(ok(&node, "delete", member.clone()).await, whole);
    assert_eq!(ok(&node, "get", member.clone()).await, triple("test", "", ""));
    assert_eq!(ok(&node, "delete", member).await, triple("test", "", ""));
}

#[tokio::test]
async fn bodies_are_bytewise_what_rdbv2_sends() {
    let node = start().await;
    let body = r#"{"action":"get","payload":{"collection":"test","value":"nope"}}"#;
    let answer = node.post(body).await;
    assert_eq!(answer.text, r#"{"collection":"test","key":"","value":""}"#);
    assert_eq!(node.post("{").await.text, "unable to parse JSON object");
}

#[tokio::test]
async fn r8_to_r10_collections_come_and_go() {
    let node = start().await;
    for _ in 0..2 {
        let created = ok(&node, "create collection", json!({ "collection": "c1" })).await;
        assert_eq!(created, triple("c1", "", "created"));
    }
    ok(&node, "put", json!({ "collection": "b, c", "value": "v" })).await;
    let listed = node.post(r#"{"action":"list collections"}"#).await;
    let body = r#"{"collection":"","key":"","value":"b, c, c1","collections":["b, c","c1"]}"#;
    assert_eq!((listed.status, &*listed.text), (200, body));
    for payload in [json!({ "collection": "c1", "value": "x" }), json!({ "collection": "c1" })] {
        assert_eq!(ok(&node, "drop collection", payload).await, triple("c1", "", "dropped"));
    }
    let listed = ok(&node, "list collections", json!({})).await;
    assert_eq!(listed["collections"], json!(["b, c"]));
}

#[tokio::test]
async fn r11_a_range_is_in_the_order_of_values() {
    let node = start().await;
    for value in ["b", "a", "c", "\u{fc}"] {
        ok(&node, "put", json!({ "collection": "test", "value": value })).await;
    }
    let range = ok(&node, "range", json!({ "collection": "test", "value": "b" })).await;
    let entries = range["entries"].as_array().unwrap();
    let values: Vec<_> = entries.iter().map(|entry| &entry["value"]).collect();
    assert_eq!(values, ["b", "c", "\u{fc}"]);
    assert_eq!(range["entries"][0]["collection"], "test");
    assert_eq!(range["entries"][0]["key"].as_str().unwrap().len(), 64);
    assert_eq!((&range["collection"], &range["key"]), (&json!("test"), &json!("")));
    assert_eq!(range.get("cursor"), None);
}

#[tokio::test]
async fn r12_to_r15_nonsense_is_400_and_changes_nothing() {
    let node = start().await;
    let bodies = [
        "{}",
        "null",
        "{",
        r#"{"action":"fly","payload":{"collection":"c","value":"v"}}"#,
        r#"{"action":"put","payload":{"collection":"","value":"v"}}"#,
        r#"{"action":"put","payload":{"collection":"c","value":""}}"#,
        r#"{"action":"put","payload":{"value":"v"}}"#,
        r#"{"action":"put","payload":{"collection":"c","value":7}}"#,
    ];
    for body in bodies {
        let answer = node.post(body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("rdb-applied"), Some("no"));
        assert!(!answer.text.ends_with('\n'));
    }
    assert_eq!(node.fake.calls(), 0);
    ok(&node, "put", json!({ "collection": "c", "value": "v" })).await;
}

#[tokio::test]
async fn r16_and_r17_sizes_and_names_that_wedged_rdbv2_work() {
    let node = start().await;
    let value = "v".repeat(32_769);
    ok(&node, "put", json!({ "collection": "test", "value": value })).await;
    for name in ["collection", "index", "test_index"] {
        ok(&node, "put", json!({ "collection": name, "value": "v" })).await;
        ok(&node, "drop collection", json!({ "collection": name })).await;
    }
    let got = ok(&node, "get", json!({ "collection": "test", "value": value })).await;
    assert_eq!(got["value"], value);
}

#[tokio::test]
async fn r18_other_methods_are_405() {
    let node = start().await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = node.http.request(method, node.url("/command"));
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!((answer.status, &*answer.text), (405, "http method not allowed"));
        assert_eq!(answer.header("allow"), Some("POST"));
    }
}

#[tokio::test]
async fn r19_without_a_leader_it_says_so() {
    let node = start().await;
    node.fake.plan([Mishap::Fail(Refusal::NoLeader { group: GroupId(3) }.into())]);
    let answer = ask(&node, "put", json!({ "collection": "c", "value": "v" })).await;
    assert_eq!(answer.status, 503);
    assert!(answer.text.starts_with("no leader available"), "{}", answer.text);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("rdb-applied"), Some("no"));
}

#[tokio::test]
async fn rows_have_keys_and_versions() {
    let node = start().await;
    let row = json!({ "collection": "c", "key": "k", "value": "1" });
    let answer = ask(&node, "put", row.clone()).await;
    assert_eq!((answer.status, answer.json()), (200, row.clone()));
    assert_eq!(answer.header("rdb-version"), Some("1"));
    assert_eq!(answer.header("rdb-group"), Some("1"));
    assert_eq!(answer.header("rdb-leader"), Some("rdb_replica_3"));
    let shard: u16 = answer.header("rdb-shard").unwrap().parse().unwrap();
    assert_eq!(shard, shard::of_key("c", b"k").0);
    let key = json!({ "collection": "c", "key": "k" });
    let answer = ask(&node, "get", key.clone()).await;
    assert_eq!((answer.json(), answer.header("rdb-version")), (row.clone(), Some("1")));
    let more = json!({ "collection": "c", "key": "k", "value": "2" });
    assert_eq!(ok(&node, "append", more).await["value"], "12");
    let answer = ask(&node, "delete", key.clone()).await;
    assert_eq!(answer.json()["value"], "12");
    let answer = ask(&node, "get", key.clone()).await;
    assert_eq!((answer.json(), answer.header("rdb-version")), (triple("c", "", ""), Some("0")));
    assert_eq!(ok(&node, "delete", key).await, triple("c", "", ""));
}

#[tokio::test]
async fn a_condition_that_fails_shows_the_present_row() {
    let node = start().await;
    let cas = |value: &str, expected: Value| {
        let mut payload = json!({ "collection": "c", "key": "k", "value": value });
        payload["expected"] = expected;
        payload
    };
    let answer = ask(&node, "cas", cas("1", json!("0"))).await;
    assert_eq!((answer.status, answer.json()), (409, triple("c", "", "")));
    assert_eq!(answer.header("rdb-version"), Some("0"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    ok(&node, "cas", cas("1", Value::Null)).await;
    let answer = ask(&node, "cas", cas("2", Value::Null)).await;
    assert_eq!((answer.status, answer.json()), (409, triple("c", "k", "1")));
    assert_eq!(answer.header("rdb-version"), Some("1"));
    assert_eq!(answer.header("rdb-applied"), Some("no"));
    ok(&node, "cas", cas("2", json!("1"))).await;
    let put = json!({ "collection": "c", "key": "k", "value": "3", "if_version": 1 });
    assert_eq!(ask(&node, "put", put).await.status, 409);
    let delete = json!({ "collection": "c", "key": "k", "if_version": 2 });
    assert_eq!(ok(&node, "delete", delete).await["value"], "2");
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let node = start().await;
    for n in 0..5 {
        let row = json!({ "collection": "c", "key": format!("k{n}"), "value": "same" });
        ok(&node, "put", row).await;
    }
    let scans = [("range", json!({ "key": "" })), ("find", json!({ "value": "same" }))];
    for (action, start) in scans {
        let mut keys = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let mut payload = json!({ "collection": "c", "limit": 2, "cursor": cursor });
            payload.as_object_mut().unwrap().extend(start.as_object().unwrap().clone());
            let page = ok(&node, action, payload).await;
            let entries = page["entries"].as_array().unwrap();
            keys.extend(entries.iter().map(|entry| entry["key"].as_str().unwrap().to_owned()));
            match page.get("cursor") {
                Some(next) => cursor = next.clone(),
                None => break,
            }
        }
        assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4"], "{action}");
    }
    let answer = ask(&node, "range", json!({ "collection": "c", "cursor": "elsewhere" })).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn other_bytes_under_the_key_of_a_value_are_a_conflict() {
    let node = start().await;
    node.fake.plant("test", TEST1_KEY.as_bytes(), b"else");
    for action in ["put", "get", "delete"] {
        let answer = ask(&node, action, json!({ "collection": "test", "value": "test1" })).await;
        assert_eq!(answer.status, 409, "{action}");
        assert!(answer.text.starts_with("other bytes are stored"), "{action}: {}", answer.text);
    }
}

#[tokio::test]
async fn rows_that_are_no_text_are_not_shown_as_text() {
    let node = start().await;
    node.fake.plant("c", b"k", b"\xff");
    let get = ask(&node, "get", json!({ "collection": "c", "key": "k" })).await;
    let range = ask(&node, "range", json!({ "collection": "c" })).await;
    for answer in [get, range] {
        assert_eq!(answer.status, 409);
        assert!(answer.text.contains("not UTF-8"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_write_that_happened_is_no_failure_because_its_bytes_are_no_text() {
    let node = start().await;
    node.fake.plant("c", b"k", b"\xff");
    let mismatch = json!({ "collection": "c", "key": "k", "value": "v", "if_version": 0 });
    let append = json!({ "collection": "c", "key": "k", "value": "v" });
    let delete = json!({ "collection": "c", "key": "k" });
    let cases = [("put", mismatch, 409), ("append", append, 200), ("delete", delete, 200)];
    for (action, payload, status) in cases {
        let answer = ask(&node, action, payload).await;
        assert_eq!((answer.status, answer.json()), (status, triple("c", "k", "")), "{action}");
        assert_eq!(answer.header("rdb-value"), Some("not-text"), "{action}");
    }
    assert_eq!(node.fake.value("c", b"k"), None);
}

#[tokio::test]
async fn any_text_reads_back_as_it_was_written() {
    let node = start().await;
    for text in ["\u{0}", "a\u{0}b", "\u{fc}\u{1f600}", "\"\\/\n\t", "\u{2028}<&>", " "] {
        let row = json!({ "collection": text, "key": text, "value": text });
        assert_eq!(ok(&node, "put", row.clone()).await, row);
        let key = json!({ "collection": text, "key": text });
        assert_eq!(ok(&node, "get", key).await, row, "{text:?}");
        assert_eq!(node.fake.value(text, text.as_bytes()).unwrap(), text);
    }
}

#[tokio::test]
async fn a_key_makes_retries_one_request() {
    let node = start().await;
    let key = [("Idempotency-Key", "order-1")];
    let append =
        |value: &str| request("append", json!({ "collection": "c", "key": "k", "value": value }));
    let first = node.post_with(append("x"), &key).await;
    let again = node.post_with(append("x"), &key).await;
    assert_eq!(first.text, again.text);
    assert_eq!(first.header("rdb-replay"), None);
    assert_eq!(again.header("rdb-replay"), Some("true"));
    assert_eq!(node.fake.value("c", b"k").unwrap(), "x");
    let other = node.post_with(append("y"), &key).await;
    assert_eq!((other.status, other.header("rdb-applied")), (422, Some("no")));
    let long = [("Idempotency-Key", "order-2")];
    node.post_with(append(&"x".repeat(2000)), &long).await;
    let again = node.post_with(append(&"x".repeat(2000)), &long).await;
    assert_eq!(again.json()["value"], "");
    assert_eq!(again.header("rdb-replay-value"), Some("omitted"));
}

#[tokio::test]
async fn consistency_is_linearizable_unless_asked_for_by_name() {
    use api::service::Consistency::{Linearizable, Stale};
    let node = start().await;
    let get = |more: &str| {
        format!(r#"{{"action":"get","payload":{{"collection":"c","key":"k"{more}}}}}"#)
    };
    let cases = [
        ("", "", Linearizable),
        ("", "?consistency=stale", Stale),
        (r#","consistency":"stale""#, "", Stale),
        (r#","consistency":"linearizable""#, "?other=1", Linearizable),
    ];
    for (field, query, expected) in cases {
        let url = node.url(&format!("/command{query}"));
        let answer = node.http.post(url).body(get(field)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(*node.fake.last_consistency.lock(), Some(expected), "{field} {query}");
    }
    for query in ["?consistency=weak", "?consistency", "?consistency=stale&consistency=weak"] {
        let url = node.url(&format!("/command{query}"));
        assert_eq!(node.http.post(url).body(get("")).send().await.unwrap().status(), 400);
    }
}
