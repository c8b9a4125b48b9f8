//! Row: what stands under a user's key?
//!
//! `version:8 | flags:1 | expiry_ms:8 | check:16 | value`
//!
//! * version: the shard's sequence when the row was written. It moves with the shard.
//! * flags: 0, plain bytes. Reserved: value types to come.
//! * expiry: 0, never. Reserved: when the row expires, in group time.
//! * check: xxh3_128 of `cid:4 | key length:2 | key | version:8 | flags:1 |
//!   expiry_ms:8 | value`. The shard is not in it: a row is the same row
//!   wherever its shard lies.
//!
//! # Invariants
//!
//! * K1: a row that is read passes its check, or the process stops.

use std::io::{self, Write};
use std::path::Path;

use api::{CollectionId, ShardId};
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};
use xxhash_rust::xxh3::Xxh3;

use crate::key;
use crate::tables::Tables;

/// Bytes before the value.
pub(crate) const HEAD_BYTES: usize = 8 + 1 + 8 + 16;

const FLAGS_PLAIN: u8 = 0;
const EXPIRY_NEVER: u64 = 0;

/// A row as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'t> {
    /// The shard's sequence when it was written.
    pub version: u64,
    /// The checksum; what the row adds to its collection's digest.
    pub check: u128,
    /// The value.
    pub value: &'t [u8],
}

impl<'t> Row<'t> {
    /// A row about to be written.
    pub(crate) fn new(
        collection: CollectionId,
        user_key: &[u8],
        version: u64,
        value: &'t [u8],
    ) -> Self {
        Self { version, check: check(collection, user_key, version, value), value }
    }

    /// Reads the stored form; `Err` says what is wrong with it (K1).
    pub(crate) fn open(
        collection: CollectionId,
        user_key: &[u8],
        stored: &'t [u8],
    ) -> Result<Self, &'static str> {
        let short = "row is short";
        let (version, rest) = stored.split_first_chunk().ok_or(short)?;
        let (flags, rest) = rest.split_first().ok_or(short)?;
        let (expiry, rest) = rest.split_first_chunk().ok_or(short)?;
        let (stored_check, value) = rest.split_first_chunk().ok_or(short)?;
        if *flags != FLAGS_PLAIN {
            return Err("row has unknown flags");
        }
        if u64::from_be_bytes(*expiry) != EXPIRY_NEVER {
            return Err("row has an expiry, which this release does not know");
        }
        let row = Self::new(collection, user_key, u64::from_be_bytes(*version), value);
        if row.check != u128::from_be_bytes(*stored_check) {
            return Err("row does not pass its check");
        }
        Ok(row)
    }

    /// What the row adds to its collection's bytes.
    pub(crate) fn counted_bytes(&self, user_key: &[u8]) -> u64 {
        (user_key.len() + self.value.len()) as u64
    }

    fn write_to(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.version.to_be_bytes())?;
        to.write_all(&[FLAGS_PLAIN])?;
        to.write_all(&EXPIRY_NEVER.to_be_bytes())?;
        to.write_all(&self.check.to_be_bytes())?;
        to.write_all(self.value)
    }
}

/// Reads the row of a user key.
pub(crate) fn read<'t>(
    tables: &Tables,
    txn: &'t RoTxn<'_>,
    (shard, collection, user_key): (ShardId, CollectionId, &[u8]),
    path: &Path,
) -> Result<Option<Row<'t>>, Fault> {
    let row_key = key::row(shard, collection, user_key);
    let stored = tables.rows.get(txn, &row_key).or_fault("read row", path)?;
    let open = |stored| {
        Row::open(collection, user_key, stored).map_err(|what| broken(&row_key, what, path))
    };
    stored.map(open).transpose()
}

