//! Message: openraft's types to and from the peer messages.
//!
//! Nothing that comes off the wire is trusted to be whole: every conversion
//! from a message can fail, and a failure refuses the call.

use openraft::entry::RaftEntry;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};

use api::wire::{BadMessage, peer};
use api::{NodeId, Payload};
use state::membership::{self, encode_log_id as log_id};

use crate::binding::{AppendResult, Entry, EntryContent, LogId, Types, Vote};

fn read_log_id(id: peer::LogId) -> LogId {
    membership::decode_log_id(&id)
}

fn missing(field: &'static str) -> BadMessage {
    BadMessage { field }
}

/// A vote as a message.
#[must_use]
pub fn vote(vote: &Vote) -> peer::Vote {
    let leader = &vote.leader_id;
    peer::Vote { term: leader.term, node: leader.node_id.0, committed: vote.committed }
}

/// A vote from a message.
pub fn read_vote(vote: Option<peer::Vote>) -> Result<Vote, BadMessage> {
    let message = vote.ok_or(missing("vote"))?;
    let mut vote = Vote::new(message.term, NodeId(message.node));
    vote.committed = message.committed;
    Ok(vote)
}

/// A log entry as a message.
#[must_use]
pub fn entry(entry: &Entry) -> peer::Entry {
    let content = match &entry.payload {
        EntryContent::Blank => peer::entry::Content::Blank(peer::Blank {}),
        EntryContent::Normal(payload) => peer::entry::Content::Payload(payload.0.clone()),
        EntryContent::Membership(members) => {
            peer::entry::Content::Membership(membership::encode(members))
        }
    };
    peer::Entry { id: Some(log_id(&entry.log_id)), content: Some(content) }
}

/// A log entry from a message.
pub fn read_entry(message: peer::Entry) -> Result<Entry, BadMessage> {
    let id = message.id.map(read_log_id).ok_or(missing("entry id"))?;
    let content = match message.content.ok_or(missing("entry content"))? {
        peer::entry::Content::Blank(peer::Blank {}) => EntryContent::Blank,
        peer::entry::Content::Payload(payload) => EntryContent::Normal(Payload(payload)),
        peer::entry::Content::Membership(members) => {
            EntryContent::Membership(membership::decode(members)?)
        }
    };
    Ok(Entry::new(id, content))
}

