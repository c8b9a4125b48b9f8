//! The `rdbctl` binary as a script sees it: grammar, help, codes, streams.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod answers;
mod bench;
mod cluster;
mod doors;
#[path = "../../../../server/tests/doors/fake.rs"]
mod fake;
mod grammar;
mod process;
mod snapshot;
mod tools;
