//! Shard: which shard is a key in, and which group owns a shard at founding?
//!
//! Pure functions of their arguments: no state, no clock, no I/O.
//!
//! # Invariants
//!
//! * P1: a key's shard depends on the collection's *name* and the key only, so
//!   that a retry after the collection was dropped and made again meets the
//!   dedup item of its first attempt.
//! * P2: groups share the shards evenly: counts differ by at most one.

use api::limits::SHARDS;
use api::{GroupId, ShardId};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Shards are the top bits of the hash, so that doubling their number would
/// split shard `s` into `2s` and `2s + 1`.
const SHARD_SHIFT: u32 = u64::BITS - SHARDS.ilog2();

const _: () = assert!(SHARDS.is_power_of_two());

/// The shard that holds `key` of the collection named `collection`.
#[must_use]
pub fn of_key(collection: &str, key: &[u8]) -> ShardId {
    let mut hasher = Xxh3::new();
    hasher.update(collection.as_bytes());
    hasher.update(&[0]);
    hasher.update(key);
    let top = hasher.digest() >> SHARD_SHIFT;
    ShardId(u16::try_from(top).expect("a shard number is below SHARDS"))
}

/// A stable 64-bit hash for tokens that other nodes must recognise.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The key of a value that was put without one: `hex(sha256(collection, 0, value))`.
/// The same value has the same key on every node, for ever.
#[must_use]
pub fn key_of_value(collection: &str, value: &[u8]) -> Bytes {
    let mut hasher = Sha256::new();
    hasher.update(collection.as_bytes());
    hasher.update([0]);
    hasher.update(value);
    hex::encode(hasher.finalize()).into()
}

/// The group that owns `shard` when a cluster is founded with `groups` data groups:
/// each owns one contiguous run.
///
/// # Panics
///
/// If `groups` is 0.
#[must_use]
pub fn founding_owner(shard: ShardId, groups: u32) -> GroupId {
    assert!(groups > 0, "a cluster has at least one data group");
    GroupId(1 + u32::from(shard.0) * groups / u32::from(SHARDS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_of_known_keys_never_change() {
        let golden = [
            ("test", "a", 968),
            ("test", "b", 58),
            ("test", "key-0000000001", 542),
            ("test", "", 326),
            ("c", "x", 703),
            ("collection", "index", 705),
            ("ü", "ä", 710),
            ("users", "alice", 479),
            ("users", "bob", 736),
            ("orders", "2026-11-21", 272),
        ];
        for (collection, key, shard) in golden {
            assert_eq!(of_key(collection, key.as_bytes()), ShardId(shard), "{collection}/{key}");
        }
    }

    #[test]
    fn the_key_of_a_known_value_never_changes() {
        let expected = "9bf47d37f697d4ef4723c36977c36fba6efdbac441725c4ddc719194c2bd3019";
        assert_eq!(key_of_value("test", b"test1"), expected);
    }

    #[test]
    fn founding_shares_shards_evenly_and_in_order() {
        for groups in 1..=64 {
            let mut owned = vec![0_u32; groups as usize];
            let mut last = GroupId(1);
            for shard in 0..SHARDS {
                let owner = founding_owner(ShardId(shard), groups);
                assert!(owner >= last, "runs are contiguous");
                last = owner;
                owned[owner.0 as usize - 1] += 1;
            }
            let (least, most) = (owned.iter().min().unwrap(), owned.iter().max().unwrap());
            assert!(most - least <= 1, "{groups} groups own {least} to {most} shards");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_shard_below_the_count(collection in ".{1,20}", key in ".{0,40}") {
            prop_assert!(of_key(&collection, key.as_bytes()).0 < SHARDS);
        }
    }
}
