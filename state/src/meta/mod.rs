//! Meta: what does the cluster know of itself?
//!
//! The meta group's log adds up to the cluster's id, its nodes and groups, who
//! owns which shard, and the catalogue of collections. [`MetaState`] holds all
//! of it in memory; `MetaMachine` applies commands to it and writes every
//! change through to the `meta` table. Readers get the state of the last commit
//! from a watch.
//!
//! A command is judged like a data command: did it run before, is the
//! collection being dropped, is its issue time within bounds? Then it runs.
//!
//! # Invariants
//!
//! * M1: a collection id is given once, for ever.
//! * M2: the config number grows by one with every change that a router sees.
//! * M3: every shard of a founded cluster has an owner that is one of its groups.
//! * M4: a name whose collection is being dropped stays taken until every group
//!   has fenced it, so nobody sees the drop half done.

mod apply;
mod rows;
mod state;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use api::codec::Malformed;
use api::{Answer, Answers, Content, MetaCommand, Payload, Rejection};
use bytes::Bytes;
use disk::Fault;
use heed::{RoTxn, RwTxn};
use tokio::sync::watch;

pub use state::{Collection, Drop, Founding, MetaState, ShardOwner};

use crate::dedup::{Admission, Bounds, Dedup, Recall};
use crate::machine::Machine;
use crate::tables::Tables;
use crate::time::GroupTime;
use apply::Step;
use rows::Rows;

/// The meta state as of one commit.
pub type MetaView = Arc<MetaState>;

/// The state machine of the meta group.
pub(crate) struct MetaMachine {
    state: MetaState,
    time: GroupTime,
    dedup: Dedup,
    path: Arc<Path>,
    views: watch::Sender<MetaView>,
}

impl Machine for MetaMachine {
    fn load(tables: &Tables, txn: &RoTxn<'_>, path: &Arc<Path>) -> Result<Self, Fault> {
        let state = rows::load(tables, txn, path)?;
        Ok(Self {
            time: GroupTime::load(tables, txn, path)?,
            dedup: Dedup::load(tables, txn, path, Bounds::FORMAT)?,
            path: path.clone(),
            views: watch::Sender::new(Arc::new(state.clone())),
            state,
        })
    }

    fn apply(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        index: u64,
        payload: &Payload,
    ) -> Result<Answers, Fault> {
        let (stamp_ms, content) =
            payload.decode().map_err(|error| malformed(index, &error, &self.path))?;
        let now_ms = self.time.advance(tables, txn, stamp_ms, &self.path)?;
        self.dedup.begin(tables, txn, now_ms, index)?;
        let answers = match content {
            Content::Commands(forms) => self.run_all(tables, txn, index, forms)?,
            // Steps of data groups mean nothing here, on every replica alike.
            Content::Assign { .. } | Content::Fence { .. } | Content::Sweep { .. } => {
                Answers::default()
            }
        };
        self.dedup.finish(tables, txn)?;
        Ok(answers)
    }

    fn committed(&mut self) {
        if **self.views.borrow() != self.state {
            self.views.send_replace(Arc::new(self.state.clone()));
        }
    }

    fn group_time_ms(&self) -> u64 {
        self.time.millis()
    }

    fn reload(&mut self, tables: &Tables, txn: &RoTxn<'_>, path: &Arc<Path>) -> Result<(), Fault> {
        let Self { state, time, dedup, path, views: _ } = Self::load(tables, txn, path)?;
        (self.state, self.time, self.dedup, self.path) = (state, time, dedup, path);
        Ok(())
    }
}

impl MetaMachine {
    /// The state of the last commit, now and as it moves.
    pub(crate) fn subscribe(&self) -> watch::Receiver<MetaView> {
        self.views.subscribe()
    }

    fn run_all(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        index: u64,
        forms: Vec<Bytes>,
    ) -> Result<Answers, Fault> {
        let mut answers = Vec::with_capacity(forms.len());
        for form in forms {
            let command =
                MetaCommand::decode(form).map_err(|error| malformed(index, &error, &self.path))?;
            answers.push(self.run(tables, txn, &command)?);
        }
        Ok(Answers(answers))
    }

    fn run(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        command: &MetaCommand,
    ) -> Result<Answer, Fault> {
        let MetaCommand { header, operation } = command;
        match self.dedup.recall(tables, txn, header)? {
            Recall::New => {}
            Recall::Replay(outcome) => return Ok(Answer::Executed { outcome, replay: true }),
            Recall::Reused => return Ok(Answer::Rejected(Rejection::IdReused)),
        }
        if apply::is_blocked(&self.state, operation) {
            return Ok(Answer::Rejected(Rejection::Dropping));
        }
        let group_time_ms = self.time.millis();
        match self.dedup.admit(header) {
            Admission::Timely => {}
            Admission::Stale => return Ok(Answer::Rejected(Rejection::Stale { group_time_ms })),
            Admission::FromFuture => {
                return Ok(Answer::Rejected(Rejection::FromFuture { group_time_ms }));
            }
        }
        let Step { outcome, changes } = apply::run(&mut self.state, operation);
        Rows::new(tables, &self.path).write(txn, &self.state, &changes)?;
        self.dedup.record(header, &outcome);
        Ok(Answer::Executed { outcome, replay: false })
    }
}

fn malformed(index: u64, error: &Malformed, path: &Path) -> Fault {
    Fault::corrupt("apply log entry", path, format!("entry {index}: {error}"))
}
