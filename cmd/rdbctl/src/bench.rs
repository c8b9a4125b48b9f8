//! Bench: does the cluster work under a small load, and how fast?
//!
//! * `load` makes the calls, in a collection of its own.
//! * [`tally`] counts what became of them, [`latency`] how long they took.
//! * [`report`] shows both.
//!
//! # Limits
//!
//! It ends by itself, and the memory it takes does not grow with the number of calls.

pub mod latency;
pub(crate) mod load;
pub mod report;
pub mod tally;

/// The longest run.
pub const SECONDS_MAX: i64 = 300;

/// Clients at most; more say something about this program, not about the cluster.
pub const CLIENTS_MAX: i64 = 256;

/// Keys at most; the rows of them all have to be dropped again.
pub const KEYS_MAX: i64 = 1_000_000;
