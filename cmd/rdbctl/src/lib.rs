//! rdbctl: what one types to talk to a cluster.
//!
//! A thin cover over the `client` crate. A run passes four stages, of which
//! only the second and third touch the world:
//!
//! * [`cli`] is the command line: verbs, flags, examples.
//! * [`input`] reads a value from stdin, [`consent`] asks before destruction.
//! * [`run`] makes the calls; [`mod@bench`] makes many.
//! * [`rows`], [`place`], [`status`], [`health`], [`wait`], [`snapshot`] and
//!   [`settings`] turn answers into text, with sheets ([`sheet`]) and sizes ([`size`]); [`failure`]
//!   turns errors into a message, a hint and one of the codes of [`exit`].
//!
//! # Not here
//!
//! Retries, and whether a failed write took effect: the client library knows.
//! Colour: no answer has any.

pub mod bench;
pub mod cli;
mod connect;
pub mod consent;
pub mod exit;
pub mod failure;
pub mod health;
pub mod input;
pub mod manual;
mod output;
pub mod place;
pub mod rows;
pub mod run;
pub mod settings;
pub mod sheet;
pub mod size;
pub mod snapshot;
pub mod status;
pub mod wait;

pub use cli::Cli;
pub use exit::Exit;
pub use failure::Failure;
