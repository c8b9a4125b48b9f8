//! Sweep: how do the rows of a dropped collection go away?
//!
//! In steps, each an entry of its own, so that no step holds up the clients'
//! entries for long. Where to go on is not remembered: the counts say which
//! shards still hold rows.

use api::CollectionId;
use api::ShardId;
use disk::Fault;
use disk::fault::OrFault;

use super::batch::Batch;
use super::fences::{self, Fence};
use super::shards;
use crate::key;
use crate::row;

/// Rows that are looked up at once: bounds the memory of a step of any size.
const SLICE_ROWS: usize = 256;

/// Deletes up to `rows_max` rows of a fenced collection and marks it swept when
/// none is left. A collection without a fence is left alone.
pub(crate) fn step(
    batch: &mut Batch<'_, '_>,
    collection: CollectionId,
    rows_max: u32,
) -> Result<(), Fault> {
    let Some(fence) = batch.fence(collection)? else { return Ok(()) };
    if fence.swept {
        return Ok(());
    }
    let mut left = rows_max as usize;
    for (shard, _) in shards::read_all(batch.tables, batch.txn, batch.path)? {
        left -= sweep_shard(batch, (shard, collection), left)?;
        if batch.counts((shard, collection))?.rows > 0 {
            assert!(left == 0, "a step ended early in shard {shard}");
            return Ok(());
        }
    }
    let swept = Fence { swept: true, ..fence };
    fences::write(batch.tables, batch.txn, collection, &swept, batch.path)
}

/// Deletes up to `rows_max` rows of a collection in one shard; returns how many.
fn sweep_shard(
    batch: &mut Batch<'_, '_>,
    place: (ShardId, CollectionId),
    rows_max: usize,
) -> Result<usize, Fault> {
    let mut deleted = 0;
    while deleted < rows_max && batch.counts(place)?.rows > 0 {
        let keys = first_keys(batch, place, SLICE_ROWS.min(rows_max - deleted))?;
        if keys.is_empty() {
            let what = format!("K3: collection {} has counts but no row", place.1);
            return Err(Fault::corrupt("sweep collection", batch.path, what));
        }
        deleted += keys.len();
        for user_key in keys {
            batch.sweep(place, &user_key)?;
        }
    }
    Ok(deleted)
}

fn first_keys(
    batch: &Batch<'_, '_>,
    (shard, collection): (ShardId, CollectionId),
    keys_max: usize,
) -> Result<Vec<Vec<u8>>, Fault> {
    let prefix = key::place(shard, collection);
    let fault = "read rows to sweep";
    let rows = batch.tables.rows.prefix_iter(batch.txn, &prefix).or_fault(fault, batch.path)?;
    let mut keys = Vec::with_capacity(keys_max);
    for found in rows.take(keys_max) {
        let (row_key, _) = found.or_fault(fault, batch.path)?;
        let (.., user_key) =
            key::split(row_key).ok_or_else(|| row::broken(row_key, "key is short", batch.path))?;
        keys.push(user_key.to_vec());
    }
    Ok(keys)
}
