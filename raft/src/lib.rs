//! Raft: the groups on a node, and what its nodes say to each other.
//!
//! openraft runs the algorithm; this crate gives it a network, a log and a
//! state, and puts clients' requests through it. Four modules are named after
//! the four conversations between nodes; each holds the sender, the receiver
//! and the limits of its own:
//!
//! * [`campaign`]: votes, pre-votes, leadership transfer.
//! * [`replication`]: entries and heartbeats.
//! * [`snapshot`]: whole states, to members behind the log.
//! * [`request`]: clients' writes and reads; batching, read rounds, one hop to
//!   the leader.
//!
//! Around them:
//!
//! * [`node`] is one process; [`founding`] how processes become a cluster;
//!   [`identity`] who a data directory is.
//! * [`opening`] makes groups of files; [`group`] is one group's copy here,
//!   [`group_time`] what it knows of the time; [`handle`] its openraft instance;
//!   [`network`] openraft's way out.
//! * [`steward`] brings a group to what the meta group decided;
//!   [`housekeeping`] takes snapshots, those that were [`asked`] for first;
//!   [`space`] watches the disk, [`sizes`]
//!   what log and states hold of it.
//! * [`transport`] is authenticated connections, [`peers`] the members behind
//!   them, [`door`] where they come in, [`switchboard`] which group they mean.
//! * [`rebuild`] brings back a lost state from a peer.
//! * `handover` lets others lead before a node goes.
//! * [`clock`] is time and dice, [`runtime`] openraft's dice, [`storage`] the disk;
//!   [`status`] what a node knows; [`figures`] what
//!   it measures.
//!
//! # Not here
//!
//! HTTP, files of configuration, signals: crate `server` and the binaries.

pub mod asked;
pub mod binding;
pub mod campaign;
pub mod clock;
pub mod codec;
pub mod door;
pub mod figures;
pub mod founding;
pub mod group;
pub mod group_time;
pub mod handle;
pub mod housekeeping;
pub mod identity;
pub mod message;
pub mod network;
pub mod node;
pub mod opening;
pub mod peers;
pub mod rebuild;
pub mod replication;
pub mod request;
pub mod runtime;
pub mod sizes;
pub mod snapshot;
pub mod space;
pub mod status;
pub mod steward;
pub mod storage;
pub mod switchboard;
pub mod transport;

mod handover;
#[cfg(test)]
mod hostile;

pub use node::{Claim, Fatal, Node, Options, StartError, Timers, World};
pub use request::router::Router;
pub use storage::{SnapshotTrigger, StorageOptions};
