//! Disk: what a simulated node's data lies on.
//!
//! The log is in memory and survives its node: what was synced, whatever happens;
//! what was not is lost when the node dies. The states are real LMDB environments
//! in a directory of the machine; when the power fails they count as torn, as they
//! would be (the boot id changes), and are built again from snapshot and log.
//!
//! A disk can be slow, break at a chosen write, and run full.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use disk::Fault;
use disk::fault::OrFault;
use disk::machine::Space;
use parking_lot::Mutex;
use raft::storage::{LogStore, Storage};
use wal::store::{FailingStore, Failure, MemoryStore};

/// The file of a real log.
const LOG_FILE: &str = "data.mdb";

/// How often the log's queue is looked at. A real writer is woken; this adds at
/// most as much to each sync.
const TURN_EVERY: Duration = Duration::from_millis(1);

/// One node's disk. Outlives the node's lives.
#[derive(Clone, Default)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    log: MemoryStore,
    boot: u64,
    sync: Duration,
    breaks_at: Option<(u64, Failure)>,
    free_bytes: u64,
}

impl Default for Inner {
    fn default() -> Self {
        let log = MemoryStore::new();
        Self { log, boot: 0, sync: Duration::ZERO, breaks_at: None, free_bytes: ROOM_BYTES }
    }
}

/// What is free on a disk that is not full.
const ROOM_BYTES: u64 = 1 << 40;

impl SimDisk {
    /// How long a sync of the log takes from now on.
    pub fn set_sync(&self, took: Duration) {
        self.inner.lock().sync = took;
    }

    /// In the node's next life the log's `batch`-th batch fails, counted from 1.
    pub fn break_at(&self, batch: u64, failure: Failure) {
        self.inner.lock().breaks_at = Some((batch, failure));
    }

    /// What is free from now on; `None`: plenty.
    pub fn set_free_bytes(&self, bytes: Option<u64>) {
        self.inner.lock().free_bytes = bytes.unwrap_or(ROOM_BYTES);
    }

    /// The power fails: whatever was not synced is lost.
    pub fn power_off(&self) {
        self.inner.lock().boot += 1;
    }
}

impl Storage for SimDisk {
    fn open_log(&self, directory: &Path, _: usize) -> Result<LogStore, wal::OpenError> {
        // An identity that has no log's file beside it is that of a wiped node.
        std::fs::create_dir_all(directory).or_fault("make log directory", directory)?;
        let file = directory.join(LOG_FILE);
        std::fs::write(&file, "in memory").or_fault("write log file", &file)?;
        let mut inner = self.inner.lock();
        let log = inner.log.clone();
        Ok(match inner.breaks_at.take() {
            None => Arc::new(log),
            Some((batch, failure)) => Arc::new(FailingStore::new(log, batch, failure)),
        })
    }

    fn flush(&self) -> Arc<dyn state::Flush> {
        Arc::new(state::LmdbFlush)
    }

    fn boot_id(&self) -> Result<String, Fault> {
        Ok(format!("boot {}", self.inner.lock().boot))
    }

    fn space(&self, _: &Path) -> Result<Space, Fault> {
        Ok(Space { total_bytes: ROOM_BYTES, free_bytes: self.inner.lock().free_bytes })
    }

    fn log_driver(&self) -> wal::Driver {
        wal::Driver::Inline
    }

    fn state_driver(&self) -> state::Driver {
        state::Driver::Inline
    }

    fn log_opened(&self, log: &wal::Wal) {
        let (disk, log) = (self.clone(), log.clone());
        tokio::spawn(async move {
            loop {
                let sync = disk.inner.lock().sync;
                tokio::time::sleep(sync.max(TURN_EVERY)).await;
                let _worked = log.drive();
            }
        });
    }
}
