//! Batch: what does one entry do to the tables?
//!
//! Rows and index entries are written at once; what many commands of an entry
//! touch alike (shard rows, counts) is held here and written when the entry ends.
//!
//! # Invariants
//!
//! * K2: a row's version is the shard's sequence at its write: within a shard, no
//!   version comes twice, not even after a delete.
//! * K3, K4: a row, its index entry and its counts change together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use api::limits::ANSWER_VALUES_BYTES_MAX;
use api::outcome::Value;
use api::{CollectionId, Epoch, Operation, Outcome, ShardId};
use bytes::Bytes;
use disk::Fault;
use heed::RwTxn;

use super::counts::{self, Counts};
use super::decision::{Change, Decision, Reply, decide};
use super::fences::{self, Fence};
use super::index;
use super::shards::{self, Ownership, Shard};
use crate::key;
use crate::row::{self, Row};
use crate::tables::Tables;

/// The work of one entry.
pub(crate) struct Batch<'b, 'e> {
    pub(crate) tables: &'b Tables,
    pub(crate) txn: &'b mut RwTxn<'e>,
    pub(crate) path: &'b Path,
    shards: BTreeMap<ShardId, Held<Option<Shard>>>,
    counts: BTreeMap<(ShardId, CollectionId), Held<Counts>>,
    fences: BTreeMap<CollectionId, Option<Fence>>,
    /// Bytes of values that answers of this entry may still carry.
    answer_bytes_left: usize,
}

/// Something read once and written at the end if it changed.
#[derive(Clone, Copy)]
struct Held<T> {
    stored: T,
    now: T,
}

impl<T: Copy> Held<T> {
    fn new(stored: T) -> Self {
        Self { stored, now: stored }
    }
}

/// What must be undone of a row that is overwritten or removed.
struct Old {
    version: u64,
    check: u128,
    counted_bytes: u64,
    index_key: Vec<u8>,
}

impl Old {
    fn of((shard, collection): (ShardId, CollectionId), user_key: &[u8], row: &Row<'_>) -> Self {
        Self {
            version: row.version,
            check: row.check,
            counted_bytes: row.counted_bytes(user_key),
            index_key: index::entry(shard, collection, user_key, row.value).key,
        }
    }
}

impl<'b, 'e> Batch<'b, 'e> {
    /// An entry that did nothing yet.
    pub(crate) fn new(tables: &'b Tables, txn: &'b mut RwTxn<'e>, path: &'b Path) -> Self {
        Self {
            tables,
            txn,
            path,
            shards: BTreeMap::new(),
            counts: BTreeMap::new(),
            fences: BTreeMap::new(),
            answer_bytes_left: ANSWER_VALUES_BYTES_MAX,
        }
    }

