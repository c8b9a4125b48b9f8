//! The vocabulary every other crate shares. No I/O, no openraft, no LMDB.
//!
//! * [`id`]: names of things, each its own type so that a swap does not compile.
//! * [`figures`]: what a node measures of itself, as values without names.
//! * [`limits`]: every bound of the system, in one place, with its reason.
//! * [`command`]: what can be replicated in a data group, and its log form.
//! * [`meta`]: what can be replicated in the meta group, and its log form.
//! * [`meter`]: counters and distributions, counted where things happen.
//! * [`payload`]: one log entry's content: a batch of commands or a system step.
//! * [`outcome`]: what the state machine answers. A replicated value, never an error.
//! * [`refusal`]: why a node will not serve a call now, and whether it was applied.
//! * [`service`]: what a node does for its doors: requests, answers, failures.
//! * [`snapshot`]: what a node answers when it is asked to take snapshots.
//! * [`status`]: what a node knows of the cluster, as `/v1/status` shows it.
//! * [`throttle`]: one log line a second, however often something happens.
//! * [`wire`]: generated peer messages and the only conversions to and from them.
//!
//! # Invariants
//!
//! * A1: a log form decodes to exactly what was encoded, or not at all. An
//!   unknown version or tag is an error, never skipped.

pub mod codec;
pub mod command;
pub mod figures;
pub mod id;
pub mod limits;
pub mod meta;
pub mod meter;
pub mod outcome;
pub mod payload;
pub mod refusal;
pub mod service;
pub mod snapshot;
pub mod status;
pub mod throttle;
pub mod wire;

#[cfg(test)]
mod hostile;

pub use command::{Command, Condition, Header, Operation, RequestClass};
pub use id::{
    ClusterId, CollectionId, ConfigVersion, Epoch, Fingerprint, GroupId, Incarnation, NodeId,
    RequestId, ShardId,
};
pub use meta::{Member, MetaCommand, MetaOperation};
pub use outcome::{Answer, Answers, Outcome, Rejection, Verdict};
pub use payload::{Content, Payload};
pub use refusal::{Applied, Refusal};
