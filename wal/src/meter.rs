//! Meter: what the writer measures of its own work.

use api::meter::{Durations, Sizes};

use crate::store::{Change, Table};

/// The batches that were made durable.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// How long each took, written and synced.
    pub(crate) sync: Durations,
    /// How many entries each held.
    pub(crate) entries: Sizes,
}

/// How many entries the changes write.
pub(crate) fn entries(changes: &[Change]) -> usize {
    let entry = |change: &&Change| matches!(change, Change::Put { table: Table::Log, .. });
    changes.iter().filter(entry).count()
}