/// An append request as a message.
#[must_use]
pub fn append(route: peer::Route, request: &AppendEntriesRequest<Types>) -> peer::AppendRequest {
    peer::AppendRequest {
        route: Some(route),
        vote: Some(vote(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id),
        committed: request.leader_commit.as_ref().map(log_id),
        entries: request.entries.iter().map(entry).collect(),
    }
}

/// An append request from a message.
pub fn read_append(
    message: peer::AppendRequest,
) -> Result<AppendEntriesRequest<Types>, BadMessage> {
    Ok(AppendEntriesRequest {
        vote: read_vote(message.vote)?,
        prev_log_id: message.previous.map(read_log_id),
        leader_commit: message.committed.map(read_log_id),
        entries: message.entries.into_iter().map(read_entry).collect::<Result<_, _>>()?,
    })
}

/// An append result as a message.
#[must_use]
pub fn append_result(result: &AppendResult) -> peer::AppendResponse {
    use peer::append_response::Result as Kind;
    let (kind, id, higher) = match result {
        Ok(matched) => (Kind::Matched, matched.as_ref().map(log_id), None),
        Err(StreamAppendError::Conflict(at)) => (Kind::Conflict, Some(log_id(at)), None),
        Err(StreamAppendError::HigherVote(higher)) => (Kind::HigherVote, None, Some(vote(higher))),
    };
    peer::AppendResponse { result: kind.into(), log_id: id, vote: higher }
}

/// An append result from a message.
pub fn read_append_result(message: peer::AppendResponse) -> Result<AppendResult, BadMessage> {
    use peer::append_response::Result as Kind;
    Ok(match message.result() {
        Kind::Matched => Ok(message.log_id.map(read_log_id)),
        Kind::Conflict => {
            let at = message.log_id.map(read_log_id).ok_or(missing("conflict"))?;
            Err(StreamAppendError::Conflict(at))
        }
        Kind::HigherVote => Err(StreamAppendError::HigherVote(read_vote(message.vote)?)),
        Kind::Unspecified => return Err(missing("append result")),
    })
}

/// A vote request as a message.
#[must_use]
pub fn vote_request(
    route: peer::Route,
    request: &VoteRequest<Types>,
    pre_vote: bool,
) -> peer::VoteRequest {
    peer::VoteRequest {
        route: Some(route),
        vote: Some(vote(&request.vote)),
        last: request.last_log_id.as_ref().map(log_id),
        transfer: request.leadership_transfer,
        pre_vote,
    }
}

/// A vote request from a message.
pub fn read_vote_request(message: peer::VoteRequest) -> Result<VoteRequest<Types>, BadMessage> {
    let last = message.last.map(read_log_id);
    let mut request = VoteRequest::new(read_vote(message.vote)?, last);
    request.leadership_transfer = message.transfer;
    Ok(request)
}

/// A vote response as a message.
#[must_use]
pub fn vote_response(response: &VoteResponse<Types>) -> peer::VoteResponse {
    peer::VoteResponse {
        vote: Some(vote(&response.vote)),
        last: response.last_log_id.as_ref().map(log_id),
        granted: response.vote_granted,
    }
}

/// A vote response from a message.
pub fn read_vote_response(message: peer::VoteResponse) -> Result<VoteResponse<Types>, BadMessage> {
    let last = message.last.map(read_log_id);
    Ok(VoteResponse::new(read_vote(message.vote)?, last, message.granted))
}

/// A leadership transfer as a message.
#[must_use]
pub fn transfer(
    route: peer::Route,
    request: &TransferLeaderRequest<Types>,
) -> peer::TransferRequest {
    peer::TransferRequest {
        route: Some(route),
        leader_vote: Some(vote(request.from_leader())),
        to: request.to_node_id().0,
        last: request.last_log_id().map(log_id),
    }
}

/// A leadership transfer from a message.
pub fn read_transfer(
    message: peer::TransferRequest,
) -> Result<TransferLeaderRequest<Types>, BadMessage> {
    let last = message.last.map(read_log_id);
    Ok(TransferLeaderRequest::new(read_vote(message.leader_vote)?, NodeId(message.to), last))
}

/// Why a member does not take over, as a message; empty if it does.
#[must_use]
pub fn transfer_refusal(refusal: Option<&TransferLeaderError<Types>>) -> peer::TransferResponse {
    use peer::transfer_response::{LogNotFlushed, Refusal, VoteChanged};
    let refusal = refusal.map(|refusal| match refusal {
        TransferLeaderError::VoteChanged { expected, actual } => {
            Refusal::VoteChanged(VoteChanged {
                expected: Some(vote(expected)),
                actual: Some(vote(actual)),
            })
        }
        TransferLeaderError::LogNotFlushed { expected, actual } => {
            Refusal::LogNotFlushed(LogNotFlushed {
                expected: expected.as_ref().map(log_id),
                actual: actual.as_ref().map(log_id),
            })
        }
    });
    peer::TransferResponse { refusal }
}

/// Why a member does not take over, from a message.
pub fn read_transfer_refusal(
    message: peer::TransferResponse,
) -> Result<Option<TransferLeaderError<Types>>, BadMessage> {
    use peer::transfer_response::Refusal;
    Ok(match message.refusal {
        None => None,
        Some(Refusal::VoteChanged(refusal)) => Some(TransferLeaderError::VoteChanged {
            expected: read_vote(refusal.expected)?,
            actual: read_vote(refusal.actual)?,
        }),
        Some(Refusal::LogNotFlushed(refusal)) => Some(TransferLeaderError::LogNotFlushed {
            expected: refusal.expected.map(read_log_id),
            actual: refusal.actual.map(read_log_id),
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use api::Member;

    use super::*;
    use crate::binding::Membership;

    fn id(index: u64) -> LogId {
        membership::log_id(3, NodeId(2), index)
    }

    fn joint() -> Membership {
        let voters = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect::<BTreeSet<_>>();
        let members: BTreeMap<_, _> = (1..=3)
            .map(|id| (NodeId(id), Member { name: format!("n{id}"), ..Member::default() }))
            .collect();
        Membership::new(vec![voters(&[1, 2]), voters(&[2, 3])], members).unwrap()
    }

    #[test]
    fn entries_survive_the_wire() {
        let contents = [
            EntryContent::Blank,
            EntryContent::Normal(Payload(bytes::Bytes::from_static(b"x"))),
            EntryContent::Membership(joint()),
        ];
        for content in contents {
            let before = Entry::new(id(7), content);
            assert_eq!(read_entry(entry(&before)), Ok(before));
        }
    }

    #[test]
    fn append_results_survive_the_wire() {
        let results: [AppendResult; 4] = [
            Ok(None),
            Ok(Some(id(4))),
            Err(StreamAppendError::Conflict(id(5))),
            Err(StreamAppendError::HigherVote(Vote::new_committed(9, NodeId(1)))),
        ];
        for before in results {
            let after = read_append_result(append_result(&before)).unwrap();
            assert_eq!(format!("{after:?}"), format!("{before:?}"));
        }
    }

    #[test]
    fn messages_without_a_vote_are_refused() {
        assert!(read_append(peer::AppendRequest::default()).is_err());
        assert!(read_vote_request(peer::VoteRequest::default()).is_err());
        assert!(read_append_result(peer::AppendResponse::default()).is_err());
        assert!(read_entry(peer::Entry::default()).is_err());
    }
}
