//! Dev: a cluster of real nodes on this machine.

use clap::Args;

use crate::exit::Exit;
use crate::output;

/// The arguments of `rdb dev`.
#[derive(Debug, Args)]
pub struct DevArgs {}

/// Runs the cluster until it is told to stop.
#[must_use]
pub fn run(_args: DevArgs) -> Exit {
    output::error("this build cannot run a cluster yet");
    Exit::Failure
}
