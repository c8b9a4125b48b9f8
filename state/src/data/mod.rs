//! Data: what a data group's log adds up to.
//!
//! `DataMachine` applies entries. A command is judged in this order, and the
//! first "no" is its answer:
//!
//! 1. Does the group serve the shard? An old owner must not answer from memory.
//! 2. Did the request run before? Then that is the answer.
//! 3. Is the collection fenced?
//! 4. Is the request's issue time within bounds?
//!
//! Then it runs, and what it comes to is remembered. A rejected command changes
//! nothing, is not remembered, and does not hold up the others of its entry.
//!
//! * `decision`: what an operation does to a row; pure.
//! * `batch`: what an entry does to the tables.
//! * `sweep`: how the rows of dropped collections go away.
//! * `index`, `shards`, [`counts`], [`fences`]: tables and their bytes.
//! * [`verify`]: whether the tables agree with each other.
//!
//! # Invariants
//!
//! K1 (row checks) in `row`, K2 (versions) in `batch`, K3 (counts) in `counts`,
//! K4 (value index) in `index`, D1-D3 (exactly once) in `dedup`, X1 (group time)
//! in `time`.
//!
//! # Not here
//!
//! A clock, randomness, a node's settings: apply reads the entry, the tables and
//! constants of the format, nothing else.

pub(crate) mod batch;
pub mod counts;
pub(crate) mod decision;
pub mod fences;
pub(crate) mod index;
pub(crate) mod shards;
pub(crate) mod sweep;
pub mod verify;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use api::codec::Malformed;
use api::limits::SHARDS;
use api::{
    Answer, Answers, CollectionId, Command, ConfigVersion, Content, Epoch, Payload, Rejection,
    ShardId,
};
use bytes::Bytes;
use disk::Fault;
use heed::{RoTxn, RwTxn};

use self::batch::Batch;
use self::fences::Fence;
use crate::dedup::{Admission, Bounds, Dedup, Recall};
use crate::machine::Machine;
use crate::tables::Tables;
use crate::time::GroupTime;

/// The state machine of a data group.
pub(crate) struct DataMachine {
    time: GroupTime,
    dedup: Dedup,
    path: Arc<Path>,
}

impl Machine for DataMachine {
    fn load(tables: &Tables, txn: &RoTxn<'_>, path: &Arc<Path>) -> Result<Self, Fault> {
        Self::load_bounded(tables, txn, path, Bounds::FORMAT)
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
        let path = self.path.clone();
        let mut batch = Batch::new(tables, txn, &path);
        let answers = match content {
            Content::Commands(forms) => self.run_all(&mut batch, index, forms)?,
            Content::Assign { epoch, shards } => assign(&mut batch, epoch, &shards)?,
            Content::Fence { collection, config } => fence(&mut batch, collection, config)?,
            Content::Sweep { collection, rows_max } => {
                sweep::step(&mut batch, collection, rows_max)?;
                Answers::default()
            }
        };
        batch.finish()?;
        self.dedup.finish(tables, txn)?;
        Ok(answers)
    }

    fn committed(&mut self) {}

    fn group_time_ms(&self) -> u64 {
        self.time.millis()
    }
}

impl DataMachine {
    fn load_bounded(
        tables: &Tables,
        txn: &RoTxn<'_>,
        path: &Arc<Path>,
        bounds: Bounds,
    ) -> Result<Self, Fault> {
        Ok(Self {
            time: GroupTime::load(tables, txn, path)?,
            dedup: Dedup::load(tables, txn, path, bounds)?,
            path: path.clone(),
        })
    }

    fn run_all(
        &mut self,
        batch: &mut Batch<'_, '_>,
        index: u64,
        forms: Vec<Bytes>,
    ) -> Result<Answers, Fault> {
        let mut answers = Vec::with_capacity(forms.len());
        for form in forms {
            let command =
                Command::decode(form).map_err(|error| malformed(index, &error, &self.path))?;
            answers.push(self.run(batch, &command)?);
        }
        Ok(Answers(answers))
    }

    fn run(&mut self, batch: &mut Batch<'_, '_>, command: &Command) -> Result<Answer, Fault> {
        let Command { header, operation } = command;
        if let Err(epoch) = batch.owned(header.shard)? {
            return Ok(Answer::Rejected(Rejection::NotOwner { epoch }));
        }
        match self.dedup.recall(batch.tables, batch.txn, header)? {
            Recall::New => {}
            Recall::Replay(outcome) => return Ok(Answer::Executed { outcome, replay: true }),
            Recall::Reused => return Ok(Answer::Rejected(Rejection::IdReused)),
        }
        if batch.fence(header.collection)?.is_some() {
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
        let outcome = batch.run(header.shard, header.collection, operation)?;
        self.dedup.record(header, &outcome);
        Ok(Answer::Executed { outcome, replay: false })
    }
}

/// Shards beyond the format are passed over: no key is in them.
fn assign(batch: &mut Batch<'_, '_>, epoch: Epoch, shards: &[ShardId]) -> Result<Answers, Fault> {
    for shard in shards.iter().filter(|shard| shard.0 < SHARDS) {
        batch.assign(*shard, epoch)?;
    }
    Ok(Answers::default())
}

/// The first fence stays: a repeat changes nothing.
fn fence(
    batch: &mut Batch<'_, '_>,
    collection: CollectionId,
    config: ConfigVersion,
) -> Result<Answers, Fault> {
    if batch.fence(collection)?.is_none() {
        let fence = Fence { config, swept: false };
        fences::write(batch.tables, batch.txn, collection, &fence, batch.path)?;
    }
    Ok(Answers::default())
}

fn malformed(index: u64, error: &Malformed, path: &Path) -> Fault {
    Fault::corrupt("apply log entry", path, format!("entry {index}: {error}"))
}
