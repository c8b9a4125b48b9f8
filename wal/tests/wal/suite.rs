//! Suite: openraft's own conformance tests.

use api::GroupId;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;
use wal::{Options, Wal};

use crate::binding::{Log, Plain, Types};
use crate::harness::{identity, no_fault};
use crate::machine::Machine;

/// Makes a log in a directory of its own, with so small a tail that most
/// reads go to the disk.
struct OnDisk {
    tail_bytes: usize,
}

impl StoreBuilder<Types, Log, Machine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError<Types>> {
        let dir = tempfile::tempdir().unwrap();
        let options =
            Options { tail_bytes: self.tail_bytes, map_bytes: 64 << 20, ..Options::default() };
        let wal = Wal::open(dir.path(), identity(1), options, no_fault).unwrap();
        let log = wal.group(GroupId(7), Plain).unwrap();
        Ok((dir, log, Machine::default()))
    }
}

#[tokio::test]
async fn openrafts_suite_passes_from_memory() {
    Suite::test_all(OnDisk { tail_bytes: 1 << 20 }).await.unwrap();
}

#[tokio::test]
async fn openrafts_suite_passes_from_disk() {
    Suite::test_all(OnDisk { tail_bytes: 0 }).await.unwrap();
}
