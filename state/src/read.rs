//! Read: what is under a key, and what does the group know about itself?
//!
//! Ownership and fence are read in the same transaction as the row: if the
//! check passes, the row is from a time when the group owned the shard.

use api::limits::KEY_BYTES_MAX;
use api::service;
use api::{CollectionId, Epoch, ShardId};
use bytes::Bytes;
use disk::Fault;
use disk::fault::OrFault;

use crate::data::counts::{self, Counts};
use crate::data::fences::{self, Fence};
use crate::data::shards::{self, Ownership, Shard};
use crate::row;
use crate::seal;
use crate::system;
use crate::time::GroupTime;
use crate::view::View;

/// Why a read is not answered from a group's state. Each variant names who acts next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadRejection {
    /// The group does not own the shard (any more, or yet); the router refreshes its map.
    #[error("the group does not own the shard (last known epoch {epoch})")]
    NotOwner {
        /// The epoch in which the group last knew of the shard; 0 if never.
        epoch: Epoch,
    },
    /// The collection is being dropped; the router waits for the meta group's decision.
    #[error("the collection is being dropped")]
    Dropping,
}

impl View {
    /// The row under a key.
    pub fn get(
        &self,
        shard: ShardId,
        collection: CollectionId,
        key: &[u8],
    ) -> Result<Result<Option<service::Row>, ReadRejection>, Fault> {
        if let Err(rejection) = self.serves(shard, collection)? {
            return Ok(Err(rejection));
        }
        if key.len() > KEY_BYTES_MAX {
            return Ok(Ok(None));
        }
        let row = row::read(&self.tables, &self.txn, (shard, collection, key), &self.path)?;
        Ok(Ok(row.map(|row| service::Row {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(row.value),
            version: row.version,
        })))
    }

    /// The epoch in which the group owns the shard, if it answers for the collection in it.
    pub fn serves(
        &self,
        shard: ShardId,
        collection: CollectionId,
    ) -> Result<Result<Epoch, ReadRejection>, Fault> {
        let epoch = match shards::read(&self.tables, &self.txn, shard, &self.path)? {
            Some(Shard { state: Ownership::Serving, epoch, .. }) => epoch,
            Some(Shard { state: Ownership::Absent, epoch, .. }) => {
                return Ok(Err(ReadRejection::NotOwner { epoch }));
            }
            None => return Ok(Err(ReadRejection::NotOwner { epoch: Epoch(0) })),
        };
        Ok(match self.fence(collection)? {
            Some(_) => Err(ReadRejection::Dropping),
            None => Ok(epoch),
        })
    }

    /// The index of the last applied entry; 0 before the first.
    pub fn applied_index(&self) -> Result<u64, Fault> {
        let position = system::read_position(&self.tables, &self.txn, &self.path)?;
        Ok(position.last.map_or(0, |last| last.index))
    }

    /// The group's time: the latest stamp of an applied entry, milliseconds.
    pub fn group_time_ms(&self) -> Result<u64, Fault> {
        GroupTime::load(&self.tables, &self.txn, &self.path).map(GroupTime::millis)
    }

    /// The shards the group serves, in order, each with its owner's epoch.
    pub fn owned_shards(&self) -> Result<Vec<(ShardId, Epoch)>, Fault> {
        let shards = shards::read_all(&self.tables, &self.txn, &self.path)?;
        let serving = |(_, shard): &(_, Shard)| shard.state == Ownership::Serving;
        Ok(shards
            .into_iter()
            .filter(serving)
            .map(|(number, shard)| (number, shard.epoch))
            .collect())
    }

    /// How much of a collection is in the shards the group serves, fenced or not.
    pub fn counts(&self, collection: CollectionId) -> Result<Counts, Fault> {
        let mut total = Counts::default();
        for (shard, _) in self.owned_shards()? {
            total = total.plus(self.shard_counts(shard, collection)?);
        }
        Ok(total)
    }

    /// How much of a collection is in a shard.
    pub fn shard_counts(&self, shard: ShardId, collection: CollectionId) -> Result<Counts, Fault> {
        counts::read(&self.tables, &self.txn, (shard, collection), &self.path)
    }

    /// What is in each shard, all collections together, in order; empty shards are
    /// left out. Replicas compare these at the same applied index.
    pub fn shard_totals(&self) -> Result<Vec<(ShardId, Counts)>, Fault> {
        let mut totals: Vec<(ShardId, Counts)> = Vec::new();
        for row in self.tables.counts.iter(&self.txn).or_fault("read counts", &self.path)? {
            let (key, value) = row.or_fault("read counts", &self.path)?;
            let number = key.first_chunk().ok_or_else(|| seal::broken(key, &self.path))?;
            let shard = ShardId(u16::from_be_bytes(*number));
            let body = seal::open(key, value).ok_or_else(|| seal::broken(key, &self.path))?;
            let counts =
                Counts::decode(body).map_err(|error| counts::malformed(key, &error, &self.path))?;
            match totals.last_mut() {
                Some((last, total)) if *last == shard => *total = total.plus(counts),
                _ => totals.push((shard, counts)),
            }
        }
        Ok(totals)
    }

    /// The collection's fence: set once the collection is being dropped, for ever.
    pub fn fence(&self, collection: CollectionId) -> Result<Option<Fence>, Fault> {
        fences::read(&self.tables, &self.txn, collection, &self.path)
    }

    /// All fences, in the order of their collections.
    pub fn fences(&self) -> Result<Vec<(CollectionId, Fence)>, Fault> {
        fences::read_all(&self.tables, &self.txn, &self.path)
    }

    /// The fenced collections of which the group may still hold rows.
    pub fn fenced_unswept(&self) -> Result<Vec<CollectionId>, Fault> {
        let fences = self.fences()?;
        let unswept = |(_, fence): &(_, Fence)| !fence.swept;
        Ok(fences.into_iter().filter(unswept).map(|(collection, _)| collection).collect())
    }
}
