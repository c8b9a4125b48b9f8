//! Lab: stores on folders of their own, a log in memory, and copies of folders
//! as a crash would leave them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::limits::SHARDS;
use api::{
    Answers, ClusterId, Content, GroupId, Header, Incarnation, Member, MetaCommand, MetaOperation,
    NodeId, Payload, RequestClass, RequestId, ShardId,
};
use openraft::EntryPayload;
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::membership::{Membership, log_id};
use crate::meta::MetaState;
use crate::recovery::OpenError;
use crate::snapshot::SnapshotFile;
use crate::step::{Step, Steps};
use crate::store::{Entry, LogWatermark, OpenOptions, Store};

pub(super) const CLUSTER: ClusterId = ClusterId([7; 16]);
pub(super) const THIS_BOOT: &str = "this boot";
pub(super) const NEXT_BOOT: &str = "next boot";

/// A log that is flushed as far as a test says.
pub(super) struct FakeLog {
    flushed: Mutex<u64>,
    moved: Condvar,
    pub(super) purged: Mutex<Option<u64>>,
}

impl FakeLog {
    pub(super) fn flushed_to(index: u64) -> Arc<Self> {
        let purged = Mutex::new(None);
        Arc::new(Self { flushed: Mutex::new(index), moved: Condvar::new(), purged })
    }

    pub(super) fn flush(&self, index: u64) {
        *self.flushed.lock() = index;
        self.moved.notify_all();
    }
}

impl LogWatermark for FakeLog {
    fn wait_until(&self, index: u64, patience: Duration) -> bool {
        let until = Instant::now() + patience.min(Duration::from_millis(20));
        let mut flushed = self.flushed.lock();
        while *flushed < index {
            if self.moved.wait_until(&mut flushed, until).timed_out() {
                return false;
            }
        }
        true
    }

    fn purged(&self) -> Option<u64> {
        *self.purged.lock()
    }
}

/// One folder, and how a store is opened on it.
pub(super) struct Lab {
    dir: TempDir,
    pub(super) log: Arc<FakeLog>,
    pub(super) faults: Arc<Mutex<Vec<String>>>,
    pub(super) drain_patience: Duration,
    pub(super) snapshot_raw_bytes_max: u64,
    runtime: Runtime,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            log: FakeLog::flushed_to(u64::MAX),
            faults: Arc::default(),
            drain_patience: Duration::from_secs(10),
            snapshot_raw_bytes_max: 1 << 30,
            runtime: Runtime::new().unwrap(),
        }
    }

    /// A lab on a copy of `folder`.
    pub(super) fn on_copy_of(folder: &Path) -> Self {
        let lab = Self::new();
        copy_folder(folder, &lab.path());
        lab
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("state").join("0")
    }

    pub(super) fn options(&self, boot: &str) -> OpenOptions {
        let faults = self.faults.clone();
        let life = Incarnation([1; 16]);
        let options =
            OpenOptions::new(CLUSTER, GroupId::META, life, boot.to_owned(), self.log.clone());
        OpenOptions {
            map_bytes: 64 << 20,
            snapshot_raw_bytes_max: self.snapshot_raw_bytes_max,
            drain_patience: self.drain_patience,
            on_fault: Arc::new(move |fault| faults.lock().push(fault.to_string())),
            ..options
        }
    }

    pub(super) fn open(&self) -> Store {
        self.open_on(THIS_BOOT).unwrap()
    }

    pub(super) fn open_on(&self, boot: &str) -> Result<Store, OpenError> {
        Store::open(&self.path(), self.options(boot))
    }

    pub(super) fn open_hooked(
        &self,
        hook: impl Fn(Step) -> Result<(), disk::Fault> + Send + Sync + 'static,
    ) -> Store {
        self.open_watched(Steps::hooked(hook)).unwrap()
    }

    pub(super) fn open_watched(&self, steps: Steps) -> Result<Store, OpenError> {
        Store::open_watched(&self.path(), self.options(THIS_BOOT), steps)
    }

    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(future)
    }

    pub(super) fn apply(&self, store: &Store, log: &[Entry]) -> Vec<Answers> {
        self.wait(store.apply(log.to_vec())).unwrap()
    }

    /// Gives a snapshot of `log` to `receiver` as a peer would; returns its name.
    pub(super) fn deliver(log: &[Entry], receiver: &Store) -> String {
        let sender = Self::new();
        let store = sender.open();
        sender.apply(&store, log);
        let built = store.build_snapshot().unwrap();
        let path = receiver.incoming(&built.name()).unwrap();
        fs::copy(built.path(), path).unwrap();
        store.close().unwrap();
        built.name()
    }

    /// Gives a snapshot of `log` to `receiver`, which accepts it.
    pub(super) fn send_snapshot_of(log: &[Entry], receiver: &Store) -> SnapshotFile {
        receiver.accept(&Self::deliver(log, receiver)).unwrap()
    }
}

/// The meta state that a store shows.
pub(super) fn shown(store: &Store) -> MetaState {
    MetaState::clone(&store.meta().unwrap().borrow())
}

/// The applied index that a store shows.
pub(super) fn applied(store: &Store) -> Option<u64> {
    let published = store.applied().borrow().index();
    assert_eq!(published, store.position().0.map(|last| last.index));
    published
}

/// Files and directories as they stand: what a crash of the process leaves.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A log: membership, founding, a blank entry now and then, and collections.
pub(super) fn log_to(last: u64) -> Vec<Entry> {
    (0..=last).map(entry).collect()
}

pub(super) fn entry(index: u64) -> Entry {
    let payload = match index {
        0 => EntryPayload::Membership(membership()),
        1 => EntryPayload::Normal(found()),
        index if index % 7 == 0 => EntryPayload::Blank,
        index => {
            let name = format!("collection {index}");
            EntryPayload::Normal(payload(index, MetaOperation::CreateCollection { name }))
        }
    };
    Entry { log_id: log_id(1 + index / 10, NodeId(1), index), payload }
}

fn found() -> Payload {
    let members = vec![(NodeId(1), member())];
    payload(1, MetaOperation::Found { cluster: CLUSTER, shards: SHARDS, groups: 2, members })
}

fn member() -> Member {
    let incarnation = Incarnation([1; 16]);
    Member { name: "node".to_owned(), peer: "localhost:7420".to_owned(), incarnation }
}

pub(super) fn membership() -> Membership {
    let voters = [NodeId(1)].into_iter().collect();
    Membership::new(
        vec![voters],
        [(NodeId(1), member())].into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    )
    .unwrap()
}

/// A payload with one command, which asks under the id `number`.
pub(super) fn payload(number: u64, operation: MetaOperation) -> Payload {
    let header = Header {
        id: RequestId::made_here(1, number),
        class: RequestClass::Internal,
        issued_at_ms: 1_000_000 + number,
        fingerprint: operation.fingerprint(),
        shard: ShardId(0),
        collection: api::CollectionId(0),
    };
    let command = MetaCommand { header, operation };
    Payload::encode(1_000_000 + number, &Content::Commands(vec![command.encode()]))
}

/// The state that `log` adds up to.
pub(super) fn expected(log: &[Entry]) -> MetaState {
    let lab = Lab::new();
    let store = lab.open();
    if !log.is_empty() {
        lab.apply(&store, log);
    }
    let state = shown(&store);
    store.close().unwrap();
    state
}
