//! Thread: the one place that changes a group's state.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use api::Answers;
use disk::Fault;
use disk::fault::OrFault;
use heed::RwTxn;
use openraft::EntryPayload;
use tokio::sync::{mpsc, oneshot};

use super::{Applied, Entry, Shared, open};
use crate::machine::Machine;
use crate::membership::StoredMembership;
use crate::recovery::{self, OpenError};
use crate::snapshot::install::{self, Prepared};
use crate::step::Step;
use crate::system::{self, Position};
use crate::tables::Tables;

/// How long the thread waits for the log before it looks whether to stop, and
/// says that it waits.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// What the thread is asked to do.
pub(crate) enum Order {
    /// Apply these entries in one transaction.
    Apply {
        /// The entries, in log order.
        entries: Vec<Entry>,
        /// Where the answers go once they are visible.
        done: oneshot::Sender<Result<Vec<Answers>, Fault>>,
    },
    /// Put this data file in the environment's place.
    Install {
        /// The checked file, whose snapshot is kept.
        prepared: Box<Prepared>,
        /// Told when the new state is visible.
        done: oneshot::Sender<Result<(), Fault>>,
    },
    /// Sync, close and end.
    Close {
        /// Told when the marker is written.
        done: oneshot::Sender<Result<(), Fault>>,
    },
}

/// Whoever carries out a store's orders.
pub(super) trait Worker: Send {
    /// Carries out one order. The close is the last one.
    fn carry_out(&mut self, order: Order);
}

/// All that is needed to change a group's state.
pub(super) struct StateWorker<M> {
    shared: Arc<Shared>,
    machine: M,
    position: Position,
}

impl<M: Machine> StateWorker<M> {
    pub(super) fn new(shared: Arc<Shared>, machine: M) -> Self {
        let position = shared.position.lock().clone();
        Self { shared, machine, position }
    }

    /// Starts a thread that takes orders until the close, or until every handle
    /// is gone.
    pub(super) fn spawn(mut self, mut orders: mpsc::Receiver<Order>) -> Result<(), Fault> {
        let path = self.shared.gate.path().clone();
        thread::Builder::new()
            .name(format!("state-{}", self.shared.options.group))
            .spawn(move || {
                while let Some(order) = orders.blocking_recv() {
                    let is_last = matches!(order, Order::Close { .. });
                    self.carry_out(order);
                    if is_last {
                        return;
                    }
                }
            })
            .or_fault("start state thread", &path)?;
        Ok(())
    }
}

impl<M: Machine> Worker for StateWorker<M> {
    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Apply { entries, done } => {
                let answers = self.guarded(|state| state.apply(&entries));
                let answers = answers.and_then(|a| a.ok_or_else(|| self.shared.health.gone()));
                // Nobody waits any more when the group is being stopped.
                let _heard = done.send(answers);
            }
            Order::Install { prepared, done } => {
                let _heard = done.send(self.guarded(|state| state.install(&prepared)));
            }
            Order::Close { done } => {
                let _heard = done.send(self.close());
            }
        }
    }
}

