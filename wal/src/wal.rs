//! Wal: the logs of a node, opened, shared and closed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use api::GroupId;
use api::figures::LogFigures;
use disk::Fault;
use openraft::RaftTypeConfig;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::codec::Codec;
use crate::flushed::{Flushed, Mark};
use crate::group::Group;
use crate::identity::{self, Identity, Left, OpenError};
use crate::log::Log;
use crate::meter::Meter;
use crate::options::Options;
use crate::queue::{Op, Owner, Queue};
use crate::recovery::{self, Depth, Found, Recovered};
use crate::span::Span;
use crate::stop::Stop;
use crate::store::{LmdbStore, Store};
use crate::tail::Tail;
use crate::writer::{Shared, Turn, Writer};

/// How long a close waits for reads under way.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// The logs and votes of all groups of a node. Clones share them.
#[derive(Clone)]
pub struct Wal {
    inner: Arc<Inner>,
}

/// Who runs the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A thread named `wal`.
    Thread,
    /// Whoever calls [`Wal::drive`]: deterministic, for simulation. Reads of
    /// the disk then run where they are asked for.
    Inline,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) reads: Arc<Semaphore>,
    options: Options,
    depth: Depth,
    owners: Mutex<BTreeMap<GroupId, Weak<Owner>>>,
    running: Running,
}

enum Running {
    Thread(Mutex<Option<JoinHandle<()>>>),
    Inline(Mutex<Writer>),
}

impl Wal {
    /// Opens the logs in the directory `dir`, which is made if missing, and
    /// starts their writer. `on_fault` is called at most once, from whichever
    /// thread meets the fault; the process must stop then.
    ///
    /// Blocks on the disk.
    pub fn open(
        dir: &Path,
        identity: Identity,
        options: Options,
        on_fault: impl Fn(&Fault) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let store = LmdbStore::open(dir, options.map_bytes)?;
        Self::on_store(store, identity, options, Driver::Thread, on_fault)
    }

    /// Opens the logs in a store of the caller's making.
    pub fn on_store(
        store: impl Store,
        identity: Identity,
        options: Options,
        driver: Driver,
        on_fault: impl Fn(&Fault) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let left = identity::admit(&store, identity)?;
        if left == Left::Unclean {
            tracing::info!(path = %store.path().display(), "the log was not closed; checking it");
        }
        let depth = match left {
            Left::Clean if !options.verify => Depth::Ends,
            Left::Clean | Left::Unclean => Depth::Every,
        };
        let shared = Arc::new(Shared {
            store: Box::new(store),
            queue: Queue::new(&options),
            marks: Mutex::default(),
            meter: Meter::default(),
            on_fault: Box::new(on_fault),
        });
        let running = start(&shared, &options, driver)?;
        let reads = Arc::new(Semaphore::new(options.disk_reads.clamp(1, Semaphore::MAX_PERMITS)));
        let owners = Mutex::default();
        let inner = Inner { shared, reads, options, depth, owners, running };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens one group's log, after checking what is there. A group is open at
    /// most once; it can be opened again when its log, the readers made from
    /// it and its last operations are gone.
    ///
    /// Blocks on the disk: a large log that was not closed takes a while.
    pub fn group<C, K>(&self, gid: GroupId, codec: K) -> Result<Log<C, K>, Fault>
    where
        C: RaftTypeConfig<Entry: Clone>,
        K: Codec<C>,
    {
        let owner = self.own(gid)?;
        let found = Found { store: &*self.inner.shared.store, gid, codec: &codec };
        let recovered: Recovered<C> = recovery::recover(&found, self.inner.depth)?;
        owner.mark.restart(recovered.last.as_ref().map(|last| last.index));
        if self.inner.shared.queue.stopped().is_some() {
            owner.mark.stop();
        }
        if let Some(leftover) = recovered.leftover.clone() {
            self.inner.shared.queue.push(Op::sweep(&owner, leftover));
        }
        let span = RwLock::new(Span::new(recovered, self.inner.options.tail_bytes));
        let inner = Arc::clone(&self.inner);
        Ok(Log { group: Arc::new(Group { inner, owner, codec, span, appended_bytes: 0.into() }) })
    }

    /// Watches how far a group's log is durable, also before it is opened.
    #[must_use]
    pub fn flushed(&self, gid: GroupId) -> Flushed {
        Flushed::new(self.mark(gid))
    }

    /// What the logs measure of themselves. Blocks on the disk, briefly.
    #[must_use]
    pub fn figures(&self) -> LogFigures {
        let Shared { store, meter, .. } = &*self.inner.shared;
        LogFigures {
            sync: meter.sync.read(),
            entries: meter.entries.read(),
            // A fault that is met here will be met by the writer, who reports it.
            used_bytes: store.used_bytes().ok(),
        }
    }

    /// Takes one turn of the writer: writes one batch if anything waits, and
    /// completes it. Returns whether there was something to do.
    ///
    /// # Panics
    ///
    /// If a thread drives these logs.
    #[must_use]
    pub fn drive(&self) -> bool {
        let Running::Inline(writer) = &self.inner.running else {
            panic!("a thread drives these logs");
        };
        writer.lock().turn(false) == Turn::Worked
    }

    /// Writes what waits, marks the logs as cleanly closed and closes the
    /// store. Logs and readers that are still around give errors from then on.
    ///
    /// Blocks. An error says that the logs had failed before, or that reads did
    /// not end; there is nothing to do about it but end the process.
    pub fn close(self) -> Result<(), Stop> {
        self.inner.shared.queue.close();
        self.inner.finish();
        let stop = self.inner.shared.queue.stopped();
        let closed = self.inner.shared.store.close(CLOSE_PATIENCE);
        if let Some(Stop::Faulted(fault)) = stop {
            return Err(Stop::Faulted(fault));
        }
        if closed {
            return Ok(());
        }
        let path = self.inner.shared.store.path();
        let fault = Fault::corrupt("close log", path, "a read did not end");
        Err(Stop::Faulted(Arc::new(fault)))
    }

    fn mark(&self, gid: GroupId) -> Arc<Mark> {
        let mark = Arc::clone(self.inner.shared.marks.lock().entry(gid).or_default());
        if self.inner.shared.queue.stopped().is_some() {
            mark.stop();
        }
        mark
    }

    fn own(&self, gid: GroupId) -> Result<Arc<Owner>, Fault> {
        let mark = self.mark(gid);
        let mut owners = self.inner.owners.lock();
        if owners.get(&gid).is_some_and(|owner| owner.strong_count() > 0) {
            let what = format!("group {gid} is open already");
            return Err(Fault::corrupt("open log", self.inner.shared.store.path(), what));
        }
        let owner = Arc::new(Owner { gid, mark });
        owners.insert(gid, Arc::downgrade(&owner));
        Ok(owner)
    }
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wal({})", self.inner.shared.store.path().display())
    }
}

