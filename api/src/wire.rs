//! Wire: the generated peer messages, and refusals to and from them.
//!
//! Conversions of ids and refusals live here only. Raft's own messages are
//! converted in the `raft` crate, the one that knows openraft.

use std::time::Duration;

use crate::id::{ClusterId, GroupId, Incarnation, NodeId};
use crate::meta::Member;
use crate::refusal::Refusal;

/// Messages and services of `proto/peer.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated code; its documentation is proto/peer.proto"
)]
pub mod peer {
    tonic::include_proto!("rdb.peer.v1");
}

/// A peer message without a field it must have, or with one of a wrong length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("peer message has no valid {field}")]
pub struct BadMessage {
    /// Which field.
    pub field: &'static str,
}

impl peer::Route {
    /// A route from one node to another within a group.
    #[must_use]
    pub fn between(cluster: ClusterId, group: GroupId, from: NodeId, to: NodeId) -> Self {
        Self {
            cluster: bytes::Bytes::copy_from_slice(&cluster.0),
            group: group.0,
            from: from.0,
            to: to.0,
        }
    }
}

impl From<(NodeId, &Member)> for peer::Member {
    fn from((id, member): (NodeId, &Member)) -> Self {
        Self {
            id: id.0,
            name: member.name.clone(),
            peer: member.peer.clone(),
            incarnation: bytes::Bytes::copy_from_slice(&member.incarnation.0),
        }
    }
}

impl TryFrom<peer::Member> for (NodeId, Member) {
    type Error = BadMessage;

    fn try_from(member: peer::Member) -> Result<Self, BadMessage> {
        let incarnation = Incarnation::try_from(&*member.incarnation)
            .map_err(|_| BadMessage { field: "incarnation" })?;
        let id = NodeId(member.id);
        Ok((id, Member { name: member.name, peer: member.peer, incarnation }))
    }
}

impl From<&Refusal> for peer::Refused {
    fn from(refusal: &Refusal) -> Self {
        use peer::refused::Reason;
        let mut refused = Self::default();
        let mut of_group = |reason, group: GroupId| {
            refused.group = group.0;
            reason
        };
        let reason = match refusal {
            Refusal::NoLeader { group } => of_group(Reason::NoLeader, *group),
            Refusal::NotLeader { group, leader } => {
                let reason = of_group(Reason::NotLeader, *group);
                refused.leader = leader.map_or(0, |node| node.0);
                reason
            }
            Refusal::Busy { group } => of_group(Reason::Busy, *group),
            Refusal::Expired { group, waited } => {
                let reason = of_group(Reason::Expired, *group);
                refused.waited_ms = millis(*waited);
                reason
            }
            Refusal::Unknown { group, waited } => {
                let reason = of_group(Reason::Unknown, *group);
                refused.waited_ms = millis(*waited);
                reason
            }
            Refusal::DiskFull { free_bytes, reserve_bytes } => {
                refused.free_bytes = *free_bytes;
                refused.reserve_bytes = *reserve_bytes;
                Reason::DiskFull
            }
            Refusal::NotReady { reason } => {
                refused.detail.clone_from(reason);
                Reason::NotReady
            }
            Refusal::Stopping => Reason::Stopping,
        };
        refused.set_reason(reason);
        refused
    }
}

impl From<peer::Refused> for Refusal {
    /// A reason this release does not know counts as an unknown outcome: the
    /// only claim that is true whatever it means.
    fn from(refused: peer::Refused) -> Self {
        use peer::refused::Reason;
        let group = GroupId(refused.group);
        let waited = Duration::from_millis(refused.waited_ms);
        match refused.reason() {
            Reason::NoLeader => Self::NoLeader { group },
            Reason::NotLeader => {
                let leader = (refused.leader != 0).then_some(NodeId(refused.leader));
                Self::NotLeader { group, leader }
            }
            Reason::Busy => Self::Busy { group },
            Reason::Expired => Self::Expired { group, waited },
            Reason::Unknown | Reason::Unspecified => Self::Unknown { group, waited },
            Reason::DiskFull => Self::DiskFull {
                free_bytes: refused.free_bytes,
                reserve_bytes: refused.reserve_bytes,
            },
            Reason::NotReady => Self::NotReady { reason: refused.detail },
            Reason::Stopping => Self::Stopping,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_survive_the_wire() {
        let group = GroupId(2);
        let waited = Duration::from_millis(30);
        let refusals = [
            Refusal::NoLeader { group },
            Refusal::NotLeader { group, leader: Some(NodeId(3)) },
            Refusal::NotLeader { group, leader: None },
            Refusal::Busy { group },
            Refusal::Expired { group, waited },
            Refusal::Unknown { group, waited },
            Refusal::DiskFull { free_bytes: 1, reserve_bytes: 2 },
            Refusal::NotReady { reason: "empty".to_owned() },
            Refusal::Stopping,
        ];
        for refusal in refusals {
            assert_eq!(Refusal::from(peer::Refused::from(&refusal)), refusal);
        }
    }
}