/// Writes the row of a user key, in place of an older one.
pub(crate) fn write(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    row_key: &[u8],
    row: &Row<'_>,
    path: &Path,
) -> Result<(), Fault> {
    assert!(row.version > 0, "versions start at 1");
    let size = HEAD_BYTES + row.value.len();
    // Written straight into the page: a value of megabytes is copied once.
    tables
        .rows
        .put_reserved(txn, row_key, size, |space| row.write_to(space))
        .or_fault("write row", path)
}

/// Removes the row of a user key.
pub(crate) fn remove(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    row_key: &[u8],
    path: &Path,
) -> Result<(), Fault> {
    let removed = tables.rows.delete(txn, row_key).or_fault("delete row", path)?;
    assert!(removed, "a row that was read is removed");
    Ok(())
}

/// The fault of a row that is not what was written.
pub(crate) fn broken(row_key: &[u8], what: &str, path: &Path) -> Fault {
    Fault::corrupt("read row", path, format!("{}: {what}", hex::encode(row_key)))
}

fn check(collection: CollectionId, user_key: &[u8], version: u64, value: &[u8]) -> u128 {
    let key_bytes = u16::try_from(user_key.len()).expect("keys are short");
    let mut hasher = Xxh3::new();
    hasher.update(&collection.0.to_be_bytes());
    hasher.update(&key_bytes.to_be_bytes());
    hasher.update(user_key);
    hasher.update(&version.to_be_bytes());
    hasher.update(&[FLAGS_PLAIN]);
    hasher.update(&EXPIRY_NEVER.to_be_bytes());
    hasher.update(value);
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target, every_damage};

    use super::*;

    const COLLECTION: CollectionId = CollectionId(3);

    fn stored(value: &[u8]) -> Vec<u8> {
        let mut stored = Vec::new();
        Row::new(COLLECTION, b"key", 7, value).write_to(&mut stored).unwrap();
        stored
    }

    #[test]
    fn the_bytes_of_a_known_row_never_change() {
        let golden = concat!(
            "0000000000000007",
            "00",
            "0000000000000000",
            "ba467d31293c78717264cb97e7a24c0a",
            "76616c7565"
        );
        assert_eq!(hex::encode(stored(b"value")), golden);
        let checked =
            [&[0, 0, 0, 3, 0, 3][..], b"key", &[0, 0, 0, 0, 0, 0, 0, 7], &[0; 1 + 8], b"value"];
        let check = xxhash_rust::xxh3::xxh3_128(&checked.concat());
        assert_eq!(Row::new(COLLECTION, b"key", 7, b"value").check, check);
    }

    #[test]
    fn a_row_opens_under_its_key_only() {
        let stored = stored(b"value");
        let row = Row::open(COLLECTION, b"key", &stored).unwrap();
        assert_eq!((row.version, row.value), (7, b"value".as_slice()));
        assert!(Row::open(COLLECTION, b"kex", &stored).is_err());
        assert!(Row::open(CollectionId(4), b"key", &stored).is_err());
    }

    #[test]
    fn no_damage_to_a_row_goes_unseen() {
        for bytes in [0, 1, 9, 100, 300] {
            let value = vec![0x5a; bytes];
            every_damage(&stored(&value), |what, damaged| {
                assert!(Row::open(COLLECTION, b"key", damaged).is_err(), "{bytes} bytes: {what}");
            });
        }
    }

    #[test]
    fn fuzz_rows() {
        let values: [&[u8]; 3] = [b"", b"value", &[0; 200]];
        Target::new("rows", values.map(stored)).memory(|_| 0).run(|input| {
            // Whatever a value holds, its row gives it back.
            let row = stored(input.bytes);
            assert_eq!(Row::open(COLLECTION, b"key", &row).unwrap().value, input.bytes);
            match input.decode(|row| Row::open(COLLECTION, b"key", row).map(|row| row.version)) {
                Ok(version) => {
                    let row = Row::open(COLLECTION, b"key", input.bytes).unwrap();
                    assert_eq!((version, stored(row.value)), (7, input.bytes.to_vec()));
                    Taken::Read
                }
                Err(why) => Taken::refused(why),
            }
        });
    }
}
