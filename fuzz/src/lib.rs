//! Fuzz: what do decoders make of bytes that nobody should have written?
//!
//! A [`Target`] is one decoder with some good inputs, its seeds. It is fed the
//! seeds, each with every single damage done to it, and then seeds that were
//! edited at random ([`edit`]), for as long as there is time. Its check says of
//! each input whether it was [`Taken`], and panics where a promise is broken:
//!
//! * Nothing panics.
//! * Decoding takes no more memory than the target says ([`Input::decode`]).
//! * A refusal says why, in few words ([`Taken::refused`]).
//! * What is read means the same when it is written and read again.
//! * A record with a checksum is refused with any bit flipped or any byte cut
//!   off ([`damage`]).
//!
//! Targets stand beside the decoders that they try, as tests whose names begin
//! with `fuzz_`, because most decoders are private. docs/testing.md lists them.
//!
//! # Limits
//!
//! A plain `cargo test` tries [`INPUTS_PLAIN`](target::INPUTS_PLAIN) random
//! inputs per target, the same each time; `cargo xtask fuzz` tries fresh ones.
//!
//! # Not here
//!
//! Inputs are made blindly: nothing watches which branches they reach.

#![allow(clippy::print_stderr, reason = "what a long run did belongs beside its result")]

pub mod budget;
pub mod damage;
pub mod edit;
pub mod target;

pub use damage::every_damage;
pub use target::{Input, Taken, Target};
