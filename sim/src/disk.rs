//! Disk: what a simulated node's data lies on.
//!
//! The log is in memory and survives its node: what was synced, whatever happens;
//! what was not is lost when the node dies. The states are real LMDB environments
//! in a directory of the machine; when the power fails they count as torn, as they
//! would be (the boot id changes), and are built again from snapshot and log.
//!
//! A disk can be slow, break at a chosen write, and run full.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::Fault;
use disk::fault::OrFault;
use disk::machine::Space;
use parking_lot::Mutex;
use raft::storage::{LogStore, Storage};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use state::LmdbFlush;
use state::flush::FailingFlush;
use wal::store::{FailingStore, Failure, MemoryStore};

/// The file of a real log.
const LOG_FILE: &str = "data.mdb";

/// How often the log's queue is looked at. A real writer is woken; this adds at
/// most as much to each sync.
const TURN_EVERY: Duration = Duration::from_millis(1);

/// What is free on a disk that is not full.
const ROOM_BYTES: u64 = 1 << 40;

/// What LMDB reads and writes at a time.
const PAGE_BYTES: usize = 4096;

/// One node's disk. Outlives the node's lives.
#[derive(Clone, Default)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    log: MemoryStore,
    /// The states' writes in the node's present life.
    flush: Arc<dyn state::Flush>,
    boot: u64,
    sync: Duration,
    breaks: Breaks,
    free_bytes: u64,
}

/// What a disk does to a node's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaks {
    Nothing,
    /// From the next start on, this batch of the log fails.
    Log(u64, Failure),
    /// From the next start on, this write of the states fails.
    State(u64, Failure),
    /// It failed.
    Broke,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            log: MemoryStore::new(),
            flush: Arc::new(LmdbFlush),
            boot: 0,
            sync: Duration::ZERO,
            breaks: Breaks::Nothing,
            free_bytes: ROOM_BYTES,
        }
    }
}

impl SimDisk {
    /// How long a sync of the log takes from now on.
    pub fn set_sync(&self, took: Duration) {
        self.inner.lock().sync = took;
    }

    /// In the node's next lives the log's `batch`-th batch fails, counted from 1.
    pub fn break_log_at(&self, batch: u64, failure: Failure) {
        self.inner.lock().breaks = Breaks::Log(batch, failure);
    }

    /// In the node's next lives the states' `write`-th write fails, counted from 1.
    pub fn break_state_at(&self, write: u64, failure: Failure) {
        self.inner.lock().breaks = Breaks::State(write, failure);
    }

    /// A node ended because of `why`. Returns whether that is the break that was
    /// asked for; it happens once.
    pub fn broke(&self, why: &str) -> bool {
        let mut inner = self.inner.lock();
        let meant = matches!(inner.breaks, Breaks::Log(..) | Breaks::State(..));
        let broke = meant && why.contains("injected failure");
        if broke {
            inner.breaks = Breaks::Broke;
        }
        broke
    }

    /// Nothing breaks any more. Returns whether anything did.
    pub fn mend(&self) -> bool {
        let mut inner = self.inner.lock();
        std::mem::replace(&mut inner.breaks, Breaks::Nothing) == Breaks::Broke
    }

    /// What is free from now on; `None`: plenty.
    pub fn set_free_bytes(&self, bytes: Option<u64>) {
        self.inner.lock().free_bytes = bytes.unwrap_or(ROOM_BYTES);
    }

    /// The power fails under the node in `data`, which is down: what was not synced is
    /// lost. The log loses nothing more than it did with the node. Of the states'
    /// files, any page may be the old one or garbage.
    pub fn lose_power(&self, data: &Path, seed: u64) -> io::Result<()> {
        self.inner.lock().boot += 1;
        let mut dice = SmallRng::seed_from_u64(seed);
        let groups = data.join("state");
        if !groups.is_dir() {
            return Ok(());
        }
        for group in list(&groups)? {
            tear(&group.join("data.mdb"), &mut dice)?;
            for file in list(&group.join("incoming"))? {
                tear(&file, &mut dice)?;
            }
        }
        Ok(())
    }
}

/// The paths in a directory, in their order.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Writes garbage over half of a file's pages.
fn tear(path: &Path, dice: &mut SmallRng) -> io::Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let mut bytes = fs::read(path)?;
    for page in bytes.chunks_mut(PAGE_BYTES) {
        if dice.random() {
            page.fill(dice.random());
        }
    }
    fs::write(path, bytes)
}

impl Storage for SimDisk {
    fn open_log(&self, directory: &Path, _: usize) -> Result<LogStore, wal::OpenError> {
        // An identity that has no log's file beside it is that of a wiped node.
        std::fs::create_dir_all(directory).or_fault("make log directory", directory)?;
        let file = directory.join(LOG_FILE);
        std::fs::write(&file, "in memory").or_fault("write log file", &file)?;
        let mut inner = self.inner.lock();
        inner.flush = match inner.breaks {
            // All groups of the node count together.
            Breaks::State(write, failure) => {
                Arc::new(FailingFlush::new(LmdbFlush, write, failure == Failure::Kept))
            }
            Breaks::Nothing | Breaks::Log(..) | Breaks::Broke => Arc::new(LmdbFlush),
        };
        let log = inner.log.clone();
        Ok(match inner.breaks {
            Breaks::Log(batch, failure) => Arc::new(FailingStore::new(log, batch, failure)),
            Breaks::Nothing | Breaks::State(..) | Breaks::Broke => Arc::new(log),
        })
    }

    fn flush(&self) -> Arc<dyn state::Flush> {
        Arc::clone(&self.inner.lock().flush)
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
