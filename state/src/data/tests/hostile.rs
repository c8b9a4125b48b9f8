//! Hostile: bytes that no router sends stop the process or are passed over;
//! they never panic and never change anything half.

use api::limits::{KEY_BYTES_MAX, SHARDS, VALUE_BYTES_HARD_MAX};
use api::outcome::Value;
use api::{
    Answer, CollectionId, Command, Condition, ConfigVersion, Content, Epoch, Operation, Payload,
    Rejection, ShardId, Verdict,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::harness::{Harness, commands};

fn put(key: Vec<u8>, value: Vec<u8>) -> Operation {
    let (key, value) = (key.into(), value.into());
    Operation::Put { key, value, condition: Condition::Always }
}

#[test]
fn an_unreadable_payload_is_a_fault_and_changes_nothing() {
    let mut harness = Harness::serving(&[0]);
    harness.put(0, 1, b"k", b"v");
    let before = harness.dump();
    let operation = put(b"other".to_vec(), b"v".to_vec());
    let good = Command { header: harness.header(0, 1, &operation), operation }.encode();
    let truncated = good.slice(..good.len() - 1);
    let payloads = [
        Payload(Bytes::new()),
        Payload(Bytes::from_static(b"\x01\x63\0\0\0\0\0\0\0\0")),
        Payload(Bytes::from_static(b"\x02\x01\0\0\0\0\0\0\0\0")),
        // The first command is fine, and is undone with the second.
        Payload::encode(harness.time_ms, &Content::Commands(vec![good, truncated])),
        Payload::encode(harness.time_ms, &Content::Commands(vec![Bytes::new()])),
    ];
    for payload in payloads {
        let fault = harness.try_apply(&payload).unwrap_err();
        assert!(fault.is_corruption(), "{fault}");
        harness.reopen();
        assert_eq!(harness.dump(), before);
    }
}

#[test]
fn commands_beyond_the_format_are_answered_and_the_others_run() {
    let mut harness = Harness::serving(&[0]);
    let cases = [
        (0, put(vec![b'k'; KEY_BYTES_MAX + 1], vec![])),
        (0, put(vec![b'k'; 70_000], vec![])),
        (0, put(b"k".to_vec(), vec![0; VALUE_BYTES_HARD_MAX + 1])),
        (SHARDS, put(b"k".to_vec(), vec![])),
        (0, put(vec![], vec![])),
        (0, put(vec![0; KEY_BYTES_MAX], vec![0; VALUE_BYTES_HARD_MAX])),
    ];
    let entry: Vec<Command> = cases
        .map(|(shard, operation)| Command {
            header: harness.header(shard, 1, &operation),
            operation,
        })
        .into();
    let verdicts: Vec<_> = harness
        .apply(&commands(&entry))
        .into_iter()
        .map(|answer| match answer {
            Answer::Executed { outcome, .. } => Ok(outcome.verdict),
            Answer::Rejected(rejection) => Err(rejection),
        })
        .collect();
    let expected = [
        Ok(Verdict::TooLarge),
        Ok(Verdict::TooLarge),
        Ok(Verdict::TooLarge),
        Err(Rejection::NotOwner { epoch: Epoch(0) }),
        Ok(Verdict::Done),
        Ok(Verdict::Done),
    ];
    assert_eq!(verdicts, expected);
    harness.assert_sound();
}

#[test]
fn system_steps_about_nothing_change_nothing() {
    let mut harness = Harness::serving(&[0]);
    harness.put(0, 1, b"k", b"v");
    let before = harness.dump();
    harness.apply(&Content::Sweep { collection: CollectionId(1), rows_max: 10 });
    let shards = vec![ShardId(SHARDS), ShardId(u16::MAX)];
    harness.apply(&Content::Assign { epoch: Epoch(9), shards });
    harness.apply(&Content::Assign { epoch: Epoch(0), shards: vec![ShardId(0)] });
    harness.apply(&Content::Commands(vec![]));
    assert_eq!(harness.dump(), before);
    let fence = |config| Content::Fence { collection: CollectionId(1), config };
    harness.apply(&fence(ConfigVersion(5)));
    let fenced = harness.dump();
    harness.apply(&fence(ConfigVersion(6)));
    harness.apply(&Content::Sweep { collection: CollectionId(1), rows_max: 0 });
    assert_eq!(harness.dump(), fenced);
}

#[test]
fn many_small_commands_do_not_answer_with_more_than_memory_holds() {
    let mut harness = Harness::serving(&[0]);
    harness.put(0, 1, b"large", &vec![1; VALUE_BYTES_HARD_MAX]);
    let entry: Vec<Command> = (0..5)
        .map(|_| {
            let operation = Operation::Put {
                key: Bytes::from_static(b"large"),
                value: Bytes::new(),
                condition: Condition::Absent,
            };
            Command { header: harness.header(0, 1, &operation), operation }
        })
        .collect();
    let carried = harness
        .apply(&commands(&entry))
        .into_iter()
        .map(|answer| match answer {
            Answer::Executed { outcome, .. } => {
                assert_eq!(outcome.verdict, Verdict::Mismatch);
                matches!(outcome.value, Value::Bytes(_))
            }
            answer @ Answer::Rejected(_) => panic!("{answer:?}"),
        })
        .collect::<Vec<_>>();
    assert_eq!(carried, [true, true, false, false, false]);
}

#[test]
fn times_at_the_end_of_time_do_not_overflow() {
    let mut harness = Harness::serving(&[0]);
    harness.time_ms = u64::MAX;
    harness.put(0, 1, b"k", b"v");
    harness.time_ms = 5;
    let operation = put(b"k".to_vec(), vec![]);
    let header = harness.header(0, 1, &operation);
    assert_eq!(harness.rejected(header, operation), Rejection::Stale { group_time_ms: u64::MAX });
    assert_eq!(harness.view().group_time_ms().unwrap(), u64::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_payload_is_applied_or_a_fault(
        payloads in proptest::collection::vec(
            (0..6_u8, proptest::collection::vec(any::<u8>(), 0..80)), 1..8,
        ),
    ) {
        let mut harness = Harness::serving(&[0, 1]);
        for (kind, body) in payloads {
            let payload = [&[1, kind], &harness.time_ms.to_be_bytes()[..], &body].concat();
            if harness.try_apply(&Payload(payload.into())).is_err() {
                harness.reopen();
            }
            harness.assert_sound();
        }
    }
}
