//! Index: which rows of a collection hold which value, in order?
//!
//! One entry per row in the table `values`:
//!
//! * key: `shard:2 | cid:4 | value part | mark:2 | key part`
//! * value: empty, or the user key if it does not fit the key part
//!
//! The value part is the value's first [`VALUE_PART_BYTES`] bytes with every
//! `00` written as `00 ff`, so that the mark behind it ends it: `00 00` if the
//! whole value is there, `00 01` if it is cut. The key part is the user key if
//! it has at most [`KEY_PART_BYTES`] bytes, else that many of them and its
//! xxh3_128. Compared as bytes, entries are then in the order of (value, key),
//! except among those that differ only behind a cut.
//!
//! Those form a *class*: entries of a class are adjacent, and classes are in
//! the order of (value, key). A reader sorts the rows of one class itself; a
//! class of one entry, the usual case, needs no sorting.
//!
//! # Invariants
//!
//! * K4: every row has exactly one entry, and every entry has its row.

use std::path::Path;

use api::{CollectionId, ShardId};
use disk::Fault;
use disk::fault::OrFault;
use heed::RwTxn;
use xxhash_rust::xxh3::xxh3_128;

use crate::key::{self, LMDB_KEY_BYTES_MAX, PLACE_BYTES};
use crate::tables::Tables;

/// Bytes of a value that order its entry.
pub(crate) const VALUE_PART_BYTES: usize = 160;

/// Bytes of a user key that order its entry.
pub(crate) const KEY_PART_BYTES: usize = 160;

const MARK_WHOLE: [u8; 2] = [0x00, 0x00];
const MARK_CUT: [u8; 2] = [0x00, 0x01];
const ESCAPED_ZERO: [u8; 2] = [0x00, 0xff];
const HASH_BYTES: usize = 16;

const _: () = assert!(
    PLACE_BYTES + 2 * VALUE_PART_BYTES + MARK_WHOLE.len() + KEY_PART_BYTES + HASH_BYTES
        <= LMDB_KEY_BYTES_MAX,
    "an index entry of zeros must fit an LMDB key"
);

/// One entry of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'k> {
    /// Its key in the table.
    pub key: Vec<u8>,
    /// Its value in the table.
    pub value: &'k [u8],
}

/// A stored entry, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'t> {
    /// The entry's class: its key without place and without what is behind a cut.
    pub class: &'t [u8],
    /// The user key of the row.
    pub user_key: &'t [u8],
}

/// The entry of a row.
pub(crate) fn entry<'k>(
    shard: ShardId,
    collection: CollectionId,
    user_key: &'k [u8],
    value: &[u8],
) -> Entry<'k> {
    let mut key = key::place(shard, collection).to_vec();
    put_value(&mut key, value);
    match cut(user_key, KEY_PART_BYTES) {
        None => {
            key.extend_from_slice(user_key);
            Entry { key, value: &[] }
        }
        Some(part) => {
            key.extend_from_slice(part);
            key.extend_from_slice(&xxh3_128(user_key).to_be_bytes());
            Entry { key, value: user_key }
        }
    }
}

/// The class of the entry that a row has or would have.
pub(crate) fn class(value: &[u8], user_key: &[u8]) -> Vec<u8> {
    let mut class = Vec::new();
    put_value(&mut class, value);
    if cut(value, VALUE_PART_BYTES).is_none() {
        class.extend_from_slice(cut(user_key, KEY_PART_BYTES).unwrap_or(user_key));
    }
    class
}

/// What the classes of all rows with exactly this value start with.
pub(crate) fn value_class(value: &[u8]) -> Vec<u8> {
    let mut class = Vec::new();
    put_value(&mut class, value);
    class
}

/// Where entries of values that are not below `value` begin: no class of such
/// a value is below this.
pub(crate) fn lower_edge(value: &[u8]) -> Vec<u8> {
    let mut edge = Vec::new();
    put_escaped(&mut edge, cut(value, VALUE_PART_BYTES).unwrap_or(value));
    edge
}

/// Where entries of values that are below `value` end: every class of such a
/// value is below this.
pub(crate) fn upper_edge(value: &[u8]) -> Vec<u8> {
    let mut edge = lower_edge(value);
    if cut(value, VALUE_PART_BYTES).is_some() {
        // Some values with this part are below, some not: all are in.
        edge.extend_from_slice(&[0x00, 0x02]);
    }
    edge
}

/// Takes a stored entry apart; `None` if it is not one.
pub(crate) fn parse<'t>(stored_key: &'t [u8], stored_value: &'t [u8]) -> Option<Parsed<'t>> {
    let entry = stored_key.get(PLACE_BYTES..)?;
    let (mark, mark_end) = find_mark(entry)?;
    let key_part = entry.get(mark_end..)?;
    let (user_key, key_class_end) = match key_part.len().checked_sub(HASH_BYTES) {
        Some(KEY_PART_BYTES) => (stored_value, mark_end + KEY_PART_BYTES),
        _ if key_part.len() <= KEY_PART_BYTES && stored_value.is_empty() => (key_part, entry.len()),
        _ => return None,
    };
    let class_end = if mark == MARK_CUT { mark_end } else { key_class_end };
    Some(Parsed { class: entry.get(..class_end)?, user_key })
}

/// Writes the entry of a row that has none.
pub(crate) fn insert(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    entry: &Entry<'_>,
    path: &Path,
) -> Result<(), Fault> {
    tables.values.put(txn, &entry.key, entry.value).or_fault("write value index", path)
}

