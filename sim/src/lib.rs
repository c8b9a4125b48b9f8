//! Sim: a whole cluster in one thread, every choice from one seed.
//!
//! Five nodes as they run in production, from the router down to log and state, on
//! simulated links, clocks and disks ([`turmoil`]). What is replaced is at five
//! seams: connections ([`net`]), the wall clock and randomness ([`node`]), the log's
//! disk and its thread, and the state's thread ([`mod@disk`]). In the place of HTTP and
//! TLS there is a small door ([`door`]).
//!
//! * [`plan`] turns a seed into everything that is chosen; [`faults`] into what breaks.
//! * [`run`] carries a plan out on a [`stand`]; [`breaking`] breaks it; [`client`] keeps
//!   it busy; [`watch`] looks at every tick, [`replicas`] at what is left in the end.
//! * [`one`] runs a seed and says what came of it; [`trace`] tells two runs apart;
//!   [`many`] runs new seeds and those of [`seeds`], with a [`tally`] of what they did.

pub mod breaking;
pub mod client;
pub mod disk;
pub mod door;
pub mod faults;
pub mod many;
pub mod net;
pub mod node;
pub mod one;
pub mod plan;
pub mod replicas;
pub mod run;
pub mod seeds;
pub mod stand;
pub mod tally;
pub mod trace;
pub mod watch;
