//! Doors: the server on real sockets, with a node in memory behind it.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod dialect;
mod draining;
mod failures;
mod fake;
mod frames;
mod harness;
mod health;
mod hostile;
mod http2;
mod metrics;
mod proxy;
mod snapshots;
mod sockets;
mod tls;
