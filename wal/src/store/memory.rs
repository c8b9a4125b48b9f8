//! Memory: a disk in memory, for simulation and model tests.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::Fault;
use parking_lot::Mutex;

use crate::key::Key;
use crate::store::{Change, Store, Table, Visit};

/// Records that survive the `Wal` that wrote them: clones share the disk, so
/// opening another `Wal` on a clone is a restart. A batch that was never
/// applied (the unsynced tail of a crash) is not in it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
}

type Disk = BTreeMap<(Table, Vec<u8>), Bytes>;

impl MemoryStore {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the disk as it is now, which later writes leave alone.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { disk: Arc::new(Mutex::new(self.disk.lock().clone())) }
    }
}

impl Store for MemoryStore {
    fn path(&self) -> &Path {
        Path::new("(memory)")
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        let mut disk = self.disk.lock();
        for change in changes {
            match change {
                Change::Put { table, key, record } => {
                    disk.insert((*table, key.as_slice().to_vec()), record.clone());
                }
                Change::Delete { table, from, to } => {
                    let range = range(*table, from, to);
                    let doomed: Vec<_> = disk.range(range).map(|(key, _)| key.clone()).collect();
                    for key in doomed {
                        disk.remove(&key);
                    }
                }
            }
        }
        Ok(())
    }

    fn get(&self, table: Table, key: &Key) -> Result<Option<Bytes>, Fault> {
        Ok(self.disk.lock().get(&(table, key.as_slice().to_vec())).cloned())
    }

    fn scan(&self, table: Table, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault> {
        // Visitors may take long; the disk is not locked while they run.
        let found: Vec<_> = {
            let disk = self.disk.lock();
            let records = disk.range(range(table, from, to));
            records.map(|((_, key), record)| (key.clone(), record.clone())).collect()
        };
        for (key, record) in found {
            if visit(&key, &record) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, table: Table, from: &Key, to: &Key) -> Result<Option<(Bytes, Bytes)>, Fault> {
        let disk = self.disk.lock();
        let last = disk.range(range(table, from, to)).next_back();
        Ok(last.map(|((_, key), record)| (Bytes::from(key.clone()), record.clone())))
    }

    fn used_bytes(&self) -> Result<u64, Fault> {
        let disk = self.disk.lock();
        Ok(disk.iter().map(|((_, key), record)| (key.len() + record.len()) as u64).sum())
    }

    fn close(&self, _patience: Duration) -> bool {
        true
    }
}

fn range(table: Table, from: &Key, to: &Key) -> RangeInclusive<(Table, Vec<u8>)> {
    (table, from.as_slice().to_vec())..=(table, to.as_slice().to_vec())
}
