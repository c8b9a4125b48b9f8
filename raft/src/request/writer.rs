//! Writer: gathers commands into log entries, by flat combining.
//!
//! There is no batching task. Whoever finds the slot free takes what waits and
//! submits it; whoever completes a batch submits the next. While a batch is on
//! its way the next one fills. On the leader a batch becomes one log entry; on
//! another node it travels to the leader as one call.
//!
//! # Invariants
//!
//! * Q1: a command that is refused with anything but [`Refusal::Unknown`] was
//!   not proposed and never will be: it left the queue before it was taken.
//! * Q2: a slot is held by a spawned task, never by a caller's future, so that
//!   a caller that goes away leaves nothing hanging.
//! * Q3: a command that arrived from another node is proposed here or refused;
//!   it is never forwarded again.
//!
//! # Limits
//!
//! [`QUEUE_COMMANDS_MAX`] commands and [`QUEUE_BYTES_MAX`] bytes wait; one
//! batch holds [`BATCH_COMMANDS_MAX`] and [`BATCH_BYTES_MAX`]. Beyond: busy.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use api::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, QUEUE_BYTES_MAX, QUEUE_COMMANDS_MAX};
use api::meter::Counter;
use api::{Answer, GroupId, Refusal};

use crate::transport::BoxFuture;

/// How long a batch without an answer keeps the next one waiting. Long enough
/// for any healthy round; after it a group that lost its quorum refuses new
/// commands quickly instead of letting each wait out its deadline.
const SLOT_HELD_MAX: Duration = Duration::from_secs(2);

/// Where a unit of commands came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node.
    Here,
    /// Another node, which believed this one leads.
    Peer,
}

/// What a batch needs to reach the log.
pub trait Propose: Send + Sync + 'static {
    /// Puts the commands into the log as one entry, here or on the leader, and
    /// returns one result per command. `may_forward` is false if any of them
    /// came from another node.
    fn propose(
        &self,
        commands: Vec<Bytes>,
        may_forward: bool,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Vec<Answer>, Refusal>>;

    /// Whether this node leads the group, as far as it knows.
    fn leads(&self) -> bool;

    /// Whether any of them may be refused for want of room on a disk.
    fn takes_room(&self, commands: &[Bytes]) -> bool;
}

/// One group's writes on one node.
pub struct Writer {
    group: GroupId,
    proposer: Arc<dyn Propose>,
    queue: Mutex<Queue>,
    /// Commands whose batch was refused or got no answer.
    pub(crate) failed: Counter,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Unit>,
    commands: usize,
    bytes: usize,
    slot_taken: bool,
}

/// Commands that are proposed together or not at all: one from a client, or
/// what another node sent in one call.
struct Unit {
    commands: Vec<Bytes>,
    bytes: usize,
    origin: Origin,
    deadline: Instant,
    stage: Arc<AtomicU8>,
    done: oneshot::Sender<Result<Vec<Answer>, Refusal>>,
}

/// The unit waits; its caller may still give up.
const WAITING: u8 = 0;
/// A batch has it; its outcome is open.
const TAKEN: u8 = 1;
/// Its caller gave up first; no batch may take it.
const GIVEN_UP: u8 = 2;

impl Writer {
    /// A writer with an empty queue.
    #[must_use]
    pub fn new(group: GroupId, proposer: Arc<dyn Propose>) -> Arc<Self> {
        Arc::new(Self { group, proposer, queue: Mutex::default(), failed: Counter::default() })
    }

