//! Store: where do the bytes lie, and who makes them durable?
//!
//! A [`Store`] is three small ordered tables and one promise: a list of
//! changes is applied whole and durably, or not at all. The writer and the
//! readers see nothing else, so a simulation swaps the disk here.
//!
//! * [`LmdbStore`] is the one a node runs on.
//! * [`MemoryStore`] is a disk in memory that outlives the `Wal` on it.
//! * [`FailingStore`] breaks another store at a chosen call.

mod failing;
mod lmdb;
mod memory;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::Fault;

use crate::key::Key;

pub use failing::{FailingStore, Failure};
pub use lmdb::LmdbStore;
pub use memory::MemoryStore;

/// A table of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Rows about the whole environment.
    System,
    /// Facts about each group: vote, purged and committed log id.
    Groups,
    /// Every group's entries.
    Log,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 3] = [Self::System, Self::Groups, Self::Log];

    /// Its name in the environment.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Groups => "groups",
            Self::Log => "log",
        }
    }
}

/// One change of a batch.
#[derive(Clone, Debug)]
pub enum Change {
    /// Writes the record, over one that may be there.
    Put {
        /// Where.
        table: Table,
        /// Under which key.
        key: Key,
        /// The record, sealed.
        record: Bytes,
    },
    /// Deletes what lies between two keys, both included.
    Delete {
        /// Where.
        table: Table,
        /// The first key.
        from: Key,
        /// The last key.
        to: Key,
    },
}

/// What a scan calls for each key and record; it may break the scan off.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Three ordered tables with atomic, durable batches.
///
/// Reads see every batch whose [`apply`](Self::apply) returned, and each read
/// sees one moment. Writes come from one thread at a time.
pub trait Store: Send + Sync + 'static {
    /// Where it lies, for faults and messages.
    fn path(&self) -> &Path;

    /// Applies the changes in order. When it returns `Ok` they survive a power
    /// loss; when it returns a fault nobody knows, and it is not called again.
    fn apply(&self, changes: &[Change]) -> Result<(), Fault>;

    /// The record under `key`.
    fn get(&self, table: Table, key: &Key) -> Result<Option<Bytes>, Fault>;

    /// Visits the records between two keys, both included, in key order.
    fn scan(&self, table: Table, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault>;

    /// The record with the greatest key between two keys, both included.
    fn last(&self, table: Table, from: &Key, to: &Key) -> Result<Option<(Bytes, Bytes)>, Fault>;

    /// Bytes it holds, for figures.
    fn used_bytes(&self) -> Result<u64, Fault>;

    /// Ends every use, waiting for reads under way. Returns whether they ended
    /// within `patience`. Later calls are faults.
    fn close(&self, patience: Duration) -> bool;
}

/// A shared store: whoever keeps a clone can look at the disk of a running [`Wal`](crate::Wal).
impl<S: Store + ?Sized> Store for Arc<S> {
    fn path(&self) -> &Path {
        (**self).path()
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        (**self).apply(changes)
    }

    fn get(&self, table: Table, key: &Key) -> Result<Option<Bytes>, Fault> {
        (**self).get(table, key)
    }

    fn scan(&self, table: Table, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault> {
        (**self).scan(table, from, to, visit)
    }

    fn last(&self, table: Table, from: &Key, to: &Key) -> Result<Option<(Bytes, Bytes)>, Fault> {
        (**self).last(table, from, to)
    }

    fn used_bytes(&self) -> Result<u64, Fault> {
        (**self).used_bytes()
    }

    fn close(&self, patience: Duration) -> bool {
        (**self).close(patience)
    }
}
