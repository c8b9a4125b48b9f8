//! Key: where do a collection's rows stand in the data tables?
//!
//! Keys of `rows`, `values` and `counts` start with `shard:2 | cid:4`, so that a
//! shard is one contiguous range of each table, and so is a collection in it.
//! A shard moves, is counted and is swept by walking ranges.

use api::limits::KEY_BYTES_MAX;
use api::{CollectionId, ShardId};

/// Bytes of [`place`].
pub(crate) const PLACE_BYTES: usize = 2 + 4;

/// The longest key LMDB takes.
pub(crate) const LMDB_KEY_BYTES_MAX: usize = 511;

const _: () = assert!(PLACE_BYTES + KEY_BYTES_MAX <= LMDB_KEY_BYTES_MAX);

/// What all keys of one collection in one shard start with; also the key in `counts`.
pub(crate) fn place(shard: ShardId, collection: CollectionId) -> [u8; PLACE_BYTES] {
    let [s0, s1] = shard.0.to_be_bytes();
    let [c0, c1, c2, c3] = collection.0.to_be_bytes();
    [s0, s1, c0, c1, c2, c3]
}

/// The key of a row: `shard:2 | cid:4 | user key`.
pub(crate) fn row(shard: ShardId, collection: CollectionId, key: &[u8]) -> Vec<u8> {
    [&place(shard, collection), key].concat()
}

/// Takes the place off the front of a key.
pub(crate) fn split(key: &[u8]) -> Option<(ShardId, CollectionId, &[u8])> {
    let (shard, rest) = key.split_first_chunk::<2>()?;
    let (collection, rest) = rest.split_first_chunk::<4>()?;
    let shard = ShardId(u16::from_be_bytes(*shard));
    Some((shard, CollectionId(u32::from_be_bytes(*collection)), rest))
}

/// The first byte string that is past everything with this prefix; `None` if
/// the prefix is empty or all ones.
pub(crate) fn past_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut past = prefix.to_vec();
    while let Some(last) = past.pop() {
        if let Some(next) = last.checked_add(1) {
            past.push(next);
            return Some(past);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};

    use super::*;

    #[test]
    fn a_row_key_splits_into_its_parts() {
        let key = row(ShardId(0x0102), CollectionId(0x0304_0506), b"key");
        assert_eq!(key, b"\x01\x02\x03\x04\x05\x06key");
        let parts = (ShardId(0x0102), CollectionId(0x0304_0506), b"key".as_slice());
        assert_eq!(split(&key), Some(parts));
        assert_eq!(split(b"\0\0\0\0\0"), None);
    }

    #[test]
    fn past_a_prefix_comes_the_next_byte_string() {
        assert_eq!(past_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(past_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(past_prefix(b"\xff"), None);
        assert_eq!(past_prefix(b""), None);
    }

    #[test]
    fn fuzz_row_keys() {
        let seeds = [b"key".as_slice(), b""].map(|key| row(ShardId(0x0102), CollectionId(3), key));
        Target::new("row keys", seeds).memory(|_| 0).run(|input| {
            match input.decode(|bytes| split(bytes).is_some()) {
                true => {
                    let (shard, collection, user_key) = split(input.bytes).unwrap();
                    assert_eq!(row(shard, collection, user_key), input.bytes);
                    Taken::Read
                }
                false => Taken::refused("too short for a place"),
            }
        });
    }
}
