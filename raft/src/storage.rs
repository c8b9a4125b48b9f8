//! Storage: the disk under a node, and who works on it.
//!
//! The seam that a simulation replaces; [`MachineStorage`] is LMDB on the machine's
//! own disk, changed by threads of the log's and the states' own.

use std::path::Path;
use std::sync::Arc;

use disk::Fault;
use disk::machine::{self, Space};

/// What log and states stand on.
pub trait Storage: Send + Sync + 'static {
    /// Opens the node's log, in `directory`.
    fn open_log(&self, directory: &Path, map_bytes: usize) -> Result<LogStore, wal::OpenError>;

    /// How the states' changes get to the disk.
    fn flush(&self) -> Arc<dyn state::Flush>;

    /// This boot of the machine. Another id later means that what was not synced is lost.
    fn boot_id(&self) -> Result<String, Fault>;

    /// The file system that `data` lies on.
    fn space(&self, data: &Path) -> Result<Space, Fault>;

    /// Who changes the log.
    fn log_driver(&self) -> wal::Driver {
        wal::Driver::Thread
    }

    /// Who changes the states.
    fn state_driver(&self) -> state::Driver {
        state::Driver::Thread
    }

    /// The log is open. Who drives it by hand begins here.
    fn log_opened(&self, _log: &wal::Wal) {}
}

/// Sizes and thresholds of log, state and snapshots.
#[derive(Clone, Copy, Debug)]
pub struct StorageOptions {
    /// Address space of each environment.
    pub map_bytes: usize,
    /// Entries kept in the log behind a snapshot, for followers a little behind.
    pub log_keep_entries: u64,
    /// When a group takes a snapshot.
    pub snapshot: SnapshotTrigger,
    /// Free disk below which writes are refused.
    pub disk_reserve_bytes: u64,
    /// Free disk below which the process stops.
    pub disk_floor_bytes: u64,
}

/// When a group takes a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotTrigger {
    /// After this many bytes of log.
    pub log_bytes: u64,
    /// After an eighth of that already, if log and state together are above
    /// this many millionths of the free disk.
    pub disk_millionths: u64,
}

/// A log's bytes on the disk.
pub type LogStore = Arc<dyn wal::Store>;

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineStorage;

impl Storage for MachineStorage {
    fn open_log(&self, directory: &Path, map_bytes: usize) -> Result<LogStore, wal::OpenError> {
        Ok(Arc::new(wal::LmdbStore::open(directory, map_bytes)?))
    }

    fn flush(&self) -> Arc<dyn state::Flush> {
        Arc::new(state::LmdbFlush)
    }

    fn boot_id(&self) -> Result<String, Fault> {
        machine::boot_id()
    }

    fn space(&self, data: &Path) -> Result<Space, Fault> {
        machine::space(data)
    }
}
