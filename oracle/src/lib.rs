//! Oracle: did a cluster keep its promises?
//!
//! A driver (a simulation, or a run of real processes under faults) records what
//! clients asked, what they were answered, and what was broken meanwhile. This
//! crate reads that [`history`] and judges it:
//!
//! * [`version_order`] and [`wgl`] ask whether the operations of each row are
//!   linearizable: the one fast, by the versions in the answers; the other by search,
//!   without them.
//! * [`durability`], [`exactly_once`] and [`honesty`] ask for what users count on: what
//!   was acknowledged stays, happens once, and what was refused did not happen.
//! * [`convergence`] asks whether replicas hold the same, [`coverage`] whether the run
//!   was hard enough to say anything.
//!
//! [`judge`] asks all of them and gives a [`Verdict`].
//!
//! # Limits
//!
//! Rows are judged one by one: linearizability is local. Scans, lists and whatever
//! else reads several rows at once are not covered. A history is held in memory.
//!
//! # Not here
//!
//! No network, no randomness, no clock but to give a search up. Nothing of rdb either:
//! the oracle knows what is promised from `docs/api.md`, not from the code that must
//! keep it.

pub mod convergence;
pub mod coverage;
pub mod durability;
pub mod exactly_once;
pub mod finding;
pub mod history;
pub mod honesty;
pub mod row;
pub mod verdict;
pub mod version_order;
pub mod wgl;

pub use finding::{Finding, Kind};
pub use history::{
    Digest, Exit, Fault, Header, History, Line, Op, Operation, Outcome, Phase, Plan,
};
pub use verdict::{Limits, Verdict, judge};
