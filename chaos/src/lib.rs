//! Chaos: does a cluster of real processes keep its promises while it is broken?
//!
//! Five `rdb node` processes, each in a network namespace and on a file system of
//! its own, are killed, paused, cut off, starved and flooded by a plan that a seed
//! decides. Clients write down what they ask and are answered; at the end all is
//! healed, every row is read through every node and from every replica, and
//! [`oracle`] judges the history.
//!
//! * [`plan`] is what a seed decides, of [`faults`] that this machine can bear.
//! * [`ground`] is what the nodes stand on: addresses, [`rules`] for packets, disks;
//!   [`holding`] keeps packets back, [`tracer`] syncs.
//! * [`member`] is one node: its process, and why it may end.
//! * [`client`] keeps the cluster busy with rows from the [`rota`], and notes on the
//!   [`stage`] what came of it.
//! * [`stand`] is all of them; [`strike`] does one fault; [`run`] does a whole plan.
//!
//! # Limits
//!
//! Namespaces, packets, disks and cgroups are for root; without, processes listen on
//! loopback addresses and the plan has the faults that need none of that. A fault
//! that was not seen to take effect does not count, and a plan that was not fulfilled
//! fails the run. Nodes' file systems are in memory: what a power loss leaves behind
//! is the simulation's to show.
//!
//! # Not here
//!
//! Nothing of the code under test but its binary and the client's side of its
//! vocabulary.

pub mod client;
pub mod crowd;
pub mod evidence;
pub mod faults;
pub mod ground;
pub mod holding;
pub mod member;
pub mod plan;
pub mod rota;
pub mod rules;
pub mod run;
pub mod shell;
pub mod stage;
pub mod stand;
pub mod strike;
pub mod tracer;
