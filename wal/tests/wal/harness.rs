//! Harness: logs on a disk that a test can crash, look at and break.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use api::{ClusterId, GroupId, Incarnation};
use disk::Fault;
use disk::fault::Cause;
use openraft::alias::OneshotReceiverOf;
use openraft::storage::IOFlushed;
use openraft::type_config::TypeConfigExt;
use parking_lot::Mutex;
use tempfile::TempDir;
use wal::store::{FailingStore, Failure, MemoryStore};
use wal::{Driver, Identity, LmdbStore, Options, Stop, Store, Wal};

use crate::binding::{Log, Plain, Types};

pub(crate) const MAP_BYTES: usize = 64 << 20;

pub(crate) fn identity(cluster: u8) -> Identity {
    Identity { cluster: ClusterId([cluster; 16]), incarnation: Incarnation([9; 16]) }
}

pub(crate) fn options() -> Options {
    Options { map_bytes: MAP_BYTES, ..Options::default() }
}

/// For tests in which nothing breaks.
pub(crate) fn no_fault(fault: &Fault) {
    panic!("{fault}");
}

/// Where the bytes outlive a crash.
pub(crate) enum Disk {
    Memory(MemoryStore),
    Lmdb(TempDir),
}

impl Disk {
    pub(crate) fn lmdb() -> Self {
        Self::Lmdb(tempfile::tempdir().unwrap())
    }

    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    pub(crate) fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Lmdb(dir) => Arc::new(LmdbStore::open(dir.path(), MAP_BYTES).unwrap()),
        }
    }
}

/// Logs without a thread, on a disk that outlives them.
pub(crate) struct Node {
    pub(crate) disk: Disk,
    pub(crate) options: Options,
    pub(crate) faults: Arc<Mutex<Vec<String>>>,
    running: Option<Running>,
}

struct Running {
    wal: Wal,
    store: Arc<dyn Store>,
    logs: Vec<Log>,
}

impl Node {
    pub(crate) fn new(disk: Disk, options: Options) -> Self {
        let mut node = Self { disk, options, faults: Arc::default(), running: None };
        node.start(None);
        node
    }

    /// Opens the logs, on a disk whose `fail_at`-th batch from now on fails.
    pub(crate) fn start(&mut self, fail_at: Option<(u64, Failure)>) {
        let store = self.disk.open();
        let faults = Arc::clone(&self.faults);
        let on_fault = move |fault: &Fault| faults.lock().push(cause(fault));
        let (id, options, driver) = (identity(1), self.options, Driver::Inline);
        let wal = match fail_at {
            None => Wal::on_store(Arc::clone(&store), id, options, driver, on_fault),
            Some((at, failure)) => {
                let failing = FailingStore::new(Arc::clone(&store), at, failure);
                Wal::on_store(failing, id, options, driver, on_fault)
            }
        };
        self.running = Some(Running { wal: wal.unwrap(), store, logs: Vec::new() });
    }

    pub(crate) fn wal(&self) -> &Wal {
        &self.running.as_ref().unwrap().wal
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.running.as_ref().unwrap().store
    }

    /// Opens a group unless it is open.
    pub(crate) fn open(&mut self, gid: u32) -> Result<(), Fault> {
        let running = self.running.as_mut().unwrap();
        if !running.logs.iter().any(|log| log.gid() == GroupId(gid)) {
            running.logs.push(running.wal.group(GroupId(gid), Plain)?);
        }
        Ok(())
    }

    pub(crate) fn log(&mut self, gid: u32) -> &mut Log {
        self.open(gid).unwrap();
        let logs = &mut self.running.as_mut().unwrap().logs;
        logs.iter_mut().find(|log| log.gid() == GroupId(gid)).unwrap()
    }

    /// Drops everything that is not on the disk.
    pub(crate) fn crash(&mut self) {
        self.running = None;
    }

    /// Closes the logs. An error says that the store has failed.
    pub(crate) fn close(&mut self) -> Result<(), Stop> {
        let Running { wal, store, logs } = self.running.take().unwrap();
        drop(logs);
        let closed = wal.close();
        drop(store);
        closed
    }

    /// Takes turns until nothing is left to do.
    pub(crate) fn drain(&self) {
        while self.wal().drive() {}
    }
}

/// Runs a call to its end, taking the writer's turns as it waits for them.
pub(crate) fn run<F: Future>(wal: &Wal, call: F) -> F::Output {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    for _turn in 0..10_000 {
        if let Poll::Ready(output) = call.as_mut().poll(&mut context) {
            return output;
        }
        let _worked = wal.drive();
    }
    panic!("the call never ends");
}

/// Runs a call that must not wait for anything.
pub(crate) fn now<F: Future>(call: F) -> F::Output {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the call waits"),
    }
}

/// What a callback was told, once it was.
pub(crate) type Told = OneshotReceiverOf<Types, io::Result<()>>;

/// A callback, and where its result arrives.
pub(crate) fn callback() -> (IOFlushed<Types>, Told) {
    let (done, told) = Types::oneshot();
    (IOFlushed::signal(done), told)
}

/// What broke, without the path, which differs from run to run.
pub(crate) fn cause(fault: &Fault) -> String {
    match &fault.cause {
        Cause::Io(error) => error.to_string(),
        Cause::Lmdb(error) => error.to_string(),
        Cause::Corrupt(what) => what.clone(),
    }
}