    /// Writes what was held back.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        let Self { tables, txn, path, .. } = self;
        for (number, Held { stored, now }) in self.shards {
            match now {
                Some(shard) if stored != now => shards::write(tables, txn, number, &shard, path)?,
                _ => {}
            }
        }
        for (place, Held { stored, now }) in self.counts {
            if stored != now {
                counts::write(tables, txn, place, &now, path)?;
            }
        }
        Ok(())
    }

    /// Whether the group serves the shard, or the epoch in which it last knew of it.
    pub(crate) fn owned(&mut self, number: ShardId) -> Result<Result<(), Epoch>, Fault> {
        Ok(match self.shard(number)? {
            Some(Shard { state: Ownership::Serving, .. }) => Ok(()),
            Some(Shard { state: Ownership::Absent, epoch, .. }) => Err(*epoch),
            None => Err(Epoch(0)),
        })
    }

    /// The group starts to own a shard.
    pub(crate) fn assign(&mut self, number: ShardId, epoch: Epoch) -> Result<(), Fault> {
        let shard = self.shard(number)?;
        let before = shard.unwrap_or_default();
        let after = before.assigned(epoch);
        assert!(after.epoch >= before.epoch, "the epoch of shard {number} sank");
        *shard = Some(after);
        Ok(())
    }

    /// The collection's fence.
    pub(crate) fn fence(&mut self, collection: CollectionId) -> Result<Option<Fence>, Fault> {
        if let Some(fence) = self.fences.get(&collection) {
            return Ok(*fence);
        }
        let fence = fences::read(self.tables, self.txn, collection, self.path)?;
        self.fences.insert(collection, fence);
        Ok(fence)
    }

    /// Runs one operation on its row.
    pub(crate) fn run(
        &mut self,
        shard: ShardId,
        collection: CollectionId,
        operation: &Operation,
    ) -> Result<Outcome, Fault> {
        let user_key = operation.key();
        // A key beyond the format has no row, and no place to look for one.
        let fits = key::PLACE_BYTES + user_key.len() <= key::LMDB_KEY_BYTES_MAX;
        let present = match fits {
            true => row::read(self.tables, self.txn, (shard, collection, user_key), self.path)?,
            false => None,
        };
        let Decision { change, verdict, reply } = decide(operation, present.as_ref());
        let present_version = present.map_or(0, |row| row.version);
        let value = match (reply, &present, &change) {
            (Reply::Present, Some(row), _) => {
                answered(&mut self.answer_bytes_left, row.value.len(), || {
                    Bytes::copy_from_slice(row.value)
                })
            }
            (Reply::Written, _, Change::Write(value)) => {
                answered(&mut self.answer_bytes_left, value.len(), || value.clone())
            }
            (Reply::Nothing | Reply::Present | Reply::Written, ..) => Value::None,
        };
        let place = (shard, collection);
        let touched = present.filter(|_| change != Change::Keep);
        let old = touched.map(|row| Old::of(place, user_key, &row));
        let version = match (change, old) {
            (Change::Write(value), old) => self.write(place, user_key, &value, old)?,
            (Change::Remove, Some(old)) => {
                self.next_sequence(shard, old.version)?;
                self.remove(place, user_key, &old)?;
                old.version
            }
            (Change::Keep | Change::Remove, _) => present_version,
        };
        Ok(Outcome { verdict, version, value })
    }

    /// Removes a row of a collection that is swept. Its shard's sequence stays:
    /// nobody asked for a change.
    pub(crate) fn sweep(
        &mut self,
        place: (ShardId, CollectionId),
        user_key: &[u8],
    ) -> Result<(), Fault> {
        let (shard, collection) = place;
        let found = row::read(self.tables, self.txn, (shard, collection, user_key), self.path)?;
        let row = found.expect("the row was found in this transaction");
        let old = Old::of(place, user_key, &row);
        self.remove(place, user_key, &old)
    }

    /// The counts of a collection in a shard, as this entry leaves them.
    pub(crate) fn counts(&mut self, place: (ShardId, CollectionId)) -> Result<&mut Counts, Fault> {
        let held = match self.counts.entry(place) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(free) => {
                let stored = counts::read(self.tables, self.txn, place, self.path)?;
                free.insert(Held::new(stored))
            }
        };
        Ok(&mut held.now)
    }

    fn write(
        &mut self,
        place: (ShardId, CollectionId),
        user_key: &[u8],
        value: &[u8],
        old: Option<Old>,
    ) -> Result<u64, Fault> {
        let (shard, collection) = place;
        let version = self.next_sequence(shard, old.as_ref().map_or(0, |old| old.version))?;
        let row = Row::new(collection, user_key, version, value);
        let row_key = key::row(shard, collection, user_key);
        row::write(self.tables, self.txn, &row_key, &row, self.path)?;
        let entry = index::entry(shard, collection, user_key, value);
        match &old {
            // A value that differs only behind the cut has the same entry.
            Some(old) if old.index_key == entry.key => {}
            Some(old) => {
                index::remove(self.tables, self.txn, &old.index_key, self.path)?;
                index::insert(self.tables, self.txn, &entry, self.path)?;
            }
            None => index::insert(self.tables, self.txn, &entry, self.path)?,
        }
        if let Some(old) = &old {
            self.uncount(place, old)?;
        }
        self.counts(place)?.add(user_key, &row);
        Ok(version)
    }

    fn remove(
        &mut self,
        place: (ShardId, CollectionId),
        user_key: &[u8],
        old: &Old,
    ) -> Result<(), Fault> {
        let row_key = key::row(place.0, place.1, user_key);
        row::remove(self.tables, self.txn, &row_key, self.path)?;
        index::remove(self.tables, self.txn, &old.index_key, self.path)?;
        self.uncount(place, old)
    }

    fn uncount(&mut self, place: (ShardId, CollectionId), old: &Old) -> Result<(), Fault> {
        let path = self.path;
        let counts = self.counts(place)?;
        counts.subtract(old.counted_bytes, old.check).ok_or_else(|| {
            let what = format!("K3: a row of collection {} in shard {}", place.1, place.0);
            Fault::corrupt("count row", path, format!("{what} was never counted"))
        })
    }

    /// Takes the next version of a shard (K2).
    fn next_sequence(&mut self, number: ShardId, present: u64) -> Result<u64, Fault> {
        let path = self.path;
        let shard = self.shard(number)?.as_mut().expect("only an owned shard is written");
        if present > shard.sequence {
            let what = format!("K2: version {present} in shard {number} at {}", shard.sequence);
            return Err(Fault::corrupt("number row", path, what));
        }
        shard.sequence += 1;
        Ok(shard.sequence)
    }

    fn shard(&mut self, number: ShardId) -> Result<&mut Option<Shard>, Fault> {
        let held = match self.shards.entry(number) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(free) => {
                let stored = shards::read(self.tables, self.txn, number, self.path)?;
                free.insert(Held::new(stored))
            }
        };
        Ok(&mut held.now)
    }
}

/// The value of an answer, if the entry's answers have room for it: many small
/// commands that miss on large rows must not fill the memory of every replica.
fn answered(left: &mut usize, bytes: usize, value: impl FnOnce() -> Bytes) -> Value {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            Value::Bytes(value())
        }
        None => Value::Omitted,
    }
}
