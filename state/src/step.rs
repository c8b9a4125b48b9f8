//! Step: where may the process die, and does a test want to look there?
//!
//! Work on files announces every point between two effects. A test hooks in,
//! keeps a copy of the folder as a crash would leave it, or fails the step.

use std::fmt;
use std::sync::Arc;

use disk::Fault;

/// A point between two effects on files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The environment that cannot be trusted is gone.
    Discarded,
    /// The marker says that the environment is in use.
    MarkedDirty,
    /// Entries are applied in a transaction that is not committed.
    Applied,
    /// The transaction is committed, nobody was told.
    Committed,
    /// A snapshot's raw copy is written.
    Copied,
    /// The copy is compressed and synced under a temporary name.
    Packed,
    /// The snapshot has its name, durably.
    Named,
    /// Old snapshots are gone.
    Pruned,
    /// An incoming snapshot is unpacked, checked and synced beside the environment.
    Unpacked,
    /// The incoming snapshot is kept as the newest, durably.
    Kept,
    /// The old environment is closed.
    Closed,
    /// The new data file is in place.
    Replaced,
    /// The old lock file is gone and both are durable.
    Unlocked,
    /// The environment is synced for a clean close.
    Synced,
    /// The marker says that it was closed cleanly.
    MarkedClean,
}

type Hook = dyn Fn(Step) -> Result<(), Fault> + Send + Sync;

/// Who is told about steps. Nobody, outside tests.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    hook: Option<Arc<Hook>>,
}

impl Steps {
    /// Calls `hook` at every step.
    #[cfg(test)]
    pub(crate) fn hooked(hook: impl Fn(Step) -> Result<(), Fault> + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)) }
    }

    /// The work has come to `step`.
    pub(crate) fn reach(&self, step: Step) -> Result<(), Fault> {
        match &self.hook {
            Some(hook) => hook(step),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("hooked", &self.hook.is_some()).finish()
    }
}