/// Removes the entry of a row.
pub(crate) fn remove(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    entry_key: &[u8],
    path: &Path,
) -> Result<(), Fault> {
    match tables.values.delete(txn, entry_key).or_fault("delete from value index", path)? {
        true => Ok(()),
        false => {
            let what = format!("K4: a row has no entry {}", hex::encode(entry_key));
            Err(Fault::corrupt("delete from value index", path, what))
        }
    }
}

/// The first `bytes_max` bytes, if there are more.
fn cut(bytes: &[u8], bytes_max: usize) -> Option<&[u8]> {
    match bytes.split_at_checked(bytes_max) {
        Some((part, rest)) if !rest.is_empty() => Some(part),
        _ => None,
    }
}

fn put_value(key: &mut Vec<u8>, value: &[u8]) {
    let part = cut(value, VALUE_PART_BYTES);
    put_escaped(key, part.unwrap_or(value));
    key.extend_from_slice(if part.is_some() { &MARK_CUT } else { &MARK_WHOLE });
}

fn put_escaped(key: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            0 => key.extend_from_slice(&ESCAPED_ZERO),
            byte => key.push(byte),
        }
    }
}

/// The mark in an entry's key, and where it ends.
fn find_mark(entry: &[u8]) -> Option<([u8; 2], usize)> {
    let mut from = 0;
    loop {
        let rest = entry.get(from..)?;
        let zero = rest.iter().position(|byte| *byte == 0)?;
        let pair = *rest.get(zero..)?.first_chunk::<2>()?;
        from += zero + pair.len();
        match pair {
            ESCAPED_ZERO => {}
            MARK_WHOLE | MARK_CUT => return Some((pair, from)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};
    use proptest::prelude::*;

    use super::*;

    const PLACE: (ShardId, CollectionId) = (ShardId(1), CollectionId(2));

    fn entry_of<'k>(value: &[u8], user_key: &'k [u8]) -> Entry<'k> {
        entry(PLACE.0, PLACE.1, user_key, value)
    }

    /// Byte strings that share long beginnings and have many zeros, around a length.
    fn near(length: usize) -> impl Strategy<Value = Vec<u8>> {
        let lengths = prop_oneof![0..4_usize, length - 2..length + 3];
        let last = proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..3);
        (lengths, prop_oneof![Just(0_u8), Just(0xff), Just(b'a')], last).prop_map(
            |(length, fill, last)| {
                let mut bytes = vec![fill; length];
                bytes.extend(last);
                bytes
            },
        )
    }

    proptest! {
        #[test]
        fn entries_fit_and_parse_back(
            value in near(VALUE_PART_BYTES),
            key in near(KEY_PART_BYTES),
        ) {
            let entry = entry_of(&value, &key);
            prop_assert!(entry.key.len() <= LMDB_KEY_BYTES_MAX);
            let parsed = parse(&entry.key, entry.value).unwrap();
            prop_assert_eq!(parsed.user_key, &*key);
            prop_assert_eq!(parsed.class, &*class(&value, &key));
        }

        #[test]
        fn classes_are_ordered_as_values_and_keys(
            value in near(VALUE_PART_BYTES), key in near(KEY_PART_BYTES),
            other_value in near(VALUE_PART_BYTES), other_key in near(KEY_PART_BYTES),
        ) {
            let (class, other_class) = (class(&value, &key), class(&other_value, &other_key));
            let order = (&value, &key).cmp(&(&other_value, &other_key));
            if class != other_class {
                prop_assert_eq!(class.cmp(&other_class), order);
                let (entry, other) = (entry_of(&value, &key), entry_of(&other_value, &other_key));
                prop_assert_eq!(entry.key.cmp(&other.key), order);
            }
        }

        #[test]
        fn edges_enclose_what_they_should(
            value in near(VALUE_PART_BYTES), key in near(KEY_PART_BYTES),
            bound in near(VALUE_PART_BYTES),
        ) {
            let class = class(&value, &key);
            if value >= bound {
                prop_assert!(class >= lower_edge(&bound));
            } else {
                prop_assert!(class < upper_edge(&bound));
            }
            prop_assert!(class.starts_with(&value_class(&value)));
        }

        #[test]
        fn any_bytes_parse_or_do_not(
            key in proptest::collection::vec(0..3_u8, 0..40), value: Vec<u8>,
        ) {
            let _parsed = parse(&key, &value);
        }
    }

    /// The stored value stands behind the stored key, whose length is in front.
    #[test]
    fn fuzz_index_entries() {
        let long = [0_u8; 400];
        let rows: [(&[u8], &[u8]); 4] =
            [(b"value", b"key"), (&long, b"key"), (b"a\0b", &long), (&[0xff; 161], &[0xff; 161])];
        let seeds = rows.map(|(value, user_key)| {
            let entry = entry_of(value, user_key);
            let length = u16::try_from(entry.key.len()).unwrap().to_be_bytes();
            [&length[..], &entry.key, entry.value].concat()
        });
        Target::new("index entries", seeds).memory(|_| 0).run(|input| {
            let Some((length, rest)) = input.bytes.split_first_chunk::<2>() else {
                return Taken::refused("no length");
            };
            let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
            let (stored_key, stored_value) = rest.split_at(length);
            match input.decode(|_| parse(stored_key, stored_value)) {
                Some(parsed) => {
                    assert!(stored_key[PLACE_BYTES..].starts_with(parsed.class));
                    let short = parsed.user_key.len() <= KEY_PART_BYTES;
                    assert!(short || parsed.user_key == stored_value);
                    Taken::Read
                }
                None => Taken::refused("no entry"),
            }
        });
    }
}
