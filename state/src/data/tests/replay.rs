//! Replay: how long a request is remembered, and that none runs twice.

use std::collections::BTreeMap;

use api::limits::{
    CLIENT_ID_SKEW, CLIENT_ID_TTL, INTERNAL_ID_SKEW, INTERNAL_ID_TTL, REPLAY_RESULT_BYTES_MAX,
};
use api::outcome::Value;
use api::{
    Answer, Command, Content, Fingerprint, Header, Operation, Outcome, Rejection, RequestClass,
    RequestId, Verdict,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::harness::{Harness, commands};
use crate::dedup::Bounds;

const KEPT_MS: u64 = 1000 * (INTERNAL_ID_TTL.as_secs() + INTERNAL_ID_SKEW.as_secs());

fn append() -> Operation {
    let (key, value) = (Bytes::from_static(b"log"), Bytes::from_static(b"x"));
    Operation::Append { key, value, bytes_max: 1 << 20 }
}

fn executed(answer: Answer) -> (Outcome, bool) {
    match answer {
        Answer::Executed { outcome, replay } => (outcome, replay),
        Answer::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

/// A request and the entry it ran in; returns its header.
fn append_once(harness: &mut Harness) -> Header {
    let header = harness.header(0, 1, &append());
    assert!(!executed(harness.command(header, append())).1);
    header
}

fn nothing() -> Content {
    Content::Commands(vec![])
}

#[test]
fn a_request_is_remembered_until_no_retry_of_it_may_run() {
    let mut harness = Harness::serving(&[0]);
    let header = append_once(&mut harness);
    harness.time_ms += KEPT_MS;
    let (outcome, replay) = executed(harness.command(header, append()));
    assert!(replay);
    assert_eq!(outcome.version, 1);
    harness.time_ms += 1;
    let group_time_ms = harness.time_ms;
    assert_eq!(harness.rejected(header, append()), Rejection::Stale { group_time_ms });
    assert_eq!(harness.remembered(), 0);
    assert_eq!(harness.get(0, 1, b"log").unwrap().unwrap().value, "x");
}

#[test]
fn issue_times_are_accepted_up_to_their_class_bounds() {
    let mut harness = Harness::serving(&[0]);
    let now_ms = 10_000_000;
    harness.time_ms = now_ms;
    let bounds = [
        (RequestClass::Internal, INTERNAL_ID_TTL, INTERNAL_ID_SKEW),
        (RequestClass::Client, CLIENT_ID_TTL, CLIENT_ID_SKEW),
    ];
    for (class, ttl, skew) in bounds {
        let (ttl_ms, skew_ms) = (1000 * ttl.as_secs(), 1000 * skew.as_secs());
        let mut answer = |issued_at_ms| {
            let header = harness.header(0, 1, &append());
            harness.command(Header { class, issued_at_ms, ..header }, append())
        };
        let stale = Answer::Rejected(Rejection::Stale { group_time_ms: now_ms });
        let future = Answer::Rejected(Rejection::FromFuture { group_time_ms: now_ms });
        assert_eq!(answer(now_ms - ttl_ms - 1), stale);
        assert!(!executed(answer(now_ms - ttl_ms)).1);
        assert!(!executed(answer(now_ms + skew_ms)).1);
        assert_eq!(answer(now_ms + skew_ms + 1), future);
    }
}

#[test]
fn the_same_id_twice_in_one_entry_runs_once() {
    let mut harness = Harness::serving(&[0]);
    let header = harness.header(0, 1, &append());
    let command = Command { header, operation: append() };
    let other =
        Command { header: Header { fingerprint: Fingerprint(1), ..header }, operation: append() };
    let answers = harness.apply(&commands(&[command.clone(), command, other]));
    let done = Outcome {
        verdict: Verdict::Done,
        version: 1,
        value: Value::Bytes(Bytes::from_static(b"x")),
    };
    let expected = [
        Answer::Executed { outcome: done.clone(), replay: false },
        Answer::Executed { outcome: done, replay: true },
        Answer::Rejected(Rejection::IdReused),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_long_result_is_left_out_of_replays_and_a_short_one_is_not() {
    let mut harness = Harness::serving(&[0]);
    for (length, kept) in [(REPLAY_RESULT_BYTES_MAX, true), (REPLAY_RESULT_BYTES_MAX + 1, false)] {
        let key = Bytes::from(length.to_string());
        harness.put(0, 1, &key, &vec![b'v'; length]);
        let operation = Operation::Delete { key, condition: api::Condition::Always };
        let header = harness.header(0, 1, &operation);
        let (first, _) = executed(harness.command(header, operation.clone()));
        harness.reopen();
        let (again, replay) = executed(harness.command(header, operation));
        assert!(replay);
        assert!(matches!(first.value, Value::Bytes(_)));
        assert_eq!(again.value == first.value, kept);
        assert_eq!(again.value == Value::Omitted, !kept);
        assert_eq!((again.verdict, again.version), (first.verdict, first.version));
    }
}

#[test]
fn overflow_forgets_the_oldest_and_refuses_what_was_issued_with_them() {
    let mut harness = Harness::bounded(Bounds { items_max: 3, expired_per_entry: 64 });
    harness.assign(1, &[0]);
    // Issued ahead of the group's time, as a client's clock may be.
    let ahead = Header { issued_at_ms: harness.time_ms + 4_000, ..harness.header(0, 1, &append()) };
    harness.command(ahead, append());
    let newer: Vec<Header> = (0..3).map(|_| append_once(&mut harness)).collect();
    assert_eq!(harness.remembered(), 3);
    for _ in 0..2 {
        let group_time_ms = harness.time_ms;
        let stale = Rejection::Stale { group_time_ms };
        assert_eq!(harness.rejected(ahead, append()), stale);
        let fresh = harness.header(0, 1, &append());
        assert_eq!(harness.rejected(fresh, append()), stale, "issued before the floor");
        assert!(executed(harness.command(newer[2], append())).1, "still remembered");
        harness.reopen();
    }
    harness.time_ms += 4_001;
    append_once(&mut harness);
    assert_eq!(harness.get(0, 1, b"log").unwrap().unwrap().value, "xxxxx");
}

#[test]
fn the_classes_are_forgotten_apart() {
    let mut harness = Harness::bounded(Bounds { items_max: 2, expired_per_entry: 64 });
    harness.assign(1, &[0]);
    let client = Header { class: RequestClass::Client, ..harness.header(0, 1, &append()) };
    harness.command(client, append());
    for _ in 0..5 {
        harness.time_ms += 1;
        append_once(&mut harness);
    }
    assert_eq!(harness.remembered(), 3);
    assert!(executed(harness.command(client, append())).1);
    harness.time_ms += KEPT_MS + 1;
    harness.apply(&nothing());
    assert_eq!(harness.remembered(), 1, "only the client's is left");
    assert!(executed(harness.command(client, append())).1);
}

#[test]
fn one_entry_expires_a_bounded_number_of_rows() {
    let mut harness = Harness::bounded(Bounds { items_max: 100, expired_per_entry: 4 });
    harness.assign(1, &[0]);
    let headers: Vec<Header> = (0..10).map(|_| append_once(&mut harness)).collect();
    harness.time_ms += KEPT_MS + 1;
    // What is past its time but not yet expired is still answered from.
    assert!(executed(harness.command(headers[4], append())).1);
    for left in [2, 0] {
        harness.apply(&nothing());
        assert_eq!(harness.remembered(), left);
    }
    assert_eq!(harness.get(0, 1, b"log").unwrap().unwrap().value.len(), 10);
}

#[test]
fn a_retry_after_a_drop_is_answered_and_a_new_request_is_not() {
    let mut harness = Harness::serving(&[0]);
    let header = append_once(&mut harness);
    let collection = header.collection;
    harness.apply(&Content::Fence { collection, config: api::ConfigVersion(2) });
    assert!(executed(harness.command(header, append())).1);
    // Routed again, to the collection that has the name now.
    let again = Header { collection: api::CollectionId(9), ..header };
    assert!(executed(harness.command(again, append())).1);
    let new = harness.header(0, 1, &append());
    assert_eq!(harness.rejected(new, append()), Rejection::Dropping);
}

#[test]
fn rejections_are_not_remembered() {
    let mut harness = Harness::new();
    let header = harness.header(0, 1, &append());
    let epoch = api::Epoch(0);
    assert_eq!(harness.rejected(header, append()), Rejection::NotOwner { epoch });
    harness.assign(1, &[0]);
    assert!(!executed(harness.command(header, append())).1);
}

/// A step of a client that tries requests again and again.
#[derive(Clone, Debug)]
enum Try {
    New { ahead_ms: i64 },
    Again(prop::sample::Index),
    Wait(u64),
    Reopen,
}

fn tries() -> impl Strategy<Value = Try> {
    let ttl_ms = i64::try_from(1000 * INTERNAL_ID_TTL.as_secs()).unwrap();
    prop_oneof![
        4 => (-ttl_ms..6_000_i64).prop_map(|ahead_ms| Try::New { ahead_ms }),
        8 => any::<prop::sample::Index>().prop_map(Try::Again),
        2 => (0..40_000_u64).prop_map(Try::Wait),
        1 => Just(Try::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_request_runs_twice(
        steps in proptest::collection::vec(tries(), 1..60),
        items_max in 1..12_u64,
        expired_per_entry in 1..4_usize,
    ) {
        let mut harness = Harness::bounded(Bounds { items_max, expired_per_entry });
        harness.assign(1, &[0]);
        let mut sent: Vec<Header> = Vec::new();
        let mut ran: BTreeMap<RequestId, u64> = BTreeMap::new();
        for step in steps {
            let header = match step {
                Try::New { ahead_ms } => {
                    let issued_at_ms = harness.time_ms.saturating_add_signed(ahead_ms);
                    Header { issued_at_ms, ..harness.header(0, 1, &append()) }
                }
                Try::Again(which) if !sent.is_empty() => *which.get(&sent),
                Try::Wait(ms) => {
                    harness.time_ms += ms;
                    continue;
                }
                Try::Reopen => {
                    harness.reopen();
                    continue;
                }
                Try::Again(_) => continue,
            };
            sent.push(header);
            match harness.command(header, append()) {
                Answer::Executed { outcome, replay: false } => {
                    prop_assert_eq!(ran.insert(header.id, outcome.version), None, "ran twice");
                }
                Answer::Executed { outcome, replay: true } => {
                    prop_assert_eq!(ran.get(&header.id), Some(&outcome.version));
                }
                Answer::Rejected(_) => {}
            }
            prop_assert!(harness.remembered() as u64 <= items_max);
            harness.assert_sound();
        }
        let length = harness.get(0, 1, b"log").unwrap().map_or(0, |row| row.value.len());
        prop_assert_eq!(length, ran.len());
    }
}