impl Inner {
    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.running, Running::Inline(_))
    }

    /// Waits until the writer has seen the end of the queue.
    fn finish(&self) {
        match &self.running {
            Running::Thread(handle) => {
                let handle = handle.lock().take();
                // A callback may drop the last log on the writer's own thread.
                let handle = handle.filter(|it| it.thread().id() != thread::current().id());
                if let Some(Err(_panic)) = handle.map(JoinHandle::join) {
                    tracing::error!("the log writer panicked");
                }
            }
            Running::Inline(writer) => while writer.lock().turn(false) != Turn::Over {},
        }
    }
}

impl Drop for Inner {
    /// Without [`Wal::close`] this is a crash: the batch under way is
    /// finished, what waits is refused, and no clean mark is left.
    fn drop(&mut self) {
        self.shared.queue.stop(Stop::Closed);
        self.shared.stop_marks();
        self.finish();
    }
}

fn start(shared: &Arc<Shared>, options: &Options, driver: Driver) -> Result<Running, Fault> {
    let writer = Writer::new(Arc::clone(shared), options.purge_slice);
    Ok(match driver {
        Driver::Inline => Running::Inline(Mutex::new(writer)),
        Driver::Thread => {
            let thread = thread::Builder::new().name("wal".into());
            let handle = thread
                .spawn(move || writer.run())
                .map_err(|error| Fault::io("start log thread", shared.store.path(), error))?;
            Running::Thread(Mutex::new(Some(handle)))
        }
    })
}

impl<C: RaftTypeConfig> Span<C> {
    fn new(recovered: Recovered<C>, tail_bytes: usize) -> Self {
        let Recovered { vote, purged, committed, first, last, leftover: _ } = recovered;
        let next = last.as_ref().map_or(0, |last| last.index + 1);
        let tail = Tail::new(next, tail_bytes);
        let span = Self { first, last, purged, committed, vote, tail, epoch: 0 };
        span.validate();
        span
    }
}

impl Op {
    /// Deletes what a purge left behind before a crash.
    fn sweep(owner: &Arc<Owner>, leftover: std::ops::RangeInclusive<u64>) -> Self {
        let owner = Arc::clone(owner);
        let sweep = Some(leftover);
        Self { owner, changes: vec![], bytes: 0, reached: None, sweep, done: None, place: None }
    }
}
