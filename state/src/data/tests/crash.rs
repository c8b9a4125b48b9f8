//! Crash: what a lost transaction or a restart in between changes, which is nothing.

use api::{CollectionId, Command, Condition, ConfigVersion, Content, Operation};
use bytes::Bytes;
use proptest::prelude::*;

use super::harness::{Harness, commands};
use crate::dedup::Bounds;

const BOUNDS: Bounds = Bounds { items_max: 8, expired_per_entry: 2 };

fn put(harness: &mut Harness, key: u8, value: u8) -> Command {
    let (shard, collection) = (u16::from(key % 2), 1 + u32::from(key % 3));
    let (key, value) = (Bytes::from(vec![key]), Bytes::from(vec![value]));
    let operation = match value.first() {
        Some(0) => Operation::Delete { key, condition: Condition::Always },
        _ => Operation::Put { key, value, condition: Condition::Always },
    };
    Command { header: harness.header(shard, collection, &operation), operation }
}

fn entries(harness: &mut Harness, script: &[Vec<(u8, u8)>]) -> Vec<Content> {
    let mut contents: Vec<Content> = Vec::new();
    for (number, pairs) in script.iter().enumerate() {
        let entry: Vec<_> = pairs.iter().map(|(key, value)| put(harness, *key, *value)).collect();
        contents.push(commands(&entry));
        if number == script.len() / 2 {
            let collection = CollectionId(2);
            contents.push(Content::Fence { collection, config: ConfigVersion(3) });
            contents.push(Content::Sweep { collection, rows_max: 1 });
        }
    }
    contents
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn replicas_that_crash_differently_end_with_the_same_bytes(
        script in proptest::collection::vec(
            proptest::collection::vec((0..12_u8, 0..4_u8), 1..6), 1..16,
        ),
        restarts in proptest::collection::vec(0..3_u8, 40),
    ) {
        let mut steady = Harness::bounded(BOUNDS);
        let mut crashing = Harness::bounded(BOUNDS);
        for harness in [&mut steady, &mut crashing] {
            harness.assign(1, &[0, 1]);
        }
        let contents = entries(&mut steady, &script);
        for (content, restart) in contents.iter().zip(restarts) {
            steady.time_ms += 30_000;
            crashing.time_ms = steady.time_ms;
            let answers = steady.apply(content);
            match restart {
                0 => {}
                1 => crashing.reopen(),
                _ => crashing.apply_and_lose(content),
            }
            prop_assert_eq!(crashing.apply(content), answers);
            prop_assert_eq!(crashing.dump(), steady.dump());
        }
        crashing.assert_sound();
    }
}

#[test]
fn an_entry_that_was_not_committed_left_no_trace() {
    let mut harness = Harness::serving(&[0, 1]);
    let command = put(&mut harness, 2, 1);
    let before = harness.dump();
    harness.apply_and_lose(&commands(&[command]));
    assert_eq!(harness.dump(), before);
    assert_eq!(harness.remembered(), 0);
}
