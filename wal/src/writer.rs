//! Writer: how do many groups share one sync?
//!
//! One writer serves all groups of a node. A turn takes everything that waits,
//! up to the batch limits, applies it as one durable batch, publishes how far
//! each group is durable, and then reports to each caller in the order the
//! operations were accepted. There is no linger: while one batch syncs, the
//! next one gathers.
//!
//! On a node the writer is the thread `wal`; in simulation the simulator takes
//! the turns.
//!
//! # Invariants
//!
//! W1, W2, W5, W6 of the crate are kept here.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use api::GroupId;
use disk::Fault;
use parking_lot::Mutex;

use crate::flushed::Mark;
use crate::identity;
use crate::key::Key;
use crate::meter::{self, Meter};
use crate::queue::{Op, Owner, Queue, Taken};
use crate::stop::Stop;
use crate::store::{Change, Store, Table};

/// What the writer, the logs and their readers share.
pub(crate) struct Shared {
    pub(crate) store: Box<dyn Store>,
    pub(crate) queue: Queue,
    pub(crate) marks: Mutex<BTreeMap<GroupId, Arc<Mark>>>,
    pub(crate) meter: Meter,
    pub(crate) on_fault: Box<dyn Fn(&Fault) + Send + Sync>,
}

/// Takes batches off the queue and makes them durable.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// At most one per group; each batch takes one slice of the first.
    sweeps: VecDeque<Sweep>,
    purge_slice: u64,
}

/// Purged entries still to be deleted. Nobody reads them any more.
struct Sweep {
    owner: Arc<Owner>,
    left: RangeInclusive<u64>,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Wrote something.
    Worked,
    /// Found nothing to write.
    Idle,
    /// Closed or failed; there will be no further turn.
    Over,
}

impl Shared {
    /// Stops everything because of a fault. Only the first one is reported.
    pub(crate) fn fail(&self, fault: Fault) -> Stop {
        let stop = Stop::Faulted(Arc::new(fault));
        if !self.queue.stop(stop.clone()) {
            return self.queue.stopped().unwrap_or(stop);
        }
        if let Stop::Faulted(fault) = &stop {
            tracing::error!(%fault, "the log stops");
            (self.on_fault)(fault);
        }
        self.stop_marks();
        stop
    }

    pub(crate) fn stop_marks(&self) {
        self.marks.lock().values().for_each(|mark| mark.stop());
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, purge_slice: u64) -> Self {
        Self { shared, sweeps: VecDeque::new(), purge_slice: purge_slice.max(1) }
    }

    /// Works until the queue is closed or fails.
    pub(crate) fn run(mut self) {
        let _guard = PanicGuard { shared: Arc::clone(&self.shared) };
        while self.turn(true) != Turn::Over {}
    }

    /// Takes and writes one batch. Waits for one if `wait` and nothing is left
    /// to sweep.
    pub(crate) fn turn(&mut self, wait: bool) -> Turn {
        let wait = wait && self.sweeps.is_empty();
        match self.shared.queue.take(wait) {
            Taken::Batch(ops, riders) => self.write(ops, riders),
            Taken::Nothing if self.sweeps.is_empty() => Turn::Idle,
            Taken::Nothing => self.write(Vec::new(), Vec::new()),
            Taken::Closing(riders) => self.close(riders),
            Taken::Stopped(stop, ops) => {
                refuse(ops, &stop);
                Turn::Over
            }
        }
    }

    fn write(&mut self, mut ops: Vec<Op>, riders: Vec<Change>) -> Turn {
        let mut changes: Vec<Change> =
            ops.iter_mut().flat_map(|op| mem::take(&mut op.changes)).collect();
        changes.extend(riders);
        changes.extend(self.next_slice());
        if let Err(fault) = self.apply(&changes) {
            let stop = self.shared.fail(fault);
            refuse(ops, &stop);
            return Turn::Worked;
        }
        self.publish(&ops);
        for op in ops {
            op.finish(Ok(()));
        }
        Turn::Worked
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        if changes.is_empty() {
            // Nothing to write: all it waits for is durable since the last batch.
            return Ok(());
        }
        let started = Instant::now();
        self.shared.store.apply(changes)?;
        self.shared.meter.sync.record(started.elapsed());
        self.shared.meter.entries.record(meter::entries(changes));
        Ok(())
    }

    /// Every mark of the batch, before the first callback of the batch (W2).
    fn publish(&mut self, ops: &[Op]) {
        for op in ops {
            if let Some(reached) = op.reached {
                op.owner.mark.raise(reached);
            }
            if let Some(sweep) = &op.sweep {
                self.add_sweep(&op.owner, sweep.clone());
            }
        }
    }

    fn add_sweep(&mut self, owner: &Arc<Owner>, added: RangeInclusive<u64>) {
        let Some(sweep) = self.sweeps.iter_mut().find(|sweep| sweep.owner.gid == owner.gid) else {
            self.sweeps.push_back(Sweep { owner: Arc::clone(owner), left: added });
            return;
        };
        let start = *sweep.left.start().min(added.start());
        let end = *sweep.left.end().max(added.end());
        sweep.left = start..=end;
    }

    /// Deletes the next few purged entries of the group whose turn it is.
    fn next_slice(&mut self) -> Option<Change> {
        let mut sweep = self.sweeps.pop_front()?;
        let gid = sweep.owner.gid;
        let (start, end) = sweep.left.clone().into_inner();
        let slice_end = end.min(start.saturating_add(self.purge_slice - 1));
        if slice_end < end {
            sweep.left = slice_end + 1..=end;
            self.sweeps.push_back(sweep);
        }
        let (from, to) = (Key::entry(gid, start), Key::entry(gid, slice_end));
        Some(Change::Delete { table: Table::Log, from, to })
    }

    /// Everything is written: leaves the mark that says so.
    fn close(&self, mut changes: Vec<Change>) -> Turn {
        changes.push(identity::clean_mark());
        match self.shared.store.apply(&changes) {
            Ok(()) => {
                self.shared.queue.stop(Stop::Closed);
                self.shared.stop_marks();
            }
            Err(fault) => {
                let _stop = self.shared.fail(fault);
            }
        }
        Turn::Over
    }
}

fn refuse(ops: Vec<Op>, stop: &Stop) {
    for op in ops {
        op.finish(Err(stop.clone().into()));
    }
}

/// A broken invariant stops the thread; without this, every caller would wait
/// for ever.
struct PanicGuard {
    shared: Arc<Shared>,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let path = self.shared.store.path();
        let fault = Fault::corrupt("write log", path, "the writer panicked on an invariant");
        let stop = self.shared.fail(fault);
        if let Taken::Stopped(_, ops) = self.shared.queue.take(false) {
            refuse(ops, &stop);
        }
    }
}

#[cfg(test)]
mod tests;
