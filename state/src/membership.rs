//! Membership: who votes in a group, and in which form is that kept?
//!
//! The form is the peer protocol's message, in log entries, in the state's
//! system rows and in snapshot headers alike, so there is one codec.

use std::collections::{BTreeMap, BTreeSet};

use api::wire::{BadMessage, peer};
use api::{Member, NodeId};
use openraft::impls::leader_id_adv;

/// Who leads: term and node. Totally ordered.
pub type LeaderId = leader_id_adv::LeaderId<u64, NodeId>;

/// A position in a group's log.
pub type LogId = openraft::LogId<LeaderId>;

/// One set of voters, or two while it changes, and every member.
pub type Membership = openraft::Membership<NodeId, Member>;

/// A membership and the log entry that holds it.
pub type StoredMembership = openraft::StoredMembership<LeaderId, NodeId, Member>;

/// A log position from its three numbers.
#[must_use]
pub fn log_id(term: u64, node: NodeId, index: u64) -> LogId {
    LogId { leader_id: LeaderId { term, node_id: node }, index }
}

/// The message of a log position.
#[must_use]
pub fn encode_log_id(id: &LogId) -> peer::LogId {
    peer::LogId { term: id.leader_id.term, node: id.leader_id.node_id.0, index: id.index }
}

/// The log position in a message.
#[must_use]
pub fn decode_log_id(id: &peer::LogId) -> LogId {
    log_id(id.term, NodeId(id.node), id.index)
}

/// The message of a membership.
#[must_use]
pub fn encode(membership: &Membership) -> peer::Membership {
    let configs = membership
        .get_joint_config()
        .iter()
        .map(|voters| peer::Voters { ids: voters.iter().map(|id| id.0).collect() })
        .collect();
    let members =
        membership.nodes().map(|(id, member)| peer::Member::from((*id, member))).collect();
    peer::Membership { configs, members }
}

/// The membership in a message.
pub fn decode(message: peer::Membership) -> Result<Membership, BadMessage> {
    let configs: Vec<BTreeSet<NodeId>> = message
        .configs
        .into_iter()
        .map(|voters| voters.ids.into_iter().map(NodeId).collect())
        .collect();
    let members = message
        .members
        .into_iter()
        .map(<(NodeId, Member)>::try_from)
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Membership::new(configs, members).map_err(|_| BadMessage { field: "membership" })
}

#[cfg(test)]
mod tests {
    use api::Incarnation;

    use super::*;

    fn member(number: u64) -> (NodeId, Member) {
        let member = Member {
            name: format!("rdb_replica_{number}"),
            peer: format!("localhost:{}", 7420 + number),
            incarnation: Incarnation([1; 16]),
        };
        (NodeId(number), member)
    }

    #[test]
    fn memberships_survive_their_message() {
        let voters = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let members = (1..=4).map(member).collect::<BTreeMap<_, _>>();
        for configs in [vec![], vec![voters(&[1, 2, 3])], vec![voters(&[1, 2, 3]), voters(&[2])]] {
            let membership = Membership::new(configs, members.clone()).unwrap();
            assert_eq!(decode(encode(&membership)), Ok(membership));
        }
    }

    #[test]
    fn a_voter_who_is_no_member_is_refused() {
        let message = peer::Membership {
            configs: vec![peer::Voters { ids: vec![1, 9] }],
            members: vec![peer::Member::from((NodeId(1), &member(1).1))],
        };
        assert_eq!(decode(message), Err(BadMessage { field: "membership" }));
    }

    #[test]
    fn log_ids_survive_their_message() {
        let id = log_id(3, NodeId(2), 17);
        assert_eq!(decode_log_id(&encode_log_id(&id)), id);
    }
}
