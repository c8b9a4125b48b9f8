//! Node: runs one node until it is told to stop.

use crate::config::Config;
use crate::exit::Exit;

/// Runs the node until SIGTERM or SIGINT, or until it must stop by itself.
#[must_use]
pub fn run(config: Config) -> Exit {
    tracing::error!(node = config.node.name, "this build has no node yet");
    Exit::Failure
}
