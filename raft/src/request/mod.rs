//! Request: clients' writes and linearizable reads.
//!
//! * [`router`]: finds the collection, shard and group of a request, and tries
//!   until it has an answer or the deadline: the [`Service`](api::service::Service).
//! * [`writer`]: gathers commands into log entries.
//! * [`reader`]: read rounds.
//! * [`forward`]: the one hop to the leader.
//! * [`Requesting`]: what other nodes forward to this one.

mod attempts;
pub mod cursor;
pub mod forward;
pub mod reader;
pub mod router;
pub mod scan;
pub mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use api::codec::Malformed;
use api::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, ENTRY_BYTES_MAX, REQUEST_TIMEOUT_MAX};
use api::wire::peer;
use api::wire::peer::request_server;
use api::{Answers, Command, GroupId, MetaCommand};

use crate::request::writer::Origin;
use crate::switchboard::Switchboard;

/// The longest command: an entry has a head as well.
const COMMAND_BYTES_MAX: usize = ENTRY_BYTES_MAX - (1 << 10);

/// Takes forwarded calls. They are served here or refused, never forwarded again.
pub struct Requesting(pub Arc<Switchboard>);

#[tonic::async_trait]
impl request_server::Request for Requesting {
    async fn propose(
        &self,
        request: Request<peer::ProposeRequest>,
    ) -> Result<Response<peer::ProposeResponse>, Status> {
        use peer::propose_response::Result as Outcome;
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let message = request.into_inner();
        // Refused before proposing, as every message that is not whole.
        admit(group.gid, &message.commands).map_err(Status::failed_precondition)?;
        let timeout = timeout(message.timeout_ms);
        let result = match group.writer.write(message.commands, Origin::Peer, timeout).await {
            Ok(answers) => Outcome::Answers(Answers(answers).encode()),
            Err(refusal) => Outcome::Refused((&refusal).into()),
        };
        Ok(Response::new(peer::ProposeResponse { result: Some(result) }))
    }

    async fn read_index(
        &self,
        request: Request<peer::ReadIndexRequest>,
    ) -> Result<Response<peer::ReadIndexResponse>, Status> {
        use peer::read_index_response::Result as Outcome;
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let timeout = timeout(request.into_inner().timeout_ms);
        let result = match group.reader.read_index(true, timeout).await {
            Ok(index) => Outcome::Index(index),
            Err(refusal) => Outcome::Refused((&refusal).into()),
        };
        Ok(Response::new(peer::ReadIndexResponse { result: Some(result) }))
    }
}

/// Whether forwarded commands may go into the log: an entry that a replica cannot
/// read, or not receive, stops the group on every node and for good.
fn admit(group: GroupId, commands: &[Bytes]) -> Result<(), String> {
    let bytes: usize = commands.iter().map(Bytes::len).sum();
    let bytes_max = if commands.len() > 1 { BATCH_BYTES_MAX } else { COMMAND_BYTES_MAX };
    if commands.is_empty() || commands.len() > BATCH_COMMANDS_MAX || bytes > bytes_max {
        return Err("batch is empty or over its limits".to_owned());
    }
    let readable = |command: &Bytes| match group {
        GroupId::META => MetaCommand::decode(command.clone()).map(drop),
        _ => Command::decode(command.clone()).map(drop),
    };
    let unreadable = |why: Malformed| format!("a command cannot be read: {why}");
    commands.iter().try_for_each(readable).map_err(unreadable)
}

fn timeout(ms: u32) -> Duration {
    Duration::from_millis(ms.into()).min(REQUEST_TIMEOUT_MAX)
}

#[cfg(test)]
mod tests {
    use api::{CollectionId, Fingerprint, Header, Operation, RequestClass, RequestId, ShardId};

    use super::*;

    fn data_command() -> Bytes {
        let header = Header {
            id: RequestId([1; 16]),
            class: RequestClass::Client,
            issued_at_ms: 1,
            fingerprint: Fingerprint(2),
            shard: ShardId(7),
            collection: CollectionId(4),
        };
        let operation = Operation::PutValue { key: "k".into(), value: "v".into() };
        Command { header, operation }.encode()
    }

    #[test]
    fn what_a_node_forwards_is_proposed_if_every_replica_can_read_it() {
        let good = data_command();
        assert_eq!(admit(GroupId(1), &[good.clone(), good.clone()]), Ok(()));
        let torn = good.slice(..good.len() - 1);
        let longer = [&good[..], b"x"].concat().into();
        for bad in [Bytes::new(), "?".into(), torn, longer] {
            assert!(admit(GroupId(1), &[good.clone(), bad]).is_err());
        }
        assert!(admit(GroupId::META, &[good]).is_err(), "not a command of that group");
        assert!(admit(GroupId(1), &[]).is_err());
    }

    #[test]
    fn what_a_node_forwards_fits_an_entry() {
        let good = data_command();
        assert!(admit(GroupId(1), &vec![good; BATCH_COMMANDS_MAX + 1]).is_err());
        let large = Operation::PutValue { key: "k".into(), value: vec![0; ENTRY_BYTES_MAX].into() };
        let header = Command::decode(data_command()).unwrap().header;
        assert!(admit(GroupId(1), &[Command { header, operation: large }.encode()]).is_err());
    }
}
