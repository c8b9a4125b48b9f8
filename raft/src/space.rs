//! Space: is there room on the disk for another write?
//!
//! Three bands, measured once a second. Above the reserve everything goes.
//! Between floor and reserve new writes are refused, certainly not applied;
//! reads and deletes go on, and what is already in flight fits the reserve.
//! Below the floor the process stops before LMDB meets the end of the disk,
//! because a storage error in the middle of a commit is a fault.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::Refusal;
use api::figures::SpaceFigures;
use disk::Fault;

use crate::storage::Storage;

/// Free space where the data lies.
pub struct Space {
    disk: Arc<dyn Storage>,
    data: PathBuf,
    reserve_bytes: u64,
    floor_bytes: u64,
    free_bytes: AtomicU64,
}

impl Space {
    /// Measures `data`'s file system for the first time.
    pub fn measure(
        disk: Arc<dyn Storage>,
        data: PathBuf,
        (reserve_bytes, floor_bytes): (u64, u64),
    ) -> Result<Self, Fault> {
        let free_bytes = AtomicU64::new(disk.space(&data)?.free_bytes);
        Ok(Self { disk, data, reserve_bytes, floor_bytes, free_bytes })
    }

    /// Measures again. `Err` holds what is free, below the floor.
    pub fn refresh(&self) -> Result<Result<(), u64>, Fault> {
        let free = self.disk.space(&self.data)?.free_bytes;
        let before = self.free_bytes.swap(free, Ordering::Relaxed);
        if (before < self.reserve_bytes) != (free < self.reserve_bytes) {
            if free < self.reserve_bytes {
                tracing::error!(free, reserve = self.reserve_bytes, "disk nearly full: no writes");
            } else {
                tracing::info!(free, "disk has room again: writes go on");
            }
        }
        Ok(if free < self.floor_bytes { Err(free) } else { Ok(()) })
    }

    /// Refuses what would take room when there is none.
    pub fn admit(&self) -> Result<(), Refusal> {
        let free_bytes = self.free_bytes.load(Ordering::Relaxed);
        let reserve_bytes = self.reserve_bytes;
        if free_bytes < reserve_bytes {
            return Err(Refusal::DiskFull { free_bytes, reserve_bytes });
        }
        Ok(())
    }

    /// What was measured last.
    #[must_use]
    pub fn figures(&self) -> SpaceFigures {
        let free_bytes = self.free_bytes.load(Ordering::Relaxed);
        SpaceFigures { free_bytes, reserve_bytes: self.reserve_bytes }
    }

    /// Whether there is room for writes.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.admit().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::storage::MachineStorage;

    fn measure(data: &Path, limits: (u64, u64)) -> Space {
        Space::measure(Arc::new(MachineStorage), data.to_owned(), limits).unwrap()
    }

    #[test]
    fn below_the_reserve_writes_are_refused_and_the_process_goes_on() {
        let data = tempfile::tempdir().unwrap();
        let space = measure(data.path(), (u64::MAX, 0));
        assert!(matches!(space.admit(), Err(Refusal::DiskFull { .. })));
        assert_eq!(space.refresh().unwrap(), Ok(()));
    }

    #[test]
    fn below_the_floor_is_reported() {
        let data = tempfile::tempdir().unwrap();
        let space = measure(data.path(), (0, u64::MAX));
        assert!(space.refresh().unwrap().is_err());
    }
}
