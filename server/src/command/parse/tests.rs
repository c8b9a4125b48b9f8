//! What the parser takes, what it refuses, and that nothing makes it panic.

use axum::http::StatusCode;
use proptest::prelude::*;

use super::*;

const UNPARSABLE: &str = "unable to parse JSON object";

fn refusal(body: impl AsRef<[u8]>) -> String {
    let body = body.as_ref();
    let refused = match parse(body) {
        Ok(fields) => panic!("{} was taken: {fields:?}", String::from_utf8_lossy(body)),
        Err(refused) => refused,
    };
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.text.into_owned()
}

/// A payload with an unknown field that nests `depth` arrays.
fn nested(depth: usize) -> String {
    format!(r#"{{"action":"get","payload":{{"x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn known_fields_are_read_and_unknown_ones_skipped() {
    let body = br#" {"action":"cas","id":7,"payload":{"collection":"c","key":"k","value":"v",
        "expected":"e","if_version":3,"limit":5,"x":[1,{"y":null,"y":1.5e3}],"z":-1} }
    "#;
    let fields = parse(body).unwrap();
    assert_eq!(fields.action.as_deref(), Some("cas"));
    assert_eq!(fields.key.as_deref(), Some("k"));
    assert_eq!(fields.expected, Expected::Value(Text("e".into())));
    assert_eq!((fields.if_version, fields.limit), (Some(3), Some(5)));
}

#[test]
fn plain_texts_are_borrowed_and_escaped_ones_are_not() {
    let fields = parse(br#"{"payload":{"key":"plain","value":"a\nb\u0000\ud83d\ude00"}}"#).unwrap();
    assert!(matches!(fields.key, Some(Text(Cow::Borrowed("plain")))));
    assert_eq!(fields.value.as_deref(), Some("a\nb\0\u{1f600}"));
}

#[test]
fn null_is_absence_except_where_it_is_expected() {
    let body = br#"{"action":null,"payload":{"collection":null,"if_version":null,"ttl_ms":null}}"#;
    assert_eq!(parse(body).unwrap(), Fields::default());
    assert_eq!(parse(br#"{"action":null,"payload":null}"#).unwrap(), Fields::default());
    let fields = parse(br#"{"payload":{"expected":null}}"#).unwrap();
    assert_eq!(fields.expected, Expected::Null);
}

#[test]
fn what_is_no_json_object_is_refused_with_rdbv2s_words() {
    let bodies: [&[u8]; 27] = [
        b"",
        b" ",
        b"null",
        b"[]",
        b"1",
        b"\"put\"",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'action':'put'}",
        b"{\"action\":put}",
        b"{\"action\":\"put\",}",
        b"{\"action\":NaN}",
        b"\xef\xbb\xbf{}",
        b"{\"action\":1}",
        b"{\"action\":[\"put\"]}",
        b"{\"action\":{}}",
        b"{\"payload\":\"x\"}",
        b"{\"payload\":[]}",
        b"{\"payload\":{\"value\":1}}",
        b"{\"payload\":{\"limit\":\"1\"}}",
        b"{\"payload\":{\"limit\":1.5}}",
        b"{\"payload\":{\"limit\":-1}}",
        b"{\"payload\":{\"if_version\":18446744073709551616}}",
        b"{\"payload\":{\"value\":\"\\ud800\"}}",
        b"{\"payload\":{\"value\":\"\xff\"}}",
        b"{\"payload\":{\"value\":\"a\nb\"}}",
    ];
    for body in bodies {
        assert_eq!(refusal(body), UNPARSABLE, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_field_given_twice_is_named() {
    let text = refusal(br#"{"action":"get","action":"put"}"#);
    assert_eq!(text, "field \"action\" is given twice; give it once");
    // The same name by another spelling.
    let text = refusal(br#"{"payload":{"key":"a","\u006bey":"b"}}"#);
    assert_eq!(text, "field \"key\" is given twice; give it once");
    let text = refusal(b"{\"\\u001b[31m\":1,\"\\u001b[31m\":1}");
    assert_eq!(text, "field \"\\u{1b}[31m\" is given twice; give it once");
}

#[test]
fn objects_have_a_bounded_number_of_fields() {
    let fields = |count: usize| {
        let fields: Vec<_> = (0..count).map(|n| format!("\"f{n}\":0")).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert!(parse(fields(FIELDS_MAX).as_bytes()).is_ok());
    let text = refusal(fields(FIELDS_MAX + 1));
    assert_eq!(text, "too many fields in one object: at most 64");
}

#[test]
fn nesting_ends_at_the_limit() {
    // The request and its payload are two of the levels.
    assert!(parse(nested(JSON_DEPTH_MAX - 2).as_bytes()).is_ok());
    assert_eq!(refusal(nested(JSON_DEPTH_MAX - 1)), UNPARSABLE);
    assert_eq!(refusal(nested(1_000_000)), UNPARSABLE);
    assert_eq!(refusal("[".repeat(1_000_000)), UNPARSABLE);
    assert_eq!(refusal(r#"{"payload":"#.repeat(100_000)), UNPARSABLE);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read(body in any::<Vec<u8>>()) {
        if let Err(refused) = parse(&body) {
            prop_assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        }
    }

    /// Bytes that look like requests get further than arbitrary ones.
    #[test]
    fn scrambled_requests_are_refused_or_read(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "d800", "null", "1e999", "-", "0.1",
            "\"action\"", "\"payload\"", "\"put\"", "\"value\"", "\"key\"", "\"expected\"",
            "\"limit\"", "\"ttl_ms\"", "\"x\"", " ", "\u{0}", "\u{fc}",
        ]), 0..40),
    ) {
        if let Err(refused) = parse(parts.concat().as_bytes()) {
            prop_assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn texts_are_read_as_they_were_meant(value in any::<String>(), key in any::<String>()) {
        let body = serde_json::json!({ "payload": { "value": value, "key": key } }).to_string();
        let fields = parse(body.as_bytes()).unwrap();
        prop_assert_eq!(fields.value.as_deref(), Some(&*value));
        prop_assert_eq!(fields.key.as_deref(), Some(&*key));
    }
}
