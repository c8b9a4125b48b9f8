//! Tests: does the whole of it keep its promises while processes die?
//!
//! Five real processes of the real binary, started by `rdb dev`, asked over
//! HTTPS. The tests in `tests/` name a fault and what is expected of it; this
//! library is what they share:
//!
//! * [`Cluster`] owns the processes and the directory; [`Node`] is one of them,
//!   which can be killed, paused, wiped and started again.
//! * [`Compose`](compose::Compose) owns the same cluster in containers behind its proxy.
//! * [`Client`] asks one node; [`Command`] is what it asks, [`Answer`] what it
//!   gets. [`raw`] speaks to a node without any manners.
//! * [`Authority`](authority::Authority) makes certificates, good and bad.
//! * [`Ledger`] remembers what was acknowledged and judges what is found.
//! * [`scrape`] reads a node's metrics; [`prometheus`] is the real one, to read
//!   them as well.
//! * [`readme`] runs what the README tells its readers to paste.
//! * [`workload`] keeps a cluster busy and fills a ledger; [`bulk`] loads rows.
//!
//! # Limits
//!
//! Two clusters run at once on one machine, or one that must not be disturbed:
//! see [`slot`]. Every wait has an end. Whatever a test started is gone when
//! its [`Cluster`] is dropped; if the test failed, the directory stays and its
//! path is printed.
//!
//! # Not here
//!
//! Faults that need a simulated network or disk.

#![allow(clippy::print_stderr, reason = "what a test found belongs beside its result")]

pub mod answer;
pub mod authority;
pub mod binary;
pub mod bulk;
pub mod client;
pub mod cluster;
pub mod command;
pub mod compose;
pub mod deadline;
pub mod dialect;
pub mod disk;
pub mod ledger;
pub mod node;
pub mod process;
pub mod prometheus;
pub mod raw;
pub mod readme;
pub mod scrape;
pub mod slot;
pub mod workload;

pub use answer::{Answer, Effect, NoAnswer, Reply};
pub use client::{Client, Protocol};
pub use cluster::{Cluster, Options};
pub use command::Command;
pub use ledger::Ledger;
pub use node::Node;

/// Nodes of a cluster.
pub const NODES: usize = 5;