    /// Has the commands applied and returns their answers in order.
    pub async fn write(
        self: &Arc<Self>,
        commands: Vec<Bytes>,
        origin: Origin,
        timeout: Duration,
    ) -> Result<Vec<Answer>, Refusal> {
        let (done, answer) = oneshot::channel();
        let stage = Arc::new(AtomicU8::new(WAITING));
        let bytes = commands.iter().map(Bytes::len).sum();
        let deadline = Instant::now() + timeout;
        let unit = Unit { commands, bytes, origin, deadline, stage: Arc::clone(&stage), done };
        let batch = self.enqueue(unit)?;
        if let Some(batch) = batch {
            tokio::spawn(Arc::clone(self).run(batch));
        }
        let group = self.group;
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            // The task that held it is gone: the process is stopping.
            Ok(Err(_)) => Err(Refusal::Unknown { group, waited: timeout }),
            Err(_) => Err(give_up(&stage, group, timeout)),
        }
    }

    /// Commands that wait to be proposed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.lock().commands
    }

    /// Adds a unit, and takes the slot if it is free.
    fn enqueue(&self, unit: Unit) -> Result<Option<Vec<Unit>>, Refusal> {
        let mut queue = self.queue.lock();
        let commands = queue.commands + unit.commands.len();
        let bytes = queue.bytes + unit.bytes;
        if !queue.waiting.is_empty() && (commands > QUEUE_COMMANDS_MAX || bytes > QUEUE_BYTES_MAX) {
            return Err(Refusal::Busy { group: self.group });
        }
        queue.commands = commands;
        queue.bytes = bytes;
        queue.waiting.push_back(unit);
        if queue.slot_taken {
            return Ok(None);
        }
        let batch = queue.take();
        queue.slot_taken = !batch.is_empty();
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Submits one batch after the other until nothing waits.
    async fn run(self: Arc<Self>, mut batch: Vec<Unit>) {
        loop {
            let running = tokio::spawn(Arc::clone(&self).submit(batch));
            // A batch that takes too long is left to end by itself.
            let _held = tokio::time::timeout(SLOT_HELD_MAX, running).await;
            // The callers just woken queue their next commands first: without
            // this yield every second batch would hold a single command.
            tokio::task::yield_now().await;
            let mut queue = self.queue.lock();
            batch = queue.take();
            if batch.is_empty() {
                queue.slot_taken = false;
                return;
            }
        }
    }

    async fn submit(self: Arc<Self>, mut units: Vec<Unit>) {
        if !self.proposer.leads() {
            units = self.refuse_forwarded(units);
            if units.is_empty() {
                return;
            }
        }
        match self.propose(&units).await {
            Ok(answers) => self.hand_out(units, answers),
            Err(refusal @ Refusal::DiskFull { .. }) => self.submit_frugal(units, &refusal).await,
            Err(refusal) => self.refuse(units, &refusal),
        }
    }

    /// Submits again what takes no room of a batch that was refused for want of it:
    /// what makes room must not fail for its company.
    async fn submit_frugal(&self, units: Vec<Unit>, refusal: &Refusal) {
        let (greedy, frugal): (_, Vec<_>) =
            units.into_iter().partition(|unit| self.proposer.takes_room(&unit.commands));
        self.refuse(greedy, refusal);
        if frugal.is_empty() {
            return;
        }
        match self.propose(&frugal).await {
            Ok(answers) => self.hand_out(frugal, answers),
            Err(refusal) => self.refuse(frugal, &refusal),
        }
    }

    async fn propose(&self, units: &[Unit]) -> Result<Vec<Answer>, Refusal> {
        let may_forward = units.iter().all(|unit| unit.origin == Origin::Here);
        let deadline = units.iter().map(|unit| unit.deadline).max().unwrap_or_else(Instant::now);
        let commands = units.iter().flat_map(|unit| unit.commands.iter().cloned()).collect();
        self.proposer.propose(commands, may_forward, deadline).await
    }

    fn refuse(&self, units: Vec<Unit>, refusal: &Refusal) {
        for unit in units {
            self.failed.add_many(unit.commands.len() as u64);
            let _gone = unit.done.send(Err(refusal.clone()));
        }
    }

    /// Gives each unit its share of the answers.
    fn hand_out(&self, units: Vec<Unit>, answers: Vec<Answer>) {
        let mut answers = answers.into_iter();
        for unit in units {
            let share: Vec<Answer> = answers.by_ref().take(unit.commands.len()).collect();
            let whole = share.len() == unit.commands.len();
            // Too few answers would mean a state machine of another release:
            // the commands may have run.
            let waited = Duration::ZERO;
            let result =
                whole.then_some(share).ok_or(Refusal::Unknown { group: self.group, waited });
            let _gone = unit.done.send(result);
        }
    }

    fn refuse_forwarded(&self, units: Vec<Unit>) -> Vec<Unit> {
        let (here, forwarded): (_, Vec<_>) =
            units.into_iter().partition(|unit| unit.origin == Origin::Here);
        for unit in forwarded {
            let refusal = Refusal::NotLeader { group: self.group, leader: None };
            let _gone = unit.done.send(Err(refusal));
        }
        here
    }
}

impl Queue {
    /// Takes the next batch; units whose caller gave up are dropped.
    fn take(&mut self) -> Vec<Unit> {
        let mut batch: Vec<Unit> = Vec::new();
        let (mut commands, mut bytes) = (0, 0);
        while let Some(unit) = self.waiting.front() {
            commands += unit.commands.len();
            bytes += unit.bytes;
            if !batch.is_empty() && (commands > BATCH_COMMANDS_MAX || bytes > BATCH_BYTES_MAX) {
                break;
            }
            let Some(unit) = self.waiting.pop_front() else { break };
            self.commands -= unit.commands.len();
            self.bytes -= unit.bytes;
            let taken =
                unit.stage.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire);
            if taken.is_ok() {
                batch.push(unit);
            } else {
                commands -= unit.commands.len();
                bytes -= unit.bytes;
            }
        }
        batch
    }
}

/// What a caller may say when its time is up: certainly nothing happened if it
/// is the one that takes the unit out of the queue.
fn give_up(stage: &AtomicU8, group: GroupId, waited: Duration) -> Refusal {
    match stage.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Refusal::Expired { group, waited },
        Err(_) => Refusal::Unknown { group, waited },
    }
}

#[cfg(test)]
mod tests;
