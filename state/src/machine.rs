//! Machine: what a kind of group does with its log inside the store's transaction.

use std::path::Path;
use std::sync::Arc;

use api::{Answers, Payload};
use disk::Fault;
use heed::{RoTxn, RwTxn};

use crate::tables::Tables;

/// A deterministic state machine. The store owns the environment, the
/// transaction and the thread; the machine owns the meaning of payloads.
///
/// Whatever `apply` reads is in the entry, in the tables, or a constant of the
/// format: no clock, no randomness, no setting of a node.
pub(crate) trait Machine: Send + Sized + 'static {
    /// Reads what the machine keeps in memory from the tables. Called again
    /// whenever the tables were replaced, or a transaction with applies in it
    /// was not committed. `path` is the environment's, to name in faults.
    fn load(tables: &Tables, txn: &RoTxn<'_>, path: &Arc<Path>) -> Result<Self, Fault>;

    /// Applies the entry at `index`: one answer per command, none for a system
    /// step. Total: an error is a [`Fault`], and the process stops.
    fn apply(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        index: u64,
        payload: &Payload,
    ) -> Result<Answers, Fault>;

    /// The transaction of the last applies is committed: publishes its effects.
    fn committed(&mut self);

    /// Reads everything again after the tables were replaced. A machine that is
    /// watched keeps its watchers.
    fn reload(&mut self, tables: &Tables, txn: &RoTxn<'_>, path: &Arc<Path>) -> Result<(), Fault> {
        *self = Self::load(tables, txn, path)?;
        Ok(())
    }

    /// The group's time after the last apply; 0 before the first.
    fn group_time_ms(&self) -> u64;
}
