//! Meter: what a store measures of its own work.

use api::meter::{Counter, Durations};

/// What was done to one group's state since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Transactions of applied entries.
    pub(crate) apply: Durations,
    /// Snapshots built.
    pub(crate) build: Durations,
    /// Snapshots installed, from the first look at the file to the new state.
    pub(crate) install: Durations,
    /// Snapshots that were not built because the disk is nearly full.
    pub(crate) builds_deferred: Counter,
}
