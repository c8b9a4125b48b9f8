//! Store: one group's durable state, and the one thread that changes it.
//!
//! A store owns the group's directory and its environment. Every change runs
//! on a plain thread of its own, `state-<group>`, which takes orders from a
//! bounded queue: apply these entries, install this snapshot, close. Reads take
//! a [`View`] and run beside it.
//!
//! # Invariants
//!
//! * G1: applied position, membership and the data they produced change in one
//!   transaction.
//! * G2: the applied position never goes back, and is never ahead of the
//!   group's flushed log; a durable snapshot is the one exception.
//! * G3: what is published as applied is committed, and whoever sees it sees
//!   the machine's effects too.
//! * G4: after a fault nothing is applied, answered or marked clean.
//!
//! # Limits
//!
//! A few orders wait for the thread; openraft gives one at a time.
//!
//! # Not here
//!
//! What entries mean: that is the machine's.

mod gate;
mod health;
mod meter;
mod open;
mod options;
mod orders;
pub(crate) mod thread;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use api::figures::StateFigures;
use api::{Answers, GroupId};
use disk::Fault;
use openraft::EntryPayload;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::data::DataMachine;
use crate::folder::Folder;
use crate::machine::Machine;
use crate::membership::{LeaderId, LogId, StoredMembership};
use crate::meta::{MetaMachine, MetaView};
use crate::recovery::{self, Check, OpenError, Owner};
use crate::snapshot::install::{self, Prepared, Site, Trial};
use crate::snapshot::shelf::Shelf;
use crate::snapshot::{BadSnapshot, SnapshotFile, build};
use crate::step::Steps;
use crate::system::Position;
use crate::view::View;
use gate::Gate;
use health::Health;
use meter::Meter;
use orders::Orders;
use thread::{Order, StateWorker};

pub use options::{Driver, LogWatermark, MAP_BYTES_DEFAULT, OpenOptions};

/// One entry of a group's log.
pub type Entry = openraft::Entry<LeaderId, EntryPayload<api::Payload, api::NodeId, api::Member>>;

/// How far a group's state is applied. What it speaks of is committed and visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last applied entry.
    pub last: Option<LogId>,
    /// The group's time after it, milliseconds.
    pub group_time_ms: u64,
}

impl Applied {
    /// The index of the last applied entry.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        self.last.map(|last| last.index)
    }

    /// Whether the entry at `index` is applied.
    #[must_use]
    pub fn covers(&self, index: u64) -> bool {
        self.index() >= Some(index)
    }
}

/// One group's state on this node. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    // Not in `Shared`, which the thread holds: the last handle ends the thread.
    orders: Orders,
}

/// What the store's handles, its thread and its snapshot builds share.
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) options: OpenOptions,
    pub(crate) owner: Owner,
    pub(crate) shelf: Shelf,
    pub(crate) gate: Gate,
    pub(crate) health: Health,
    pub(crate) meter: Meter,
    pub(crate) steps: Steps,
    pub(crate) applied: watch::Sender<Applied>,
    /// What the thread applied and committed last.
    pub(crate) position: Mutex<Position>,
    /// The snapshot that was accepted last, unpacked.
    pub(crate) prepared: Mutex<Option<Prepared>>,
    /// Reads tables as the group's machine does.
    trial: Trial,
    meta: Option<watch::Receiver<MetaView>>,
}

impl Store {
    /// Opens the group's state in `directory`, recovers it and starts its thread.
    ///
    /// Blocks: unpacking a snapshot may take a while.
    pub fn open(directory: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        Self::open_watched(directory, options, Steps::default())
    }

    pub(crate) fn open_watched(
        directory: &Path,
        options: OpenOptions,
        steps: Steps,
    ) -> Result<Self, OpenError> {
        if options.group == GroupId::META {
            let subscribe = |machine: &MetaMachine| Some(machine.subscribe());
            Self::open_machine(directory, options, steps, subscribe)
        } else {
            Self::open_machine(directory, options, steps, |_: &DataMachine| None)
        }
    }

