//! Calls: the client against the server on real sockets, with a node in memory.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod actions;
mod certificates;
mod cluster;
mod endpoints;
#[path = "../../../server/tests/doors/fake.rs"]
mod fake;
mod retries;
