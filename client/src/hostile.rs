//! Hostile: any bytes in place of a node's answer.
//!
//! What answers may be a proxy or somebody's web server. Nothing it says may
//! turn a write that may have happened into one that did not.

use api::Applied;
use api::snapshot::Noted;
use api::status::{GroupStatus, NodeStatus, ReplicaStatus, Status};
use fuzz::{Taken, Target};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::Answer;
use crate::attempt::{Attempt, judge, refused};
use crate::health::checkup;

/// A list of empty texts takes eight times its bytes, in a vector that doubles.
const JSON_MEMORY: fn(usize) -> usize = |bytes| 64 * bytes + 16_384;

const JSON_WORDS: [&str; 10] =
    ["{", "}", "[", "]", ",", "null", "\"\"", "1e999", "\"\\ud800\"", "\"key\":\"\""];

#[test]
fn fuzz_client_answers() {
    let seeds = [
        r#"{"collection":"c","key":"k","value":"v"}"#,
        r#"{"key":"","value":"","entries":[{"key":"k","value":"v"}],"cursor":"01"}"#,
        r#"{"collection":"","key":"","value":"a, b","collections":["a","b"]}"#,
    ];
    let mut headers = HeaderMap::new();
    headers.insert("rdb-version", HeaderValue::from_static("7"));
    Target::new("client answers", seeds).words(JSON_WORDS).memory(JSON_MEMORY).run(|input| {
        match input.decode(|body| Answer::read(&headers, body)) {
            Ok(answer) => {
                assert_eq!(answer.version, Some(7));
                let _page = answer.page();
                Taken::Read
            }
            Err(why) => {
                assert_eq!(why.applied(), Applied::Unknown);
                Taken::refused(why)
            }
        }
    });
}

/// Status and headers as well: two bytes of status, then lines of headers, an
/// empty line, the body.
#[test]
fn fuzz_client_attempts() {
    let of = |status: u16, rest: &str| [&status.to_be_bytes()[..], rest.as_bytes()].concat();
    let problem = r#"{"code":"busy","detail":"try again","retryable":true}"#;
    let seeds = [
        of(200, "rdb-version:7\nrdb-replay:true\n\n{\"key\":\"k\",\"value\":\"v\"}"),
        of(409, "content-type:application/json\n\n{\"key\":\"k\",\"value\":\"v\"}"),
        of(503, &format!("rdb-applied:no\n\n{problem}")),
        of(504, &format!("rdb-applied:unknown\n\n{problem}")),
        of(429, &format!("rdb-applied:unknown\n\n{problem}")),
        of(502, "\n<html>bad gateway</html>"),
    ];
    let words = ["rdb-applied:no\n", "rdb-applied:unknown\n", "rdb-shard:70000\n", "\n\n"];
    Target::new("client attempts", seeds).words(words).memory(JSON_MEMORY).run(|input| {
        let Some((status, headers, body)) = response(input.bytes) else {
            return Taken::refused("no response");
        };
        let said_no = headers.get("rdb-applied").is_some_and(|said| said == "no");
        match input.decode(|_| judge(status, &headers, body)) {
            Attempt::Answered(_) => assert_eq!(status, StatusCode::OK),
            Attempt::Mismatch(_) => assert_eq!(status, StatusCode::CONFLICT),
            Attempt::Failed(failed) => {
                assert!(said_no || failed.trouble.applied() == Applied::Unknown, "{failed:?}");
                let error = failed.into_error(true);
                assert!(said_no || error.applied() == Applied::Unknown, "{error:?}");
            }
        }
        let failed = refused(status, &headers, body);
        assert!(said_no || failed.trouble.applied() == Applied::Unknown, "{failed:?}");
        Taken::Read
    });
}

fn response(bytes: &[u8]) -> Option<(StatusCode, HeaderMap, &[u8])> {
    let (status, mut rest) = bytes.split_first_chunk::<2>()?;
    let status = StatusCode::from_u16(u16::from_be_bytes(*status)).ok()?;
    let mut headers = HeaderMap::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Some((status, headers, rest));
        };
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?);
    }
}

#[test]
fn fuzz_health_pages() {
    let seeds = [
        "\x01ok",
        "\x01[+]storage ok\n[+]accepting ok\nready",
        "\x00[+]identity ok\n[-]storage failed: read: only\nnot ready",
    ];
    let words = ["[+]", "[-]", " ok\n", " failed: ", "ready", "\n", "\u{fc}"];
    let memory = |bytes| 32 * bytes + 4096;
    Target::new("health pages", seeds).words(words).memory(memory).run(|input| {
        let Some((well, text)) = input.bytes.split_first() else {
            return Taken::refused("no status");
        };
        let status = if *well == 1 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let text = String::from_utf8_lossy(text);
        match input.decode(|_| checkup(status, &text)) {
            Ok(checkup) => {
                let fails = checkup.checks.iter().any(|check| check.failure.is_some());
                assert_eq!((checkup.well, fails), (*well == 1, *well != 1));
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        }
    });
}

#[test]
fn fuzz_statuses_and_notes() {
    let status = Status {
        cluster_id: "c1".to_owned(),
        nodes: vec![NodeStatus::default()],
        groups: vec![GroupStatus {
            replicas: vec![ReplicaStatus::default()],
            ..GroupStatus::default()
        }],
        ..Status::default()
    };
    let seeds = [
        serde_json::to_string(&status).unwrap(),
        r#"{"node":"a","groups":[{"gid":0,"index":9},{"gid":1,"index":1234}]}"#.to_owned(),
    ];
    Target::new("statuses", seeds).words(JSON_WORDS).memory(JSON_MEMORY).run(|input| {
        let status = input.decode(|body| serde_json::from_slice::<Status>(body));
        let noted = input.decode(|body| serde_json::from_slice::<Noted>(body));
        if let Ok(status) = &status {
            let again = serde_json::to_vec(status).unwrap();
            assert_eq!(serde_json::from_slice::<Status>(&again).unwrap(), *status);
        }
        if let Ok(noted) = &noted {
            let again = serde_json::to_vec(noted).unwrap();
            assert_eq!(serde_json::from_slice::<Noted>(&again).unwrap(), *noted);
        }
        match (status, noted) {
            (Err(why), Err(_)) => Taken::refused(why),
            _ => Taken::Read,
        }
    });
}
