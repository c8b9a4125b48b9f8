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

use tonic::{Request, Response, Status};

use api::Answers;
use api::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, REQUEST_TIMEOUT_MAX};
use api::wire::peer;
use api::wire::peer::request_server;

use crate::request::writer::Origin;
use crate::switchboard::Switchboard;

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
        let bytes: usize = message.commands.iter().map(bytes::Bytes::len).sum();
        let crowded = message.commands.len() > BATCH_COMMANDS_MAX
            || (message.commands.len() > 1 && bytes > BATCH_BYTES_MAX);
        if message.commands.is_empty() || crowded {
            // Refused before proposing, as every message that is not whole.
            return Err(Status::failed_precondition("batch is empty or over its limits"));
        }
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

fn timeout(ms: u32) -> Duration {
    Duration::from_millis(ms.into()).min(REQUEST_TIMEOUT_MAX)
}
