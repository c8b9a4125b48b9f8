//! A node's client doors: sockets, TLS, HTTP, the `/command` dialect, health.
//!
//! Everything here is generic over [`api::service::Service`]: a door turns
//! bytes into checked requests and answers back into bytes, and decides nothing
//! about data.
//!
//! * [`Server`] owns sockets: accepts, bounds, drains ([`serve`]).
//! * [`tls`] reads certificates and replaces them while the node runs.
//! * [`options`] is what an operator may set, with the bounds of all else.
//! * [`counters`] counts what happens before a request is one.
//! * The private modules: `command` (the dialect), `health` and `introspect`
//!   (the other routes), `refused` (every failure's one shape), `connection`,
//!   `activity`, `stream` and `admission` (one connection's life and bounds).
//!
//! # Invariants
//!
//! * H1: a request that the door refuses never reaches the service.
//! * H2: a call of the service, once begun, runs to its end whether or not its
//!   client still waits.
//! * H3: every failed `/command` says in `Rdb-Applied` whether it took effect.
//!
//! # Not here
//!
//! Which node leads, where a key lives, how a write is made durable: `raft`'s.
//! Which files and flags there are: `cmd`'s.

pub mod counters;
pub mod options;
pub mod serve;
pub mod tls;

mod activity;
mod admission;
mod body;
mod command;
mod connection;
mod door;
mod header;
mod health;
mod introspect;
mod refused;
mod stream;
mod throttle;

pub use options::{Options, Timeouts};
pub use serve::{Drained, Server};
pub use tls::Tls;