    pub(crate) fn open_machine<M: Machine>(
        directory: &Path,
        options: OpenOptions,
        steps: Steps,
        subscribe: impl FnOnce(&M) -> Option<watch::Receiver<MetaView>>,
    ) -> Result<Self, OpenError> {
        let trial: Trial = |tables, txn, path| M::load(tables, txn, path).map(drop);
        let opened = open::open(directory, &options, trial, &steps)?;
        let machine: M = opened.load_machine()?;
        let group_time_ms = machine.group_time_ms();
        let applied = Applied { last: opened.position.last, group_time_ms };
        let health = Health::new(directory, options.on_fault.clone());
        let shared = Arc::new(Shared {
            folder: opened.folder,
            owner: options.owner(),
            options,
            shelf: opened.shelf,
            gate: Gate::open(directory, opened.environment, opened.tables),
            health,
            meter: Meter::default(),
            steps,
            applied: watch::Sender::new(applied),
            position: Mutex::new(opened.position),
            prepared: Mutex::new(None),
            trial,
            meta: subscribe(&machine),
        });
        let worker = StateWorker::new(shared.clone(), machine);
        let orders = Orders::begin(worker, shared.options.driver)?;
        Ok(Self { shared, orders })
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.shared.options.group
    }

    /// The group's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.shared.folder.path()
    }

    /// Takes one consistent look at the state.
    ///
    /// While a snapshot takes the state's place this blocks until every earlier
    /// view is gone. So a view is never kept across an `await`: tasks that wait
    /// here would keep the one that has it from running on.
    pub fn view(&self) -> Result<View, Fault> {
        self.shared.health.check()?;
        self.shared.gate.view()
    }

    /// How far the state is applied, now and as it moves.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Applied> {
        self.shared.applied.subscribe()
    }

    /// The last applied entry and membership.
    #[must_use]
    pub fn position(&self) -> (Option<LogId>, StoredMembership) {
        let position = self.shared.position.lock();
        (position.last, position.membership.clone())
    }

    /// The meta group's state, now and as it moves; `None` for a data group.
    #[must_use]
    pub fn meta(&self) -> Option<watch::Receiver<MetaView>> {
        self.shared.meta.clone()
    }

    /// Whether the log, purged up to `purged`, can bring this state up to date.
    #[must_use]
    pub fn check_log(&self, purged: Option<u64>) -> Check {
        let newest = self.listed_snapshot().and_then(|file| file.header().last_index());
        let applied = self.shared.applied.borrow().index();
        recovery::check(self.group(), applied, purged, newest)
    }

    /// Applies entries in their order: one answer list per entry.
    ///
    /// Ends when they are committed and visible, or with the store's fault.
    pub async fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Answers>, Fault> {
        let (done, answers) = oneshot::channel();
        self.order(Order::Apply { entries, done }, answers).await
    }

    /// Bytes of the environment's pages that hold data.
    pub fn used_bytes(&self) -> Result<u64, Fault> {
        self.shared.gate.environment()?.used_bytes()
    }

    /// What the store measures of itself. Blocks on the disk, briefly.
    #[must_use]
    pub fn figures(&self) -> StateFigures {
        let meter = &self.shared.meter;
        StateFigures {
            apply: meter.apply.read(),
            build: meter.build.read(),
            install: meter.install.read(),
            builds_deferred: self.builds_deferred(),
            snapshot_bytes: self.listed_snapshot().map(|file| file.bytes()),
            // Absent while a snapshot takes the state's place.
            used_bytes: self.used_bytes().ok(),
        }
    }

    /// The newest snapshot, its content unchecked. Never waits for the disk.
    #[must_use]
    pub fn listed_snapshot(&self) -> Option<SnapshotFile> {
        self.shared.shelf.files().into_iter().next()
    }

    /// Builds that were given up because the disk is nearly full.
    #[must_use]
    pub fn builds_deferred(&self) -> u64 {
        self.shared.meter.builds_deferred.get()
    }

    pub(crate) fn note_deferred_build(&self) {
        self.shared.meter.builds_deferred.add();
    }

    /// The newest whole snapshot, if there is one. Blocks when it is read for
    /// the first time.
    pub fn newest_snapshot(&self) -> Result<Option<SnapshotFile>, Fault> {
        self.shared.shelf.newest()
    }

    /// Builds a snapshot of what is applied now. Blocks for as long as it takes
    /// to copy and compress the state; applying goes on.
    pub fn build_snapshot(&self) -> Result<SnapshotFile, Fault> {
        self.shared.health.check()?;
        let started = Instant::now();
        let built = build::build(&self.shared).inspect_err(|fault| {
            // A build that the close cut short is no fault.
            if !self.shared.health.is_closing() {
                self.shared.health.fail(fault);
            }
        })?;
        self.shared.meter.build.record(started.elapsed());
        Ok(built)
    }

    /// Where the snapshot of this name is to be received; what is there already
    /// need not be sent again. One transfer at a time: others are forgotten.
    pub fn incoming(&self, name: &str) -> Result<PathBuf, BadSnapshot> {
        let prepared = self.shared.prepared.lock();
        let accepted = prepared.as_ref().map(|prepared| &prepared.snapshot);
        self.shared.shelf.incoming(name, accepted)
    }

    /// Checks the received snapshot of this name all through: its hash, whose it
    /// is, its limits, and whether it holds a state that opens. A bad one is
    /// removed. Blocks while it is unpacked.
    pub fn accept(&self, name: &str) -> Result<SnapshotFile, BadSnapshot> {
        let path = self.incoming(name)?;
        let accepted = SnapshotFile::open(&path).and_then(|file| {
            let prepared = install::prepare(&self.shared.site(), &file)?;
            // What openraft installs next; nobody else's bench is touched.
            *self.shared.prepared.lock() = Some(prepared);
            Ok(file)
        });
        accepted.inspect_err(|bad| {
            if !matches!(bad, BadSnapshot::Fault(_)) {
                self.shared.shelf.reject(&path);
            }
        })
    }

    /// Replaces the whole state by `snapshot`, and keeps it as the newest.
    ///
    /// A bad snapshot leaves everything as it was. A snapshot that is not ahead
    /// of the state changes nothing.
    pub async fn install(&self, snapshot: SnapshotFile) -> Result<(), BadSnapshot> {
        self.shared.health.check()?;
        let started = Instant::now();
        let shared = self.shared.clone();
        let prepare = move || shared.prepare_to_install(&snapshot);
        let prepared = disk::blocking::run(prepare).await;
        let prepared = prepared.unwrap_or_else(|panicked| {
            let path = self.directory();
            Err(Fault::corrupt("prepare snapshot", path, panicked.to_string()).into())
        });
        let prepared = prepared.inspect_err(|bad| {
            if let BadSnapshot::Fault(fault) = bad {
                self.shared.health.fail(fault);
            }
        })?;
        let Some(prepared) = prepared else { return Ok(()) };
        let (done, installed) = oneshot::channel();
        let order = Order::Install { prepared: Box::new(prepared), done };
        self.order(order, installed).await?;
        self.shared.meter.install.record(started.elapsed());
        Ok(())
    }

    /// Syncs and closes the state and marks it clean. Later calls get an error.
    ///
    /// Blocks; not to be called on a runtime's worker.
    pub fn close(&self) -> Result<(), Fault> {
        let health = &self.shared.health;
        health.close();
        let (done, mut closed) = oneshot::channel();
        self.orders.give_blocking(Order::Close { done }).ok_or_else(|| health.gone())?;
        // An inline store is closed by now.
        let closed = closed.try_recv().or_else(|_| closed.blocking_recv());
        closed.unwrap_or_else(|_| Err(health.gone()))
    }

    async fn order<T>(
        &self,
        order: Order,
        answer: oneshot::Receiver<Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.shared.health.check()?;
        self.orders.give(order, &self.shared).await.ok_or_else(|| self.shared.health.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.shared.health.gone()))
    }

    pub(crate) fn log(&self) -> &dyn LogWatermark {
        &*self.shared.options.log
    }
}

impl Shared {
    /// Makes a checked data file of the snapshot and keeps the snapshot;
    /// `None` if it is not ahead of the state.
    fn prepare_to_install(&self, snapshot: &SnapshotFile) -> Result<Option<Prepared>, BadSnapshot> {
        let site = self.site();
        let accepted = self.prepared.lock().take_if(|accepted| accepted.snapshot == *snapshot);
        let prepared = match accepted {
            Some(prepared) => prepared,
            None => install::prepare(&site, snapshot)?,
        };
        if prepared.position.last <= self.position.lock().last {
            tracing::warn!(snapshot = snapshot.name(), "snapshot is not ahead of the state");
            return Ok(None);
        }
        install::keep(&site, &prepared)?;
        Ok(Some(prepared))
    }

    pub(crate) fn site(&self) -> Site<'_> {
        Site {
            folder: &self.folder,
            shelf: &self.shelf,
            map_bytes: self.options.map_bytes,
            trial: self.trial,
            steps: &self.steps,
        }
    }
}

#[cfg(test)]
mod tests;
