//! Forward: a call that belongs to the leader, sent there once.
//!
//! An attempt ends when the leader answers, when the connection breaks, or as
//! soon as this node learns of another leader: waiting for a deposed or paused
//! one would waste the client's time. What was sent and not answered is unknown.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Response, Status};

use api::wire::peer;
use api::wire::peer::request_client::RequestClient;
use api::{Answer, Answers, GroupId, NodeId, Refusal};

use crate::group::Leadership;
use crate::peers::{MESSAGE_BYTES_MAX, Roster};

/// How long one read round may take on the leader before a reader asks again.
const READ_ROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Has the leader propose the commands.
pub async fn propose(
    roster: Arc<Roster>,
    group: GroupId,
    leader: NodeId,
    leadership: watch::Receiver<Leadership>,
    commands: Vec<Bytes>,
    deadline: Instant,
) -> Result<Vec<Answer>, Refusal> {
    let Some(peer) = roster.peer(leader) else { return Err(Refusal::NoLeader { group }) };
    let mut client = RequestClient::new(peer.request.clone())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let timeout = deadline.saturating_duration_since(Instant::now());
    let request = peer::ProposeRequest {
        route: Some(roster.route(group, leader)),
        commands,
        timeout_ms: millis(timeout),
    };
    let call = client.propose(request);
    let response = attempt(group, leader, leadership, timeout, call).await?;
    match response.result {
        Some(peer::propose_response::Result::Answers(form)) => match Answers::decode(form) {
            Ok(answers) => Ok(answers.0),
            Err(_) => Err(Refusal::Unknown { group, waited: timeout }),
        },
        Some(peer::propose_response::Result::Refused(refused)) => {
            Err(refused_there(group, refused.into()))
        }
        None => Err(Refusal::Unknown { group, waited: timeout }),
    }
}

/// Asks the leader for a read index. A read that fails was never applied.
pub async fn read_index(
    roster: Arc<Roster>,
    group: GroupId,
    leader: NodeId,
    leadership: watch::Receiver<Leadership>,
) -> Result<u64, Refusal> {
    let no_leader = Refusal::NoLeader { group };
    let Some(peer) = roster.peer(leader) else { return Err(no_leader) };
    let mut client = RequestClient::new(peer.control.clone());
    let request = peer::ReadIndexRequest {
        route: Some(roster.route(group, leader)),
        timeout_ms: millis(READ_ROUND_TIMEOUT),
    };
    let call = client.read_index(request);
    let response = attempt(group, leader, leadership, READ_ROUND_TIMEOUT, call).await;
    match response.map(|response| response.result) {
        Ok(Some(peer::read_index_response::Result::Index(index))) => Ok(index),
        Ok(Some(peer::read_index_response::Result::Refused(refused))) => {
            Err(match refused_there(group, refused.into()) {
                Refusal::Unknown { .. } => no_leader,
                refusal => refusal,
            })
        }
        Ok(None) | Err(_) => Err(no_leader),
    }
}

/// What a refusal of the leader's means here: that *it* stops, or is not ready, is
/// no reason to send our client away. Another one will lead.
fn refused_there(group: GroupId, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Stopping | Refusal::NotReady { .. } => Refusal::NoLeader { group },
        other => other,
    }
}

/// Runs one call until it answers, its time is up, or another node leads.
async fn attempt<T>(
    group: GroupId,
    leader: NodeId,
    mut leadership: watch::Receiver<Leadership>,
    timeout: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Refusal> {
    let unknown = Refusal::Unknown { group, waited: timeout };
    let deposed = leadership.wait_for(|now| now.leader.is_some_and(|other| other != leader));
    tokio::select! {
        biased;
        answer = call => match answer {
            Ok(response) => Ok(response.into_inner()),
            Err(status) if was_not_sent(&status) => Err(Refusal::NoLeader { group }),
            Err(status) => {
                tracing::debug!(%group, %leader, %status, "a forwarded call got no answer");
                Err(unknown)
            }
        },
        _ = deposed => Err(unknown),
        () = tokio::time::sleep(timeout) => Err(unknown),
    }
}

/// Whether a failed call certainly did not reach the leader's log: there was no
/// connection to send it on, or the leader's door turned it away.
fn was_not_sent(status: &Status) -> bool {
    if matches!(status.code(), Code::PermissionDenied | Code::FailedPrecondition) {
        return true;
    }
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_stops_is_one_that_is_not_there() {
        let group = GroupId(3);
        assert_eq!(refused_there(group, Refusal::Stopping), Refusal::NoLeader { group });
        let busy = Refusal::Busy { group };
        assert_eq!(refused_there(group, busy.clone()), busy);
    }
}
