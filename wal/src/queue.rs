//! Queue: in which order do operations reach the disk, and how many may wait?
//!
//! One queue for all groups, first in first out, bounded in operations and in
//! bytes. A caller first waits for a [`Place`], asynchronously, and then pushes
//! without waiting: between taking effect in memory and standing in the queue
//! no operation can be overtaken or lost.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use api::GroupId;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::flushed::{Mark, Reached};
use crate::options::Options;
use crate::stop::Stop;
use crate::store::Change;

/// The waiting operations of all groups.
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    ops: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    queue_bytes: usize,
    batch_ops: usize,
    batch_bytes: usize,
}

/// One group's open log. Whoever holds it may still change that log's records.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) gid: GroupId,
    pub(crate) mark: Arc<Mark>,
}

/// What to write for one group, and whom to tell.
pub(crate) struct Op {
    pub(crate) owner: Arc<Owner>,
    pub(crate) changes: Vec<Change>,
    /// Encoded bytes it writes.
    pub(crate) bytes: usize,
    /// What is durable in the log once this is.
    pub(crate) reached: Option<Reached>,
    /// Purged entries to delete later, in slices.
    pub(crate) sweep: Option<RangeInclusive<u64>>,
    pub(crate) done: Option<Done>,
    /// Held until it is done, so that what waits in memory stays bounded.
    pub(crate) place: Option<Place>,
}

/// Called once, from the writer, with what became of an operation.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// The right to push one operation.
pub(crate) struct Place {
    _op: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// A record that rides with the next batch and never causes one.
struct Rider {
    changes: Vec<Change>,
    /// How many operations were pushed before it. It must not be durable
    /// before they are.
    after: u64,
}

struct State {
    ops: VecDeque<Op>,
    riders: BTreeMap<GroupId, Rider>,
    pushed: u64,
    taken: u64,
    phase: Phase,
}

enum Phase {
    Open,
    /// What waits is still written; nothing new is taken.
    Closing,
    Stopped(Stop),
}

/// What the writer finds.
pub(crate) enum Taken {
    /// Operations in order, and riders with them.
    Batch(Vec<Op>, Vec<Change>),
    /// Nothing waits.
    Nothing,
    /// Nothing will come: the last riders, to be written with the clean mark.
    Closing(Vec<Change>),
    /// Stopped: these operations are not written.
    Stopped(Stop, Vec<Op>),
}

impl Queue {
    pub(crate) fn new(options: &Options) -> Self {
        // A semaphore hands out at most a u32 of permits at once.
        let queue_bytes = options.queue_bytes.clamp(1, u32::MAX as usize);
        let state = State {
            ops: VecDeque::new(),
            riders: BTreeMap::new(),
            pushed: 0,
            taken: 0,
            phase: Phase::Open,
        };
        Self {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            ops: Arc::new(Semaphore::new(options.queue_ops.clamp(1, Semaphore::MAX_PERMITS))),
            bytes: Arc::new(Semaphore::new(queue_bytes)),
            queue_bytes,
            batch_ops: options.batch_ops.max(1),
            batch_bytes: options.batch_bytes.max(1),
        }
    }

    /// Waits until one more operation of this size may wait. One larger than
    /// the whole queue waits until it is alone.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Place, Stop> {
        let bytes = u32::try_from(bytes.clamp(1, self.queue_bytes)).unwrap_or(u32::MAX);
        let place = async {
            let op = Arc::clone(&self.ops).acquire_owned().await?;
            let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await?;
            Ok::<_, tokio::sync::AcquireError>(Place { _op: op, _bytes: bytes })
        };
        place.await.map_err(|_closed| self.stopped().unwrap_or(Stop::Closed))
    }

    /// Puts the operation last. If the queue takes none any more, it is done at
    /// once, with an error.
    pub(crate) fn push(&self, op: Op) {
        let mut state = self.state.lock();
        if let Phase::Open = state.phase {
            state.ops.push_back(op);
            state.pushed += 1;
            drop(state);
            self.arrived.notify_one();
            return;
        }
        let stop = state.phase.stop().unwrap_or(Stop::Closed);
        drop(state);
        op.finish(Err(stop.into()));
    }

    /// Leaves changes that the next batch takes along, once everything pushed
    /// before is written or in it. A later rider of the group replaces it.
    pub(crate) fn ride(&self, gid: GroupId, changes: Vec<Change>) {
        let mut state = self.state.lock();
        let after = state.pushed;
        state.riders.insert(gid, Rider { changes, after });
    }

    /// Takes the next batch, in order. Blocks for it if `wait`.
    pub(crate) fn take(&self, wait: bool) -> Taken {
        let mut state = self.state.lock();
        loop {
            match &state.phase {
                Phase::Stopped(stop) => {
                    let stop = stop.clone();
                    return Taken::Stopped(stop, mem::take(&mut state.ops).into());
                }
                Phase::Open | Phase::Closing if !state.ops.is_empty() => {
                    let ops = self.drain(&mut state);
                    return Taken::Batch(ops, state.board());
                }
                Phase::Closing => return Taken::Closing(state.board()),
                Phase::Open if wait => self.arrived.wait(&mut state),
                Phase::Open => return Taken::Nothing,
            }
        }
    }

    fn drain(&self, state: &mut State) -> Vec<Op> {
        let mut bytes = 0;
        let mut fits = 0;
        for op in state.ops.iter().take(self.batch_ops) {
            bytes += op.bytes;
            if fits > 0 && bytes > self.batch_bytes {
                break;
            }
            fits += 1;
        }
        assert!(fits > 0, "a batch of an unempty queue is not empty");
        state.taken += fits as u64;
        state.ops.drain(..fits).collect()
    }

    /// Takes nothing new from here on; what waits is still written.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if let Phase::Open = state.phase {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.wake();
    }

    /// Takes nothing and writes nothing from here on. Returns whether this was
    /// the first to say so.
    pub(crate) fn stop(&self, stop: Stop) -> bool {
        let mut state = self.state.lock();
        let first = !matches!(state.phase, Phase::Stopped(_));
        if first {
            state.phase = Phase::Stopped(stop);
        }
        drop(state);
        self.wake();
        first
    }

    /// Why nothing is taken any more, if so.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.state.lock().phase.stop()
    }

    fn wake(&self) {
        self.ops.close();
        self.bytes.close();
        self.arrived.notify_all();
    }
}

impl State {
    /// The riders whose every predecessor is taken.
    fn board(&mut self) -> Vec<Change> {
        let taken = self.taken;
        let ready = self.riders.extract_if(.., |_, rider| rider.after <= taken);
        ready.flat_map(|(_, rider)| rider.changes).collect()
    }
}

impl Phase {
    fn stop(&self) -> Option<Stop> {
        match self {
            Self::Open => None,
            Self::Closing => Some(Stop::Closed),
            Self::Stopped(stop) => Some(stop.clone()),
        }
    }
}

impl Op {
    /// Tells whoever waits, and frees the place.
    pub(crate) fn finish(self, result: io::Result<()>) {
        drop(self.place);
        if let Some(done) = self.done {
            done(result);
        }
    }
}

#[cfg(test)]
mod tests;
