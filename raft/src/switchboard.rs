//! Switchboard: finds the group a peer's message is for, once there is one.
//!
//! The peer door opens before the node belongs to a cluster, so that nodes can
//! find each other. Until then every message but hello and adopt is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tonic::{Request, Status};

use api::GroupId;
use api::wire::{BadMessage, peer};

use crate::group::Group;
use crate::peers::Roster;

/// The running groups of this node.
pub struct Running {
    /// Who is in the cluster.
    pub roster: Arc<Roster>,
    /// The groups with a replica here.
    pub groups: BTreeMap<GroupId, Arc<Group>>,
}

/// The name that the peer's certificate showed.
#[derive(Clone, Debug)]
pub struct PeerName(pub String);

/// Finds groups for incoming messages.
#[derive(Default)]
pub struct Switchboard {
    running: ArcSwapOption<Running>,
}

impl Switchboard {
    /// Connects the groups: from now on messages reach them.
    pub fn connect(&self, running: Arc<Running>) {
        self.running.store(Some(running));
    }

    /// Disconnects the groups: from now on messages are refused.
    pub fn disconnect(&self) {
        self.running.store(None);
    }

    /// The running groups, once there are any.
    #[must_use]
    pub fn running(&self) -> Option<Arc<Running>> {
        self.running.load_full()
    }

    /// The group a message is for, if it comes from who it says and is for us.
    pub fn group<T>(
        &self,
        request: &Request<T>,
        route: impl FnOnce(&T) -> Option<&peer::Route>,
    ) -> Result<Arc<Group>, Status> {
        let name = peer_name(request)?;
        self.group_of(route(request.get_ref()), &name)
    }

    /// The same for one message of a stream whose connection showed `name`.
    pub fn group_of(
        &self,
        route: Option<&peer::Route>,
        name: &PeerName,
    ) -> Result<Arc<Group>, Status> {
        let running = self.running.load();
        let running =
            running.as_ref().ok_or(Status::failed_precondition("node has no cluster yet"))?;
        let gid = running
            .roster
            .check(route, &name.0)
            .map_err(|wrong| Status::permission_denied(wrong.to_string()))?;
        let group = running.groups.get(&gid);
        group.cloned().ok_or(Status::failed_precondition(format!("group {gid} is not here")))
    }
}

/// The name that the connection of this request showed.
pub fn peer_name<T>(request: &Request<T>) -> Result<PeerName, Status> {
    let name = request.extensions().get::<PeerName>();
    name.cloned().ok_or(Status::permission_denied("connection showed no certificate"))
}

/// A message that is not whole is refused before it reaches Raft.
#[must_use]
pub fn refuse(bad: &BadMessage) -> Status {
    Status::invalid_argument(bad.to_string())
}
