//! The `rdbctl` binary as a script sees it: grammar, help, codes, streams.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use rdbctl::Cli;
use rdbctl::cli::{Collections, Form, Order, Verb};

fn parsed(args: &[&str]) -> Option<Cli> {
    Cli::try_parse_from(["rdbctl"].iter().chain(args)).ok()
}

/// Runs the binary with `stdin`, without the environment's settings.
fn rdbctl(args: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbctl"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RDBCTL_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is built with the test");
    // Who does not read stdin may be gone already.
    let _closed = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

/// Code, stdout and stderr of a run.
fn ran(args: &[&str], stdin: &[u8]) -> (i32, String, String) {
    let output = rdbctl(args, stdin);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A node that gives every request this answer. Returns its address.
fn node(status: &str, headers: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            // One read has the whole of these short requests, or the head at least.
            let _request = socket.read(&mut [0; 16_384]);
            let _answered = socket.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

fn problem(status: &str, applied: &str, code: &str, retryable: bool) -> String {
    let headers = format!("content-type: application/problem+json\r\nrdb-applied: {applied}\r\n");
    let body = format!(r#"{{"code":"{code}","detail":"no {code}","retryable":{retryable}}}"#);
    node(status, &headers, &body)
}

fn row(status: &str, key: &str, value: &str) -> String {
    let headers = "content-type: application/json\r\nrdb-version: 7\r\n";
    let body = format!(r#"{{"collection":"c","key":"{key}","value":"{value}"}}"#);
    node(status, headers, &body)
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_stand_before_and_after_the_verb() {
    let before = ["-e", "a:1,http://b:2", "--timeout", "250ms", "-o", "json", "get", "c", "k"];
    let after = ["get", "c", "k", "--endpoints", "a:1,http://b:2", "--timeout=250ms", "-ojson"];
    for args in [&before[..], &after] {
        let target = parsed(args).unwrap().target;
        assert_eq!(target.endpoints, ["https://a:1", "http://b:2"]);
        assert_eq!(target.timeout, Duration::from_millis(250));
        assert_eq!(target.output, Some(Form::Json));
    }
}

#[test]
fn every_verb_takes_what_it_needs() {
    for args in [
        &["put", "c", "k", "v"][..],
        &["put", "c", "k", "-"],
        &["put", "c", "k", "-5"],
        &["put", "c", "--value", "v"],
        &["get", "c", "k", "-n"],
        &["get", "c", "--value", "v"],
        &["del", "c", "k", "--if-version", "7"],
        &["append", "c", "k", "v", "--idempotency-key", "order-1"],
        &["cas", "c", "k", "v", "--if-absent"],
        &["cas", "c", "k", "v", "--expect", "-"],
        &["cas", "c", "k", "v", "--if-version", "0"],
        &["range", "c", "--by", "value", "--prefix", "a", "--limit", "20000"],
        &["find", "c", "v", "--cursor=-x"],
        &["collections", "list"],
        &["collection", "create", "c"],
        &["collections", "drop", "c", "--yes"],
        &["status", "--check"],
    ] {
        assert!(parsed(args).is_some(), "{args:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    for args in [
        &[][..],
        &["put", "c"],
        &["put", "c", "k"],
        &["put", "c", "k", "--value", "v"],
        &["get", "c"],
        &["get", "c", "k", "--value", "v"],
        &["del", "c", "--value", "v", "--if-version", "7"],
        &["cas", "c", "k", "v"],
        &["cas", "c", "k", "v", "--if-absent", "--expect", "w"],
        &["range", "c", "--limit", "0"],
        &["get", "c", "k", "--timeout", "10"],
        &["get", "c", "k", "-e", ""],
        &["get", "c", "k", "-o", "yaml"],
        &["append", "c", "k", "v", "--idempotency-key", "a b"],
    ] {
        assert!(parsed(args).is_none(), "{args:?}");
    }
}

#[test]
fn ranges_are_by_key_unless_asked_otherwise() {
    let Verb::Range(range) = parsed(&["range", "c"]).unwrap().verb else { panic!() };
    assert_eq!((range.by, &*range.start, range.part.limit), (Order::Key, "", 1_000));
    let Verb::Collections(Collections::Drop { yes, .. }) =
        parsed(&["collections", "drop", "c"]).unwrap().verb
    else {
        panic!()
    };
    assert!(!yes);
}

#[test]
fn every_verb_has_help_with_an_example() {
    let (code, help, _) = ran(&["--help"], b"");
    assert_eq!(code, 0);
    let verbs = ["put", "get", "del", "append", "cas", "range", "find", "collections", "status"];
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in {help}");
        let (code, help, _) = ran(&[verb, "--help"], b"");
        assert!(code == 0 && help.contains("Example"), "{help}");
    }
    assert!(help.contains("RDBCTL_ENDPOINTS") && help.contains("RDBCTL_CACERT"), "{help}");
    assert!(help.contains("    8  outcome unknown"), "{help}");
}

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

#[test]
fn failures_have_their_codes_and_hints() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
    for (expected, node) in [
        (2, problem("400 Bad Request", "no", "bad_request", false)),
        (4, nobody),
        (5, problem("503 Service Unavailable", "no", "no_leader", true)),
        (6, row("409 Conflict", "k", "other")),
        (8, problem("504 Gateway Timeout", "unknown", "outcome_unknown", true)),
        (9, problem("507 Insufficient Storage", "no", "disk_full", false)),
        (9, problem("429 Too Many Requests", "no", "busy", true)),
    ] {
        let args = ["cas", "c", "k", "v", "--if-absent", "--timeout", "500ms", "-e", &node];
        let (code, out, err) = ran(&args, b"");
        assert_eq!((code, &*out), (expected, ""), "{err}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{err}");
    }
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
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
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
