//! Logs: do they say what went wrong, in either format, and never what was stored?

use std::time::Duration;

use serde_json::{Value, json};
use tests::deadline::until;
use tests::{Cluster, Command, Options};

const NOTICED_MAX: Duration = Duration::from_secs(15);
const REFUSED_MAX: Duration = Duration::from_secs(20);
/// Everything of ours, not what other libraries say about bytes.
const LEVEL: &str = "info,api=trace,server=trace,raft=trace,state=trace,wal=trace,disk=trace";

/// Each line as JSON.
fn lines(log: &str) -> Vec<Value> {
    let line = |line| {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(parsed["timestamp"].is_string() && parsed["level"].is_string(), "{line}");
        parsed
    };
    log.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_line_with_their_reason_and_values_never_do() {
    let options = Options::default().set("log.format", "json").set("log.level", LEVEL);
    let cluster = Cluster::start_with(options).await;
    let secrets = ["s3cret-value", "s3cret-key", "s3cret-collection", "s3cret-idempotency"];
    let [value, key, collection, idempotency] = secrets;
    let mut put = Command::put_key(collection, key, value);
    put.idempotency_key = Some(idempotency.to_owned());
    let survivor = cluster.node(0);
    for node in &cluster.nodes {
        node.client.ok(&put).await;
        node.client.ok(&Command::get_key(collection, key)).await;
    }
    let wrong = json!({"action": value, "payload": {"collection": collection, "key": [key]}});
    let wrong = survivor.client.request("POST", "/command", wrong.to_string()).await.unwrap();
    assert_eq!(wrong.status, 400, "{}", wrong.text());

    cluster.nodes[2..].iter().for_each(tests::Node::kill);
    until("a refused write and its line", NOTICED_MAX, async || {
        let mut put = put.clone();
        put.idempotency_key = None;
        let answer = survivor.client.ask(&put).await;
        let log = lines(&survivor.log());
        let told = log.iter().any(|line| {
            line["message"] == "refuse a request"
                && line["level"] == "WARN"
                && line["op"] == "put"
                && ["code", "reason"].iter().all(|field| line[*field].is_string())
        });
        if matches!(answer.status, 503 | 504) && told { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    for node in &cluster.nodes {
        let log = node.log();
        assert!(!lines(&log).is_empty(), "{} says nothing", node.name);
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{}: a secret is in the log", node.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_is_one_line_in_either_format() {
    let cluster = Cluster::start().await;
    // The node runs: its directory is in use.
    let refused = async |format: &str| {
        let ended = cluster.node(0).run_to_end(&["--log-format", format], REFUSED_MAX).await;
        let output = ended.output;
        let errors: Vec<_> =
            output.lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect();
        match <[String; 1]>::try_from(errors) {
            Ok([line]) => line,
            Err(lines) => panic!("not one line but {lines:?} in {output}"),
        }
    };
    let text = refused("text").await;
    let json: Value = serde_json::from_str(&refused("json").await).unwrap();
    assert_eq!(json["level"], "ERROR");
    let reason = json["message"].as_str().unwrap();
    assert!(text.contains(" ERROR ") && text.ends_with(reason), "{text} or {reason}");
    assert!(!text.contains('\u{1b}'), "colours in a file: {text}");
}
