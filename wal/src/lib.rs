//! Wal: the durable Raft logs and votes of all groups of a node.
//!
//! A node's groups share one LMDB environment and one writer. The writer
//! takes everything that waits, makes it durable with one sync, and tells each
//! caller; so the cost of a sync is shared by whoever came in time.
//!
//! ```text
//! Log (one per group) --- changes ---> queue (one) ---> writer (one) ---> Store
//!   |  memory first                    FIFO, bounded     one synced batch    |
//!   v                                                        |               |
//! Span + Tail <--- LogReader --- older entries from disk ----+---------------+
//!                                                            v
//!                              Flushed (one per group), then callbacks in order
//! ```
//!
//! * [`Wal`] opens the environment, runs the writer, opens groups, closes.
//! * [`Log`] is openraft's log storage of one group, [`LogReader`] its reader.
//! * [`Flushed`] tells other threads how far a group's log is durable.
//! * [`Codec`] is what the owner of the entry type provides.
//! * [`Store`] is the seam to the disk; [`Driver::Inline`] the seam to time.
//! * [`inspect`] looks into an environment, beside a running node or after one.
//!
//! # Invariants
//!
//! * W1: what is reported durable is durable: a callback gets `Ok`, a vote or
//!   a truncation returns, and a mark rises only after the batch is synced.
//! * W2: operations of a group become durable and are reported in the order
//!   they were accepted, all groups' in one order; marks before callbacks.
//! * W3: a group's mark never covers an entry that is not durable, not even
//!   between a truncation and the entries that replace what it cut.
//! * W4: a log is consecutive from the entry after the last purged one to the
//!   last one, and its log ids grow; in memory, on disk and when opened.
//! * W5: an entry can be read from when `append` returned until it is
//!   truncated or purged: it stays in memory until it is durable.
//! * W6: nothing is written after a failed batch. The failed batch and all
//!   later operations get errors; the fault is reported once.
//! * W7: a vote never goes back.
//! * W8: every record is checked before it is used. A bad one is a fault; it
//!   is never skipped.
//! * W9: a committed log id on disk names an entry on disk or a purged one.
//!
//! # Bytes on disk
//!
//! All numbers are big-endian. The environment has three tables:
//!
//! | table | key | value |
//! |---|---|---|
//! | `system` | `"format"` | `format:4`, plain, now 1 |
//! | `system` | `"identity"` | record, body `cluster:16 \| incarnation:16` |
//! | `system` | `"clean"` | record, empty body; there after a clean close, gone while open |
//! | `groups` | `gid:4 \| kind:1` = 1, vote | record, body: the codec's vote |
//! | `groups` | `gid:4 \| kind:1` = 2, purged | record, body `index:8 \| the codec's log id` |
//! | `groups` | `gid:4 \| kind:1` = 3, committed | record, body `index:8 \| the codec's log id` |
//! | `log` | `gid:4 \| index:8` | record, body: the codec's entry |
//!
//! A record is `version:1 | checksum:8 | body`. The version is 1; the checksum
//! is the XXH3-64 (seed 0) of `key | version | body`.
//!
//! # Limits
//!
//! The queue is bounded in operations and bytes, a batch too, the memory of
//! each group's tail, reads of the disk at once, and what one commit purges:
//! see [`Options`].
//!
//! # Not here
//!
//! What an entry means: nothing of it is looked at but its log id. When to
//! purge, and whether a snapshot covers it: `raft`'s. Retrying: a failed sync
//! is final.

pub mod codec;
mod fact;
pub mod flushed;
mod group;
pub mod identity;
pub mod inspect;
pub mod key;
pub mod log;
mod meter;
pub mod options;
mod queue;
pub mod reader;
pub mod record;
mod recovery;
mod span;
pub mod stop;
pub mod store;
mod tail;
pub mod wal;
mod writer;

#[cfg(test)]
mod hostile;

pub use codec::Codec;
pub use flushed::{Flushed, Waited};
pub use identity::{Identity, OpenError};
pub use log::Log;
pub use options::Options;
pub use reader::LogReader;
pub use stop::Stop;
pub use store::{LmdbStore, Store};
pub use wal::{Driver, Wal};
