//! Scrub: whatever is damaged is found, by the scrub and by the reader who meets it.

use api::service::{Bounds, Range};
use api::{CollectionId, ShardId};

use super::harness::{Dump, Harness};
use crate::key;

fn filled() -> Harness {
    let mut harness = Harness::serving(&[0, 1]);
    for number in 0..8_u8 {
        harness.put(u16::from(number % 2), 1, &[number], &[number; 200]);
    }
    harness.put(0, 2, b"dropped", b"v");
    let collection = CollectionId(2);
    harness.apply(&api::Content::Fence { collection, config: api::ConfigVersion(3) });
    harness.apply(&api::Content::Sweep { collection, rows_max: 5 });
    harness
}

#[test]
fn sound_tables_are_sound() {
    let report = filled().verify();
    assert!(report.is_sound(), "{:#?}", report.described);
    assert_eq!(report.total.rows, 8);
    assert_eq!(report.total.bytes, 8 * 201);
    assert_eq!(report.dedup_items, 9);
}

#[test]
fn every_lost_row_of_every_table_is_found_or_matters_to_nobody() {
    let mut harness = filled();
    let before: Dump = harness.dump();
    for (name, key, value) in &before {
        harness.damage(name, key, None);
        let report = harness.verify();
        // A row of these that is not there means what it means after founding.
        let undetectable = matches!(*name, "dedup" | "fences" | "system");
        assert!(undetectable || !report.is_sound(), "lost {name} {}", hex::encode(key));
        harness.damage(name, key, Some(value));
        harness.assert_sound();
    }
}

#[test]
fn every_flipped_bit_of_every_value_is_found() {
    let mut harness = filled();
    let before: Dump = harness.dump();
    for (name, key, value) in before.iter().filter(|(.., value)| !value.is_empty()) {
        for byte in [0, value.len() / 2, value.len() - 1] {
            let mut flipped = value.clone();
            flipped[byte] ^= 0x10;
            harness.damage(name, key, Some(&flipped));
            assert!(!harness.verify().is_sound(), "{name} {} byte {byte}", hex::encode(key));
        }
        harness.damage(name, key, Some(value));
    }
    harness.assert_sound();
}

#[test]
fn a_row_from_elsewhere_is_found_and_not_answered() {
    let mut harness = filled();
    let row = |number: u8| key::row(ShardId(0), CollectionId(1), &[number]);
    let dump = harness.dump();
    let (.., other) = dump.iter().find(|(_, key, _)| *key == row(2)).unwrap();
    harness.damage("rows", &row(4), Some(other));
    assert!(!harness.verify().is_sound());
    let view = harness.view();
    let fault = view.get(ShardId(0), CollectionId(1), &[4]).unwrap_err();
    assert!(fault.is_corruption());
}

#[test]
fn a_scan_meets_damage_as_a_fault() {
    let mut harness = filled();
    harness.damage("rows", &key::row(ShardId(1), CollectionId(1), &[3]), None);
    let view = harness.view();
    let range = Range::Values(Bounds::default());
    let request = crate::scan::ScanRequest {
        collection: CollectionId(1),
        range: &range,
        after: None,
        limit: 100,
        shards: None,
    };
    assert!(view.scan(&request).unwrap_err().is_corruption());
}

#[test]
fn replicas_with_other_rows_have_other_digests() {
    let (harness, mut other) = (filled(), filled());
    let totals = |harness: &Harness| harness.view().shard_totals().unwrap();
    assert_eq!(totals(&harness), totals(&other));
    other.put(1, 1, &[1], &[1; 200]);
    let (ours, theirs) = (totals(&harness), totals(&other));
    assert_eq!(ours[0], theirs[0]);
    assert_ne!(ours[1].1.digest, theirs[1].1.digest);
}
