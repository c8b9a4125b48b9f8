//! Shards: which shards does a group own, since when, and how often were they written?
//!
//! `shard:2` -> sealed `state:1 | epoch:8 | last migration:8 | sequence:8`. A
//! shard that the group never owned has no row.
//!
//! * epoch: the config in which the owner was decided; only rises.
//! * last migration: reserved for moving shards; survives their absence.
//! * sequence: changes executed in the shard, the source of row versions. It moves
//!   with the shard and is never reset, so a version never comes twice.

use std::path::Path;

use api::codec::{Malformed, Reader};
use api::{Epoch, ShardId};
use bytes::Bytes;
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};

use crate::seal;
use crate::tables::Tables;

/// A shard, as one group knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Whether the group serves it.
    pub state: Ownership,
    /// The config in which that was decided.
    pub epoch: Epoch,
    /// The last migration it took part in.
    pub last_migration: u64,
    /// Changes executed in it.
    pub sequence: u64,
}

/// Whether a group serves a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The group holds nothing of it.
    #[default]
    Absent,
    /// The group owns it and serves it.
    Serving,
}

const STATE_ABSENT: u8 = 0;
const STATE_SERVING: u8 = 1;

impl Shard {
    /// The shard after the group was told to own it in `epoch`. A decision older
    /// than the known one changes nothing; rows and sequence stay as they are.
    pub(crate) fn assigned(self, epoch: Epoch) -> Self {
        if epoch < self.epoch {
            return self;
        }
        Self { state: Ownership::Serving, epoch, ..self }
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(1 + 8 + 8 + 8 + 8);
        body.push(match self.state {
            Ownership::Absent => STATE_ABSENT,
            Ownership::Serving => STATE_SERVING,
        });
        body.extend_from_slice(&self.epoch.0.to_be_bytes());
        body.extend_from_slice(&self.last_migration.to_be_bytes());
        body.extend_from_slice(&self.sequence.to_be_bytes());
        body
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(Bytes::copy_from_slice(body));
        let state = match reader.u8("shard state")? {
            STATE_ABSENT => Ownership::Absent,
            STATE_SERVING => Ownership::Serving,
            tag => return Err(Malformed::UnknownTag { field: "shard state", tag: tag.into() }),
        };
        let shard = Self {
            state,
            epoch: Epoch(reader.u64("epoch")?),
            last_migration: reader.u64("last migration")?,
            sequence: reader.u64("sequence")?,
        };
        reader.end()?;
        Ok(shard)
    }
}

/// Reads what the group knows of a shard.
pub(crate) fn read(
    tables: &Tables,
    txn: &RoTxn<'_>,
    shard: ShardId,
    path: &Path,
) -> Result<Option<Shard>, Fault> {
    let key = shard.0.to_be_bytes();
    let Some(body) = seal::read(tables.shards, txn, &key, path)? else { return Ok(None) };
    Shard::decode(body).map(Some).map_err(|error| malformed(&key, &error, path))
}

/// Reads all shards the group knows of, in order: at most
/// [`SHARDS`](api::limits::SHARDS).
pub(crate) fn read_all(
    tables: &Tables,
    txn: &RoTxn<'_>,
    path: &Path,
) -> Result<Vec<(ShardId, Shard)>, Fault> {
    let mut shards = Vec::new();
    for row in tables.shards.iter(txn).or_fault("read shard rows", path)? {
        let (key, value) = row.or_fault("read shard rows", path)?;
        let number = <[u8; 2]>::try_from(key).map_err(|_| seal::broken(key, path))?;
        let body = seal::open(key, value).ok_or_else(|| seal::broken(key, path))?;
        let shard = Shard::decode(body).map_err(|error| malformed(key, &error, path))?;
        shards.push((ShardId(u16::from_be_bytes(number)), shard));
    }
    Ok(shards)
}

/// Writes what the group knows of a shard.
pub(crate) fn write(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    number: ShardId,
    shard: &Shard,
    path: &Path,
) -> Result<(), Fault> {
    let key = number.0.to_be_bytes();
    let value = seal::seal(&key, shard.encode());
    tables.shards.put(txn, &key, &value).or_fault("write shard row", path)
}

fn malformed(key: &[u8], error: &Malformed, path: &Path) -> Fault {
    let what = format!("shard row {}: {error}", hex::encode(key));
    Fault::corrupt("read shard row", path, what)
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};

    use super::*;

    #[test]
    fn a_shard_decodes_to_itself_and_nothing_else_decodes() {
        let shard =
            Shard { state: Ownership::Serving, epoch: Epoch(2), last_migration: 3, sequence: 4 };
        let body = shard.encode();
        assert_eq!(Shard::decode(&body), Ok(shard));
        assert!(Shard::decode(&[&body[..], &[0]].concat()).is_err());
        assert!(Shard::decode(&[&[9], &body[1..]].concat()).is_err());
    }

    #[test]
    fn an_older_decision_changes_nothing() {
        let shard = Shard::default().assigned(Epoch(5));
        assert_eq!(shard.state, Ownership::Serving);
        assert_eq!(shard.assigned(Epoch(4)), shard);
        assert_eq!(shard.assigned(Epoch(5)), shard);
        assert_eq!(shard.assigned(Epoch(6)).epoch, Epoch(6));
    }

    #[test]
    fn fuzz_shards() {
        let served = Shard::default().assigned(Epoch(4));
        let seeds = [Shard::default(), Shard { sequence: 9, ..served }].map(|shard| shard.encode());
        Target::new("shards", seeds).run(|input| match input.decode(Shard::decode) {
            Ok(shard) => {
                assert_eq!(shard.encode(), input.bytes);
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        });
    }
}
