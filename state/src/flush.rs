//! Flush: how do a state's changes get from memory to the disk?
//!
//! The seam between a group's state and the disk under it. In a node it is
//! LMDB's own commit, sync and copy; a simulation puts latency, errors and
//! lost writes here.

mod failing;

use std::path::Path;

use disk::fault::OrFault;
use disk::{Environment, Fault};
use heed::RwTxn;

pub use failing::FailingFlush;

/// What a state asks of the disk.
pub trait Flush: Send + Sync {
    /// Ends the transaction and makes its changes visible to views. They survive
    /// a crash of the process, not yet one of the machine. After an error nobody
    /// knows what is there: the store stops.
    fn commit(&self, txn: RwTxn<'_>, path: &Path) -> Result<(), Fault>;

    /// Makes everything committed survive a crash of the machine.
    fn sync(&self, environment: &Environment) -> Result<(), Fault>;

    /// Writes a compacted copy of the last commit to the new file `to`, synced.
    fn copy(&self, environment: &Environment, to: &Path) -> Result<(), Fault>;
}

/// LMDB's own way.
#[derive(Clone, Copy, Debug, Default)]
pub struct LmdbFlush;

impl Flush for LmdbFlush {
    fn commit(&self, txn: RwTxn<'_>, path: &Path) -> Result<(), Fault> {
        txn.commit().or_fault("commit state", path)
    }

    fn sync(&self, environment: &Environment) -> Result<(), Fault> {
        environment.sync()
    }

    fn copy(&self, environment: &Environment, to: &Path) -> Result<(), Fault> {
        environment.copy_to(to)
    }
}
