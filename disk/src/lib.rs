//! Disk: opens LMDB environments, writes files so that they survive a crash,
//! and names what broke.
//!
//! * [`Environment`] is an open LMDB environment; opening one is the only
//!   `unsafe` of the workspace.
//! * [`Fault`] says which operation on which path failed. A fault is never
//!   retried: whoever gets one stops the process.
//! * [`blocking`] says where work runs that waits for the disk.
//! * [`mod@file`] writes small files durably; [`lock`] keeps a second process out.
//!
//! # Not here
//!
//! What the bytes mean: `wal` and `state` know their own tables.

pub mod blocking;
pub mod environment;
pub mod fault;
pub mod file;
pub mod lock;
pub mod machine;

pub use environment::{Environment, Options, Sync};
pub use fault::Fault;
pub use lock::DirectoryLock;
