//! Time: what time is it in a group?
//!
//! The leader stamps every entry. Group time is the largest stamp applied so
//! far, the only time that applying an entry knows: how long a request id is
//! remembered, and whether a request is too old, are judged by it.
//!
//! Kept sealed in the `system` table: `group time` -> `milliseconds:8`.
//!
//! # Invariants
//!
//! * X1: group time never goes back.

use std::path::Path;

use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};

use crate::seal;
use crate::tables::Tables;

const KEY_GROUP_TIME: &[u8] = b"group time";

/// A group's time, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupTime(u64);

impl GroupTime {
    /// Reads the time; 0 before the first entry.
    pub(crate) fn load(tables: &Tables, txn: &RoTxn<'_>, path: &Path) -> Result<Self, Fault> {
        read_number(tables, txn, KEY_GROUP_TIME, path).map(|time| Self(time.unwrap_or_default()))
    }

    /// Takes an entry's stamp into account and returns the time now.
    pub(crate) fn advance(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        stamp_ms: u64,
        path: &Path,
    ) -> Result<u64, Fault> {
        if stamp_ms > self.0 {
            write_number(tables, txn, KEY_GROUP_TIME, stamp_ms, path)?;
            self.0 = stamp_ms;
        }
        assert!(self.0 >= stamp_ms, "X1: group time {} is behind stamp {stamp_ms}", self.0);
        Ok(self.0)
    }

    /// The time.
    pub(crate) fn millis(self) -> u64 {
        self.0
    }
}

/// Reads a sealed 64-bit number of the `system` table.
pub(crate) fn read_number(
    tables: &Tables,
    txn: &RoTxn<'_>,
    key: &[u8],
    path: &Path,
) -> Result<Option<u64>, Fault> {
    let Some(body) = seal::read(tables.system, txn, key, path)? else { return Ok(None) };
    let bytes = <[u8; 8]>::try_from(body).map_err(|_| seal::broken(key, path))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// Writes a sealed 64-bit number of the `system` table.
pub(crate) fn write_number(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    key: &[u8],
    number: u64,
    path: &Path,
) -> Result<(), Fault> {
    let value = seal::seal(key, number.to_be_bytes().to_vec());
    tables.system.put(txn, key, &value).or_fault("write group number", path)
}
