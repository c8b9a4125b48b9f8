//! Sim: a whole cluster in one thread, every choice from one seed.
//!
//! Five nodes as they run in production, from the router down to log and state, on
//! simulated links, clocks and disks ([`turmoil`]). What is replaced is at five
//! seams: connections ([`net`]), the wall clock and randomness ([`node`]), the log's
//! disk and its thread, and the state's thread ([`mod@disk`]). In the place of HTTP and
//! TLS there is a small door ([`door`]).
//!
//! * [`plan`] turns a seed into everything that is chosen; [`faults`] into what breaks.
//! * [`run`] carries a plan out; [`client`] keeps the cluster busy; [`watch`] looks at
//!   every tick.
//!
//! # State
//!
//! The beginning of it: clusters found themselves, break and are judged. Two things
//! are missing before it may judge anything in the gate: the same seed does not give
//! the same run yet, and a run in which a node stays down long can use up the ports of
//! a simulated host, because nodes dial a dead one very often.

pub mod client;
pub mod disk;
pub mod door;
pub mod faults;
pub mod net;
pub mod node;
pub mod plan;
pub mod run;
pub mod watch;
