//! openraft's own conformance suite, on the log and the state as they are
//! joined in a node: LMDB log, LMDB state, the state waiting for the log.

use std::sync::Arc;
use std::time::Duration;

use api::{ClusterId, GroupId, Incarnation};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use raft::binding::Types;
use raft::codec::Codec;
use state::{LogWatermark, OpenOptions, Store};
use tempfile::TempDir;
use wal::{Flushed, Log, Waited, Wal};

const CLUSTER: ClusterId = ClusterId([1; 16]);
const INCARNATION: Incarnation = Incarnation([2; 16]);
const GROUP: GroupId = GroupId(1);
const MAP_BYTES: usize = 64 << 20;

/// Makes a log and a state in a new directory.
struct Builder;

/// Keeps the directory and the log's writer until the test is over.
struct Guard {
    _wal: Wal,
    _directory: TempDir,
}

struct Watermark(Flushed);

impl LogWatermark for Watermark {
    fn wait_until(&self, index: u64, patience: Duration) -> bool {
        // The suite applies entries that it never put into the log; in a node
        // that cannot happen, so here an absent entry counts as durable.
        let _waited: Waited = self.0.wait_until(index, patience.min(Duration::from_millis(1)));
        true
    }
}

impl StoreBuilder<Types, Log<Types, Codec>, Store, Guard> for Builder {
    async fn build(&self) -> Result<(Guard, Log<Types, Codec>, Store), StorageError<Types>> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let identity = wal::Identity { cluster: CLUSTER, incarnation: INCARNATION };
        let options = wal::Options { map_bytes: MAP_BYTES, ..wal::Options::default() };
        let replication = directory.path().join("replication");
        let wal = Wal::open(&replication, identity, options, |fault| panic!("{fault}"))
            .expect("a new log opens");
        let log = wal.group::<Types, _>(GROUP, Codec).expect("a new group opens");
        let watermark = Arc::new(Watermark(wal.flushed(GROUP)));
        let boot = "this-boot".to_owned();
        let options = OpenOptions::new(CLUSTER, GROUP, INCARNATION, boot, watermark);
        let options = OpenOptions { map_bytes: MAP_BYTES, ..options };
        let store =
            Store::open(&directory.path().join("state"), options).expect("a new state opens");
        Ok((Guard { _wal: wal, _directory: directory }, log, store))
    }
}

#[test]
fn log_and_state_pass_openrafts_suite() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}