impl<M: Machine> StateWorker<M> {
    /// G4: does nothing after a fault, and notes the first one.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.shared.health.has_failed() {
            return Err(self.shared.health.gone());
        }
        // Here, so that it goes off before whoever waits is let go.
        let _alarm = Alarm(self.shared.clone());
        let result = work(self);
        result.inspect_err(|fault| self.shared.health.fail(fault))
    }

    /// G1: applies the entries in one transaction; `None` if the store was closed first.
    fn apply(&mut self, entries: &[Entry]) -> Result<Option<Vec<Answers>>, Fault> {
        let Some(last) = entries.last().map(|entry| entry.log_id) else {
            return Ok(Some(Vec::new()));
        };
        let started = Instant::now();
        let path = self.shared.gate.path().clone();
        let (environment, tables) = self.shared.gate.enter()?;
        let mut txn = environment.heed().write_txn().or_fault("begin write", &path)?;
        let mut position = self.position.clone();
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            answers.push(self.apply_entry(&tables, &mut txn, entry, &mut position)?);
        }
        assert_eq!(position.last, Some(last), "every entry was applied");
        system::write_applied(&tables, &mut txn, &last, &path)?;
        if position.membership != self.position.membership {
            system::write_membership(&tables, &mut txn, &position.membership, &path)?;
        }
        self.shared.steps.reach(Step::Applied)?;
        if !self.log_is_flushed(last.index) {
            // The machine has seen entries that are not committed after all.
            drop(txn);
            self.reload()?;
            return Ok(None);
        }
        self.shared.options.flush.commit(txn, &path)?;
        self.shared.steps.reach(Step::Committed)?;
        self.publish(position);
        self.shared.meter.apply.record(started.elapsed());
        Ok(Some(answers))
    }

    fn apply_entry(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        entry: &Entry,
        position: &mut Position,
    ) -> Result<Answers, Fault> {
        let id = entry.log_id;
        assert!(Some(id) > position.last, "{id} comes after {:?}", position.last);
        position.last = Some(id);
        match &entry.payload {
            EntryPayload::Blank => Ok(Answers::default()),
            EntryPayload::Membership(membership) => {
                position.membership = StoredMembership::new(Some(id), membership.clone());
                Ok(Answers::default())
            }
            EntryPayload::Normal(payload) => self.machine.apply(tables, txn, id.index, payload),
        }
    }

    /// G2: nothing is committed that the log may lose. Waits for the log;
    /// `false` if the store is closed first.
    fn log_is_flushed(&self, index: u64) -> bool {
        while !self.shared.options.log.wait_until(index, LOG_PATIENCE) {
            if self.shared.health.is_closing() {
                return false;
            }
            let group = self.shared.options.group;
            tracing::warn!(%group, index, "state waits for the log to be flushed");
        }
        true
    }

    fn install(&mut self, prepared: &Prepared) -> Result<(), Fault> {
        assert!(prepared.position.last > self.position.last, "a snapshot goes forward");
        let shared = self.shared.clone();
        let path = shared.gate.path();
        let site = shared.site();
        {
            let _no_copy_is_running = shared.shelf.copying.lock();
            let Some(environment) = shared.gate.take() else { return Err(shared.health.gone()) };
            if !environment.close(shared.options.drain_patience) {
                shared.gate.close();
                let error = io::Error::other("views stayed open");
                return Err(Fault::io("drain views", &**path, error));
            }
        }
        let swapped = (|| -> Result<Position, Fault> {
            shared.steps.reach(Step::Closed)?;
            install::replace(&site, prepared)?;
            let opened = open::open_environment(&shared.folder, &shared.options);
            let (environment, tables, position) = opened.map_err(|error| unopened(error, self))?;
            assert_eq!(position, prepared.position, "the prepared file is the one that opened");
            shared.gate.reopen(environment, tables);
            self.reload()?;
            Ok(position)
        })();
        match swapped {
            Ok(position) => self.publish(position),
            Err(fault) => {
                shared.gate.close();
                return Err(fault);
            }
        }
        shared.shelf.prune()
    }

    /// G3: the machine's effects first, then the position.
    fn publish(&mut self, position: Position) {
        assert!(position.last >= self.position.last, "applied never goes back");
        self.machine.committed();
        let last = position.last;
        self.shared.position.lock().clone_from(&position);
        self.position = position;
        self.shared.prepared.lock().take_if(|prepared| prepared.position.last <= last);
        let group_time_ms = self.machine.group_time_ms();
        self.shared.applied.send_replace(Applied { last, group_time_ms });
    }

    /// Reads the machine again from what is committed.
    fn reload(&mut self) -> Result<(), Fault> {
        let path = self.shared.gate.path().clone();
        let (environment, tables) = self.shared.gate.enter()?;
        let txn = environment.heed().read_txn().or_fault("begin read", &path)?;
        self.machine.reload(&tables, &txn, &path)
    }

    fn close(&mut self) -> Result<(), Fault> {
        let shared = self.shared.clone();
        shared.health.close();
        let Some(environment) = shared.gate.close() else { return Err(shared.health.gone()) };
        if shared.health.has_failed() {
            return Err(shared.health.gone());
        }
        shared.options.flush.sync(&environment)?;
        shared.steps.reach(Step::Synced)?;
        // Views may outlive the store: they only read, and no one writes any more.
        let path = shared.folder.path().display();
        if !environment.close(shared.options.drain_patience) {
            tracing::warn!(%path, "state closed while views are open");
        }
        recovery::leave(&shared.folder, &shared.owner)?;
        shared.steps.reach(Step::MarkedClean)
    }
}

fn unopened<M>(error: OpenError, state: &StateWorker<M>) -> Fault {
    match error {
        OpenError::Fault(fault) => fault,
        other => {
            let path = &**state.shared.gate.path();
            Fault::corrupt("reopen state", path, other.to_string())
        }
    }
}

/// Tells the store's owner when the thread panics.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let path = &**self.0.gate.path();
            self.0.gate.close();
            self.0.health.fail(&Fault::corrupt("run state thread", path, "it panicked"));
        }
    }
}
