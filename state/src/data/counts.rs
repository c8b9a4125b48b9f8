//! Counts: how much of a collection is in a shard, and is it the same everywhere?
//!
//! `shard:2 | cid:4` -> sealed `rows:8 | bytes:8 | digest:16`. The digest is the
//! sum of the rows' checks modulo 2^128: it depends on the rows, not on the order
//! they came in, and costs nothing to keep. No rows, no row here: whoever looks
//! for a collection's rows asks only shards that have counts.
//!
//! # Invariants
//!
//! * K3: counts equal what counting the rows gives.

use std::path::Path;

use api::codec::{Malformed, Reader};
use api::{CollectionId, ShardId};
use bytes::Bytes;
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};

use crate::key;
use crate::row::Row;
use crate::seal;
use crate::tables::Tables;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The sum of their checks. The same on every replica at the same applied index.
    pub digest: u128,
}

impl Counts {
    /// Takes a row in.
    pub(crate) fn add(&mut self, user_key: &[u8], row: &Row<'_>) {
        self.rows += 1;
        self.bytes += row.counted_bytes(user_key);
        self.digest = self.digest.wrapping_add(row.check);
    }

    /// Takes a row out; `None` if it cannot have been in.
    pub(crate) fn subtract(&mut self, bytes: u64, check: u128) -> Option<()> {
        self.rows = self.rows.checked_sub(1)?;
        self.bytes = self.bytes.checked_sub(bytes)?;
        self.digest = self.digest.wrapping_sub(check);
        (self.rows > 0 || *self == Self::default()).then_some(())
    }

    /// The counts of two sets of rows together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            digest: self.digest.wrapping_add(other.digest),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(8 + 8 + 16 + 8);
        body.extend_from_slice(&self.rows.to_be_bytes());
        body.extend_from_slice(&self.bytes.to_be_bytes());
        body.extend_from_slice(&self.digest.to_be_bytes());
        body
    }

    /// Reads the body of a stored row.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(Bytes::copy_from_slice(body));
        let counts = Self {
            rows: reader.u64("rows")?,
            bytes: reader.u64("bytes")?,
            digest: u128::from_be_bytes(reader.array("digest")?),
        };
        reader.end()?;
        Ok(counts)
    }
}

/// Reads the counts of a collection in a shard; zeros if there are none.
pub(crate) fn read(
    tables: &Tables,
    txn: &RoTxn<'_>,
    (shard, collection): (ShardId, CollectionId),
    path: &Path,
) -> Result<Counts, Fault> {
    let key = key::place(shard, collection);
    let Some(body) = seal::read(tables.counts, txn, &key, path)? else {
        return Ok(Counts::default());
    };
    Counts::decode(body).map_err(|error| malformed(&key, &error, path))
}

/// Writes the counts of a collection in a shard; zeros by removing the row.
pub(crate) fn write(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    (shard, collection): (ShardId, CollectionId),
    counts: &Counts,
    path: &Path,
) -> Result<(), Fault> {
    let key = key::place(shard, collection);
    if *counts == Counts::default() {
        let _was_there = tables.counts.delete(txn, &key).or_fault("delete counts", path)?;
        return Ok(());
    }
    assert!(counts.rows > 0, "K3: no rows, but counts {counts:?}");
    let value = seal::seal(&key, counts.encode());
    tables.counts.put(txn, &key, &value).or_fault("write counts", path)
}

/// The fault of counts that cannot be read.
pub(crate) fn malformed(key: &[u8], error: &Malformed, path: &Path) -> Fault {
    Fault::corrupt("read counts", path, format!("counts {}: {error}", hex::encode(key)))
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};

    use super::*;

    #[test]
    fn fuzz_counts() {
        let seeds = [Counts::default(), Counts { rows: 1, bytes: 2, digest: 3 }];
        let seeds = seeds.map(|counts| counts.encode());
        Target::new("counts", seeds).run(|input| match input.decode(Counts::decode) {
            Ok(counts) => {
                assert_eq!(counts.encode(), input.bytes);
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        });
    }
}
