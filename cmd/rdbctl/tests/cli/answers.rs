//! Answers: data on stdout, failures on stderr, and a code for each.

use crate::process::{nobody, node, problem, ran, row};

#[test]
fn rows_come_as_values_and_as_json() {
    let node = row("200 OK", "k", "v");
    assert_eq!(ran(&["get", "c", "k", "-e", &node], b"").1, "v\n");
    assert_eq!(ran(&["get", "c", "k", "-n", "-e", &node], b"").1, "v");
    let json = "{\"key\":\"k\",\"value\":\"v\",\"version\":7}\n";
    assert_eq!(ran(&["get", "c", "k", "-ojson", "-e", &node], b"").1, json);
    let (code, out, err) = ran(&["put", "c", "k", "-", "-o", "plain", "-e", &node], b"v\n");
    assert_eq!((code, &*out, &*err), (0, "k\t7\n", ""));
}

#[test]
fn a_row_that_is_not_there_is_3() {
    let node = row("200 OK", "", "");
    for verb in ["get", "del"] {
        let (code, out, err) = ran(&[verb, "c", "k", "-e", &node], b"");
        assert_eq!((code, &*out), (3, ""));
        assert!(err.contains("error: ") && err.contains("\nhint: "), "{err}");
    }
}

// Final refusals, that no repetition follows: one that a slow machine cuts short
// would truthfully be an unknown outcome.
#[test]
fn failures_have_their_codes_and_hints() {
    let nobody = nobody();
    for (expected, node) in [
        (2, problem("400 Bad Request", "no", "bad_request", false)),
        (4, nobody),
        (6, row("409 Conflict", "k", "other")),
        (8, problem("504 Gateway Timeout", "unknown", "outcome_unknown", false)),
        (9, problem("507 Insufficient Storage", "no", "disk_full", false)),
    ] {
        let args = ["cas", "c", "k", "v", "--if-absent", "--timeout", "2s", "-e", &node];
        let (code, out, err) = ran(&args, b"");
        assert_eq!((code, &*out), (expected, ""), "{err}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{err}");
    }
}

#[test]
fn a_cluster_that_is_not_available_is_5() {
    let node = problem("503 Service Unavailable", "no", "no_leader", true);
    let (code, out, err) = ran(&["get", "c", "k", "--timeout", "500ms", "-e", &node], b"");
    assert_eq!((code, &*out), (5, ""), "{err}");
    assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{err}");
}

#[test]
fn an_unknown_outcome_names_the_key_to_repeat_it_with() {
    let node = problem("504 Gateway Timeout", "unknown", "outcome_unknown", true);
    let args = ["append", "c", "k", "v", "--timeout", "300ms", "-e", &node];
    let given = [&args[..], &["--idempotency-key", "order-1"]].concat();
    assert!(ran(&given, b"").2.contains("--idempotency-key order-1 within"));
    let (_, _, err) = ran(&args, b"");
    let made = err.split("--idempotency-key ").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(made.len(), 32, "{err}");
}

#[test]
fn nothing_is_dropped_unasked() {
    let node = row("200 OK", "", "dropped");
    let (code, out, err) = ran(&["collections", "drop", "c", "-e", &node], b"c\n");
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("hint: add --yes"), "{err}");
    let (code, out, _) = ran(&["collections", "drop", "c", "--yes", "-e", &node], b"");
    assert_eq!((code, &*out), (0, "COLLECTION  IS\nc           dropped\n"));
}

#[test]
fn a_status_tells_what_is_wrong_and_check_makes_it_a_code() {
    let body = r#"{"cluster_id":"c1","node":"a","node_id":1,"ready":false,"reason":"alone",
        "nodes":[{"name":"a","node_id":1,"reachable":true}],"groups":[]}"#;
    let node = node("200 OK", "content-type: application/json\r\n", body);
    let (code, out, err) = ran(&["status", "-e", &node], b"");
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("problem: a is not ready: alone\n"), "{out}");
    assert_eq!(ran(&["status", "--check", "-e", &node], b"").0, 10);
    let nobody = nobody();
    let (code, out, err) = ran(&["status", "-e", &nobody], b"");
    assert_eq!((code, &*out), (4, ""), "{err}");
    assert!(err.contains(&nobody) && err.contains("\nhint: "), "{err}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let (code, _, err) = ran(&["get", "c", "k", "--cacert", "/nowhere"], b"");
    assert_eq!(code, 2);
    assert!(err.contains("read /nowhere") && err.contains("\nhint: "), "{err}");
    let (code, _, err) = ran(&["put", "c"], b"");
    assert_eq!(code, 2);
    assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{err}");
    let (code, _, err) = ran(&["put", "c", "k", "-"], b"");
    assert_eq!(code, 2);
    assert!(err.contains("stdin is empty"), "{err}");
}
