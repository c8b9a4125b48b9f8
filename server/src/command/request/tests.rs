//! Which fields make which request, and what is said of the others.

use proptest::prelude::*;

use super::*;
use crate::command::parse::parse;

const VALUE_BYTES_MAX: usize = 1000;

fn read(body: &str) -> Result<Request, Refused> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    check_fields(&body, None)
}

fn check_fields(body: &Bytes, asked: Option<Consistency>) -> Result<Request, Refused> {
    let fields = parse(body)?;
    check(Verb::of(fields.action.as_deref())?, fields, body, VALUE_BYTES_MAX, asked)
}

fn action(body: &str) -> Action {
    read(body).unwrap_or_else(|refused| panic!("{body}: {refused:?}")).action
}

/// The action of a request in collection `c` with these further fields.
fn of(action_name: &str, payload: &str) -> Action {
    action(&request(action_name, payload))
}

fn request(action: &str, payload: &str) -> String {
    let comma = if payload.is_empty() { "" } else { "," };
    format!(r#"{{"action":"{action}","payload":{{"collection":"c"{comma}{payload}}}}}"#)
}

fn put(condition: Condition) -> Action {
    let (key, value) = (Bytes::from_static(b"k"), Bytes::from_static(b"v"));
    Action::Write(Operation::Put { key, value, condition })
}

#[test]
fn values_without_a_key_are_found_under_their_hash() {
    let (key, value) = (shard::key_of_value("c", b"v"), Bytes::from_static(b"v"));
    let (k, v) = (key.clone(), value.clone());
    let by_value = Action::Write(Operation::PutValue { key: k, value: v });
    assert_eq!(of("put", r#""value":"v""#), by_value);
    let (k, v) = (key.clone(), value.clone());
    assert_eq!(of("get", r#""value":"v""#), Action::GetValue { key: k, value: v });
    let by_value = Action::Write(Operation::DeleteValue { key, value });
    assert_eq!(of("delete", r#""value":"v""#), by_value);
}

#[test]
fn conditions_are_what_the_fields_say() {
    let of_fields = |action, fields| of(action, &format!(r#""key":"k","value":"v"{fields}"#));
    assert_eq!(of_fields("put", ""), put(Condition::Always));
    assert_eq!(of_fields("put", r#","if_version":0"#), put(Condition::Absent));
    assert_eq!(of_fields("put", r#","if_version":7"#), put(Condition::Version(7)));
    assert_eq!(of_fields("cas", r#","if_version":0"#), put(Condition::Absent));
    assert_eq!(of_fields("cas", r#","if_version":7"#), put(Condition::Version(7)));
    assert_eq!(of_fields("cas", r#","expected":null"#), put(Condition::Absent));
    let value = |text: &'static str| put(Condition::Value(Bytes::from_static(text.as_bytes())));
    assert_eq!(of_fields("cas", r#","expected":"e""#), value("e"));
    assert_eq!(of_fields("cas", r#","expected":"""#), value(""));
    let key = Bytes::from_static(b"k");
    let condition = Condition::Version(7);
    let delete = Action::Write(Operation::Delete { key, condition });
    assert_eq!(of("delete", r#""key":"k","if_version":7"#), delete);
}

#[test]
fn ranges_go_by_value_unless_a_key_is_there() {
    let bounds = Bounds {
        start: Bytes::from_static(b"a"),
        end: Some(Bytes::from_static(b"z")),
        prefix: Bytes::from_static(b"p"),
    };
    let scan = |range, limit| Action::Scan { range, limit, cursor: None };
    let fields = r#""end":"z","prefix":"p""#;
    let by_value = of("range", &format!(r#""value":"a",{fields}"#));
    assert_eq!(by_value, scan(Range::Values(bounds.clone()), RANGE_ROWS_DEFAULT));
    let by_key = of("range", &format!(r#""key":"a","value":"",{fields},"limit":2"#));
    assert_eq!(by_key, scan(Range::Keys(bounds), 2));
    let all = scan(Range::Values(Bounds::default()), RANGE_ROWS_DEFAULT);
    assert_eq!(of("range", ""), all);
    let all = scan(Range::Keys(Bounds::default()), RANGE_ROWS_MAX);
    assert_eq!(of("range", r#""key":"","limit":10000"#), all);
    let found = of("find", r#""value":"v","cursor":"here""#);
    let range = Range::Value(Bytes::from_static(b"v"));
    let cursor = Some("here".to_owned());
    assert_eq!(found, Action::Scan { range, limit: RANGE_ROWS_DEFAULT, cursor });
}

#[test]
fn the_catalogues_actions_take_rdbv2s_superfluous_fields() {
    assert_eq!(action(r#"{"action":"list collections"}"#), Action::List);
    assert_eq!(of("list collections", r#""value":"x""#), Action::List);
    assert_eq!(of("drop collection", r#""value":"x""#), Action::Drop);
    assert_eq!(of("create collection", r#""value":"""#), Action::Create);
}

#[test]
fn refusals_name_the_field_and_what_to_do() {
    let key = "k".repeat(KEY_BYTES_MAX + 1);
    let long_key = format!(r#""key":"{key}""#);
    let cases = [
        ("get", r#""key":"k","value":"v""#, "payload.key and payload.value are both given"),
        ("get", "", "payload.value is missing or empty: give a value, or a payload.key"),
        ("get", r#""key":"""#, "payload.key is empty: give 1 to 480 bytes"),
        ("get", &long_key, "payload.key is too long: at most 480 bytes"),
        ("range", &long_key, "payload.key is too long: at most 480 bytes"),
        ("put", r#""value":"""#, "payload.value is missing or empty"),
        ("put", r#""key":"k""#, "payload.value is missing or empty"),
        ("put", r#""value":"v","if_version":1"#, "payload.if_version is given without payload.key"),
        ("put", r#""value":"v","expected":null"#, "expected means nothing to this action"),
        ("put", r#""value":"v","ttl_ms":1000"#, "ttl_ms is not supported yet"),
        ("delete", r#""key":"k","if_version":0"#, "payload.if_version is 0, which means no row"),
        ("append", r#""value":"v""#, "payload.key is missing"),
        ("append", r#""key":"k","value":"v","if_version":1"#, "if_version means nothing"),
        ("cas", r#""key":"k","value":"v""#, "payload.expected is missing"),
        ("cas", r#""value":"v","expected":null"#, "payload.key is missing"),
        ("cas", r#""key":"k","value":"v","expected":"e","if_version":1"#, "are both given"),
        ("drop collection", r#""key":"k""#, "key means nothing to this action"),
        ("range", r#""limit":0"#, "payload.limit must be in 1..=10000"),
        ("range", r#""limit":10001"#, "payload.limit must be in 1..=10000"),
        ("range", r#""key":"a","value":"b""#, "payload.key and payload.value are both given"),
        ("find", "", "payload.value is missing or empty"),
        ("get", r#""key":"k","consistency":"weak""#, "consistency is unknown"),
        ("fly", "", "action is unknown: give one of put, get"),
    ];
    for (action, payload, expected) in cases {
        let refused = read(&request(action, payload)).unwrap_err();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{action} {payload}");
        assert!(refused.text.contains(expected), "{action} {payload}: {}", refused.text);
    }
    for body in ["{}", r#"{"action":""}"#, r#"{"payload":{"collection":"c"}}"#] {
        assert!(read(body).unwrap_err().text.starts_with("action is missing"), "{body}");
    }
    for payload in ["{}", r#"{"collection":""}"#, "null"] {
        let body = format!(r#"{{"action":"put","payload":{payload}}}"#);
        let refused = read(&body).unwrap_err();
        assert!(refused.text.starts_with("payload.collection is missing or empty"), "{body}");
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let value = |bytes: usize| request("put", &format!(r#""value":"{}""#, "v".repeat(bytes)));
    assert!(read(&value(VALUE_BYTES_MAX)).is_ok());
    let refused = read(&value(VALUE_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.text.contains("at most 1000 bytes (setting limits.value_bytes_max)"));
    let key = |bytes: usize| request("get", &format!(r#""key":"{}""#, "k".repeat(bytes)));
    assert!(read(&key(KEY_BYTES_MAX)).is_ok());
    assert!(read(&key(KEY_BYTES_MAX + 1)).is_err());
    let name = |bytes: usize| {
        let name = "\u{fc}".repeat(bytes / 2);
        format!(r#"{{"action":"create collection","payload":{{"collection":"{name}"}}}}"#)
    };
    assert!(read(&name(254)).is_ok());
    assert!(read(&name(256)).is_err());
}

#[test]
fn field_and_query_may_name_one_consistency() {
    let body = Bytes::from(request("get", r#""key":"k","consistency":"stale""#));
    let check = |asked| check_fields(&body, asked);
    assert_eq!(check(None).unwrap().consistency, Consistency::Stale);
    assert_eq!(check(Some(Consistency::Stale)).unwrap().consistency, Consistency::Stale);
    assert!(check(Some(Consistency::Linearizable)).is_err());
}

proptest! {
    #[test]
    fn whatever_parses_is_a_request_or_a_client_error(
        action in prop::sample::select(vec![
            "put", "get", "delete", "append", "cas", "range", "find", "create collection",
            "drop collection", "list collections", "fly", "",
        ]),
        fields in prop::collection::btree_map(
            prop::sample::select(vec![
                "collection", "value", "key", "expected", "end", "prefix", "cursor", "consistency",
            ]),
            ".{0,3}",
            0..8,
        ),
        numbers in prop::collection::btree_map(
            prop::sample::select(vec!["if_version", "limit"]), any::<u64>(), 0..2,
        ),
    ) {
        let mut payload = serde_json::Map::new();
        payload.extend(fields.into_iter().map(|(name, text)| (name.to_owned(), text.into())));
        payload.extend(numbers.into_iter().map(|(name, n)| (name.to_owned(), n.into())));
        let body = serde_json::json!({ "action": action, "payload": payload }).to_string();
        if let Err(refused) = read(&body) {
            prop_assert!(refused.status.is_client_error());
        }
    }
}
