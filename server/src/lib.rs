//! A node's client doors: sockets, TLS, HTTP, the `/command` dialect, health,
//! metrics.
//!
//! Everything here is generic over [`api::service::Service`]: a door turns
//! bytes into checked requests and answers back into bytes, and decides nothing
//! about data.
//!
//! * [`Server`] owns sockets: accepts, bounds, drains ([`serve`]).
//! * [`tls`] is the door's certificate and whose it trusts.
//! * [`options`] is what an operator may set, with the bounds of all else.
//! * [`counters`] counts what happens before a request is one.
//! * [`expiry`] knows until when the certificates in use are valid.
//! * The private modules: `command` (the dialect), `health`, `introspect`,
//!   `metrics` and `snapshots` (the other routes), `refused` (every failure's
//!   one shape), `connection`, `activity`, `stream` and `admission` (one
//!   connection's life and bounds), `plain` (who forgot TLS), `proxy` (what is
//!   taken from the proxy alone).
//!
//! # Invariants
//!
//! * H1: a request that the door refuses never reaches the service.
//! * H2: a call of the service, once begun, runs to its end whether or not its
//!   client still waits.
//! * H3: every failed `/command` says in `Rdb-Applied` whether it took effect.
//! * H4: a refusal of what another node may have carried out is `unknown`.
//!
//! # Not here
//!
//! Which node leads, where a key lives, how a write is made durable: `raft`'s.
//! Which files and flags there are: `cmd`'s.

pub mod counters;
pub mod expiry;
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
mod metrics;
mod plain;
mod proxy;
mod refused;
mod snapshots;
mod stream;

pub use options::{Options, Timeouts};
pub use serve::{Drained, Server};
pub use tls::Tls;
