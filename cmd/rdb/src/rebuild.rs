//! Rebuild: how does a node get back the state of a group that its disk lost,
//! while its log is good?

use api::GroupId;

use crate::config::Config;
use crate::exit::Exit;

/// Fetches a snapshot of the group from another node before the group opens.
#[must_use]
pub fn run(config: Config, group: GroupId) -> Exit {
    tracing::error!(node = config.node.name, %group, "this build cannot rebuild state yet");
    Exit::Failure
}
