//! Hostile: any bytes in place of a client's request.

use api::service::{Consistency, Range};
use api::{Condition, Operation};
use bytes::Bytes;
use fuzz::{Taken, Target};

use super::parse::parse;
use super::request::{Action, Request, Verb, check};
use crate::refused::Refused;

const VALUE_BYTES_MAX: usize = 1000;

/// Texts with escapes are copied, with the parser's buffer beside them, which
/// doubles. [`Options::body_bytes_max`](crate::Options::body_bytes_max) bounds
/// the body.
const BODY_MEMORY: fn(usize) -> usize = |bytes| 4 * bytes + 8192;

fn read(body: &Bytes) -> Result<Request, Refused> {
    let fields = parse(body)?;
    let verb = Verb::of(fields.action.as_deref())?;
    check(verb, fields, body, VALUE_BYTES_MAX, None)
}

/// The request as JSON of one spelling, if the dialect can say it so.
fn spelled(request: &Request) -> String {
    let mut payload = serde_json::Map::new();
    let mut put = |name: &str, value: serde_json::Value| payload.insert(name.to_owned(), value);
    put("collection", request.collection.clone().into());
    if request.consistency == Consistency::Stale {
        put("consistency", "stale".into());
    }
    let action = match &request.action {
        Action::Write(Operation::Put { key, value, condition }) => {
            put("key", text(key).into());
            put("value", text(value).into());
            match condition {
                Condition::Always => None,
                Condition::Absent => put("if_version", 0.into()),
                Condition::Version(version) => put("if_version", (*version).into()),
                Condition::Value(expected) => put("expected", text(expected).into()),
            };
            if matches!(condition, Condition::Value(_)) { "cas" } else { "put" }
        }
        Action::Write(Operation::PutValue { value, .. }) => {
            put("value", text(value).into());
            "put"
        }
        Action::Write(Operation::Delete { key, condition }) => {
            put("key", text(key).into());
            if let Condition::Version(version) = condition {
                put("if_version", (*version).into());
            }
            "delete"
        }
        Action::Write(Operation::DeleteValue { value, .. }) => {
            put("value", text(value).into());
            "delete"
        }
        Action::Write(Operation::Append { key, value, .. }) => {
            put("key", text(key).into());
            put("value", text(value).into());
            "append"
        }
        Action::Get { key } => {
            put("key", text(key).into());
            "get"
        }
        Action::GetValue { value, .. } => {
            put("value", text(value).into());
            "get"
        }
        Action::Scan { range, limit, cursor } => {
            put("limit", (*limit).into());
            if let Some(cursor) = cursor {
                put("cursor", cursor.clone().into());
            }
            spell_range(range, put)
        }
        Action::Create => "create collection",
        Action::Drop => "drop collection",
        Action::List => "list collections",
    };
    serde_json::json!({ "action": action, "payload": payload }).to_string()
}

/// Puts the range into a payload and gives the action.
fn spell_range<R>(
    range: &Range,
    mut put: impl FnMut(&str, serde_json::Value) -> R,
) -> &'static str {
    let (start, bounds) = match range {
        Range::Value(value) => {
            put("value", text(value).into());
            return "find";
        }
        Range::Keys(bounds) => ("key", bounds),
        Range::Values(bounds) => ("value", bounds),
    };
    put(start, text(&bounds.start).into());
    put("prefix", text(&bounds.prefix).into());
    if let Some(end) = &bounds.end {
        put("end", text(end).into());
    }
    "range"
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn fuzz_requests() {
    let request = |action: &str, fields: &str| {
        format!(r#"{{"action":"{action}","payload":{{"collection":"c"{fields}}}}}"#)
    };
    let seeds = [
        request("put", r#","value":"v""#),
        request("put", r#","key":"k","value":"a\nb\u0000\ud83d\ude00","if_version":7"#),
        request("get", r#","key":"k","consistency":"stale""#),
        request("get", r#","value":"v","x":[1,{"y":null,"z":1.5e3}]"#),
        request("delete", r#","key":"k","if_version":3"#),
        request("delete", r#","value":"v""#),
        request("append", r#","key":"k","value":"v""#),
        request("cas", r#","key":"k","value":"v","expected":null"#),
        request("cas", r#","key":"k","value":"v","expected":"e""#),
        request("range", r#","key":"a","end":"z","prefix":"p","limit":2,"cursor":"01""#),
        request("range", r#","value":"a","end":"z""#),
        request("find", r#","value":"v""#),
        request("create collection", ""),
        request("drop collection", r#","value":"x""#),
        r#" {"id":7,"action":"list collections"} "#.to_owned(),
    ];
    let words = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        "d800",
        "null",
        "1e999",
        "-",
        "0.1",
        "\"action\":",
        "\"payload\":{",
        "\"key\":",
        "\"expected\":",
        "\"ttl_ms\":1",
        "\"\"",
        "18446744073709551616",
        "\u{0}",
        "\u{fc}",
        "\u{feff}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ];
    Target::new("requests", seeds).words(words).memory(BODY_MEMORY).run(|input| {
        let body = Bytes::copy_from_slice(input.bytes);
        match input.decode(|_| read(&body)) {
            Ok(request) => {
                let again = read(&spelled(&request).into());
                assert_eq!(again.ok().as_ref(), Some(&request));
                Taken::Read
            }
            Err(refused) => {
                assert!(refused.status.is_client_error());
                Taken::refused(refused.text)
            }
        }
    });
}
