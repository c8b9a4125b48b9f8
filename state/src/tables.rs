//! Tables: the named LMDB databases of one group's environment.
//!
//! Every group has all of them; the meta group leaves the data tables empty
//! and data groups leave `meta` empty. Byte layouts: docs/disk-format.md.

use disk::fault::OrFault;
use disk::{Environment, Fault};
use heed::types::Bytes;
use heed::{Database, RoTxn, RwTxn};

/// A table of byte keys and byte values, sorted by key.
pub(crate) type Table = Database<Bytes, Bytes>;

/// Named databases of an environment, with room for tables to come.
pub(crate) const TABLES_MAX: u32 = 16;

/// Handles to the tables. Cheap to copy; valid as long as the environment is open.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    /// `shard:2 | cid:4 | user key` -> row.
    pub rows: Table,
    /// `shard:2 | cid:4 | value part | mark:2 | key part` -> user key, if the part is cut.
    /// In the order of (value, key): see `data::index`.
    pub values: Table,
    /// `shard:2` -> state, epoch, last migration, sequence.
    pub shards: Table,
    /// `shard:2 | cid:4` -> rows, bytes, digest.
    pub counts: Table,
    /// `class:1 | group time:8 | log index:8` -> dedup items of one entry.
    pub dedup: Table,
    /// `cid:4` -> the config that fenced the collection, and whether it is swept.
    pub fences: Table,
    /// The meta group's tables, told apart by the key's first byte.
    pub meta: Table,
    /// Fixed keys: format, cluster, group, applied log id, membership, group time, floors.
    pub system: Table,
}

impl Tables {
    /// Opens the tables, making those that are missing.
    pub(crate) fn create(environment: &Environment, txn: &mut RwTxn<'_>) -> Result<Self, Fault> {
        let mut table = |name| {
            environment
                .heed()
                .create_database(txn, Some(name))
                .or_fault("open state table", environment.path())
        };
        Ok(Self {
            rows: table("rows")?,
            values: table("values")?,
            shards: table("shards")?,
            counts: table("counts")?,
            dedup: table("dedup")?,
            fences: table("fences")?,
            meta: table("meta")?,
            system: table("system")?,
        })
    }

    /// Opens the tables for reading, in `txn` only; `None` if any is missing.
    pub(crate) fn open(environment: &Environment, txn: &RoTxn<'_>) -> Result<Option<Self>, Fault> {
        let table = |name| {
            environment
                .heed()
                .open_database(txn, Some(name))
                .or_fault("open state table", environment.path())
        };
        let Some(rows) = table("rows")? else { return Ok(None) };
        let Some(values) = table("values")? else { return Ok(None) };
        let Some(shards) = table("shards")? else { return Ok(None) };
        let Some(counts) = table("counts")? else { return Ok(None) };
        let Some(dedup) = table("dedup")? else { return Ok(None) };
        let Some(fences) = table("fences")? else { return Ok(None) };
        let Some(meta) = table("meta")? else { return Ok(None) };
        let Some(system) = table("system")? else { return Ok(None) };
        Ok(Some(Self { rows, values, shards, counts, dedup, fences, meta, system }))
    }
}
