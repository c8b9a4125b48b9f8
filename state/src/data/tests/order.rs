//! Order: scans are exact, also where the index cannot tell rows apart.

use api::limits::{RANGE_BYTES_MAX, VALUE_BYTES_HARD_MAX};
use api::service::{Bounds, Range, Row};
use api::{CollectionId, Epoch, ShardId};
use bytes::Bytes;

use super::harness::Harness;
use crate::data::index::{KEY_PART_BYTES, VALUE_PART_BYTES};
use crate::scan::{Position, ScanRequest};

fn all() -> Range {
    Range::Values(Bounds::default())
}

fn sorted_by_value(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| (&a.value, &a.key).cmp(&(&b.value, &b.key)));
    rows
}

/// Writes rows over three shards; returns them as they should be read.
fn fill(harness: &mut Harness, rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Vec<Row> {
    let mut written = Vec::new();
    for (number, (key, value)) in rows.enumerate() {
        let shard = u16::try_from(number % 3).unwrap();
        let version = harness.put(shard, 1, &key, &value);
        written.push(Row { key: key.into(), value: value.into(), version });
    }
    written
}

#[test]
fn values_that_differ_only_behind_the_cut_are_in_order_on_every_page() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    let tail = |number: u8| number.wrapping_mul(167).rotate_left(3);
    let rows = fill(
        &mut harness,
        (0..60_u8).map(|number| {
            let mut value = vec![b'v'; VALUE_PART_BYTES];
            value.extend([tail(number) % 8, tail(number + 1)]);
            (vec![tail(number), number], value)
        }),
    );
    let expected = sorted_by_value(rows);
    for limit in [1, 2, 7, 59, 60, 100] {
        assert_eq!(harness.scan_all(1, &all(), limit), expected, "limit {limit}");
    }
    // Bounds that lie behind the cut.
    let (from, to) = (expected[20].value.clone(), expected[40].value.clone());
    let bounds = Bounds { start: from.clone(), end: Some(to.clone()), prefix: Bytes::new() };
    let inside: Vec<Row> =
        expected.iter().filter(|row| row.value >= from && row.value < to).cloned().collect();
    assert!(!inside.is_empty());
    assert_eq!(harness.scan_all(1, &Range::Values(bounds), 3), inside);
    let same: Vec<Row> = expected.iter().filter(|row| row.value == from).cloned().collect();
    assert_eq!(harness.scan_all(1, &Range::Value(from), 1), same);
}

#[test]
fn keys_that_differ_only_behind_the_cut_are_in_order() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    let rows = fill(
        &mut harness,
        (0..40_u8).map(|number| {
            let mut key = vec![b'k'; KEY_PART_BYTES];
            key.extend((number > 0).then_some(number.reverse_bits()));
            (key, b"same".to_vec())
        }),
    );
    let expected = sorted_by_value(rows);
    assert_eq!(harness.scan_all(1, &all(), 3), expected);
    assert_eq!(harness.scan_all(1, &Range::Value(Bytes::from_static(b"same")), 4), expected);
    assert_eq!(harness.scan_all(1, &Range::Keys(Bounds::default()), 5), expected);
}

#[test]
fn a_page_ends_at_its_bytes_but_has_a_row() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    let large = RANGE_BYTES_MAX / 3;
    let rows = fill(&mut harness, (0..9_u8).map(|number| (vec![number], vec![b'v'; large])));
    let expected = sorted_by_value(rows);
    for range in [all(), Range::Keys(Bounds::default())] {
        let first = harness.scan(1, &range, None, 1000).unwrap();
        assert!(first.more);
        let bytes: usize = first.rows.iter().map(|row| row.key.len() + row.value.len()).sum();
        assert!(bytes <= RANGE_BYTES_MAX);
        assert_eq!(first.rows.len(), 2);
        assert_eq!(harness.scan_all(1, &range, 1000), expected);
    }
    harness.put(0, 2, b"huge", &vec![b'h'; VALUE_BYTES_HARD_MAX]);
    harness.put(1, 2, b"small", b"z");
    assert_eq!(harness.scan_all(2, &all(), 1000).len(), 2);
}

#[test]
fn a_page_that_ends_exactly_with_the_rows_is_the_last() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    fill(&mut harness, (0..6_u8).map(|number| (vec![number], vec![number])));
    for range in [all(), Range::Keys(Bounds::default())] {
        assert!(!harness.scan(1, &range, None, 6).unwrap().more);
        assert!(harness.scan(1, &range, None, 5).unwrap().more);
    }
}

#[test]
fn a_scan_names_the_shards_it_covers_and_passes_over_others() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    harness.assign(4, &[7]);
    fill(&mut harness, (0..6_u8).map(|number| (vec![number], vec![number])));
    let range = Range::Keys(Bounds::default());
    let part = harness.scan(1, &range, None, 10).unwrap();
    let owned = [(0, 1), (1, 1), (2, 1), (7, 4)];
    assert_eq!(part.served, owned.map(|(shard, epoch)| (ShardId(shard), Epoch(epoch))));

    let only = [ShardId(2), ShardId(9), ShardId(2)];
    let request = ScanRequest {
        collection: CollectionId(1),
        range: &range,
        after: None,
        limit: 10,
        shards: Some(&only),
    };
    let part = harness.view().scan(&request).unwrap().unwrap();
    assert_eq!(part.served, [(ShardId(2), Epoch(1))]);
    let keys: Vec<_> = part.rows.iter().map(|row| row.key[0]).collect();
    assert_eq!(keys, [2, 5]);
}

#[test]
fn a_scan_goes_on_behind_a_row_that_is_gone() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    let rows = fill(&mut harness, (0..6_u8).map(|number| (vec![number], vec![number])));
    for range in [all(), Range::Keys(Bounds::default())] {
        let mut gone = rows[2].clone();
        gone.key = vec![2, 9].into();
        let after = Position::of(&range, &gone);
        let part = harness.scan(1, &range, Some(&after), 10).unwrap();
        assert_eq!(part.rows, rows[3..]);
    }
}

#[test]
fn other_collections_and_empty_spans_are_not_read() {
    let mut harness = Harness::serving(&[0, 1, 2]);
    fill(&mut harness, (0..6_u8).map(|number| (vec![number], vec![number])));
    harness.put(0, 2, b"other", b"other");
    let bounds = |start: &'static [u8], end: &'static [u8], prefix: &'static [u8]| Bounds {
        start: Bytes::from_static(start),
        end: Some(Bytes::from_static(end)),
        prefix: Bytes::from_static(prefix),
    };
    for bounds in
        [bounds(b"\x05", b"\x02", b""), bounds(b"", b"", b""), bounds(b"\x03", b"z", b"\x01")]
    {
        assert_eq!(harness.scan_all(1, &Range::Keys(bounds.clone()), 10), []);
        assert_eq!(harness.scan_all(1, &Range::Values(bounds), 10), []);
    }
    assert_eq!(harness.scan_all(3, &all(), 10), []);
    assert_eq!(harness.scan_all(2, &all(), 10).len(), 1);
}
