//! rdb: what an operator runs.
//!
//! One binary with a few verbs. The work of a node is in the crates `raft` and
//! `server`; here is what surrounds it:
//!
//! * [`cli`] reads the command line and picks the verb.
//! * [`config`] merges flags, environment, file and defaults into the one
//!   [`Config`] that the program uses.
//! * [`node`] runs one node; [`dev`] runs five of them on this machine.
//! * [`inspect`] shows what is in a data directory.
//! * [`exit`] is the promise to scripts: which code means what.
//!
//! # Not here
//!
//! What a node does. This crate knows flags, files, signals and processes.

pub mod cli;
pub mod config;
pub mod dev;
pub mod exit;
pub mod inspect;
pub mod node;
mod output;
pub mod rebuild;
pub mod telemetry;

pub use config::Config;
pub use exit::Exit;
