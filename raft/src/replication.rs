//! Replication: entries from the leader to the others.
//!
//! One long-lived stream per group and follower, pipelined: the leader sends
//! without waiting, the follower answers in order once its log is on disk.
//! Heartbeats travel on another connection, so that bulk never delays them.
//!
//! # Limits
//!
//! A message holds [`APPEND_BYTES_MAX`](api::limits::APPEND_BYTES_MAX) of
//! entries (the log's reader cuts there) and openraft's `max_payload_entries`.
//! A stream that stays silent is ended by the connection's pings.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::ready;
use futures::stream;
use futures::{FutureExt, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::base::BoxStream;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::AppendEntriesRequest;
use tonic::{Request, Response, Status, Streaming};

use api::wire::peer;
use api::wire::peer::replication_client::ReplicationClient;
use api::wire::peer::replication_server::Replication;

use crate::binding::{AppendResult, Types};
use crate::message;
use crate::network::{Line, unreachable};
use crate::peers::MESSAGE_BYTES_MAX;
use crate::switchboard::{PeerName, Switchboard, peer_name, refuse};

/// How long opening a stream may take at least, however short heartbeats are.
const OPEN_TIMEOUT_MIN: Duration = Duration::from_millis(500);

/// What a follower answers to a stream of entries, in order.
pub type AppendResults<'a> = BoxStream<'a, Result<AppendResult, RPCError<Types>>>;

/// Opens the stream to a follower and feeds it.
pub async fn send_stream<'a, S>(
    line: &'a Line,
    mut requests: S,
    ttl: Duration,
) -> Result<AppendResults<'a>, RPCError<Types>>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
{
    // After a failure openraft holds the first request back for a while. Who opened the
    // stream before it asks for one would dial a dead follower without a pause.
    let Some(first) = requests.next().await else { return Ok(Box::pin(stream::empty())) };
    let requests = stream::once(ready(first)).chain(requests);
    let mut client = ReplicationClient::new(line.peer()?.bulk.clone())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let route = line.route();
    let messages = requests.map(move |request| message::append(route.clone(), &request));
    let opened = tokio::time::timeout(ttl.max(OPEN_TIMEOUT_MIN), client.append(messages)).await;
    let responses = opened.map_err(unreachable)?.map_err(unreachable)?.into_inner();
    Ok(Box::pin(responses.map(|response| match response {
        Ok(response) => message::read_append_result(response).map_err(unreachable),
        Err(status) => Err(RPCError::Network(NetworkError::from_string(status))),
    })))
}

/// Sends the one request of a heartbeat.
pub async fn send_heartbeat<'a, S>(
    line: &'a Line,
    mut requests: S,
    ttl: Duration,
) -> Result<AppendResults<'a>, RPCError<Types>>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
{
    let Some(request) = requests.next().await else { return Ok(Box::pin(stream::empty())) };
    let mut client = ReplicationClient::new(line.peer()?.control.clone());
    let call = client.heartbeat(message::append(line.route(), &request));
    let response = tokio::time::timeout(ttl, call).await.map_err(unreachable)?;
    let response = response.map_err(unreachable)?.into_inner();
    let result = message::read_append_result(response).map_err(unreachable)?;
    Ok(Box::pin(stream::once(async { Ok(result) })))
}

/// Takes entries and heartbeats from leaders.
pub struct Replicating(pub Arc<Switchboard>);

#[tonic::async_trait]
impl Replication for Replicating {
    type AppendStream = Responses;

    async fn append(
        &self,
        request: Request<Streaming<peer::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let name = peer_name(&request)?;
        let switchboard = Arc::clone(&self.0);
        // The answer's head must not wait for the first message: the leader may
        // have nothing to send yet, and takes a silent stream for a dead one.
        let results = async move {
            match open(&switchboard, &name, request.into_inner()).await {
                Ok(results) => results,
                Err(status) => Box::pin(stream::once(async { Err(status) })),
            }
        };
        Ok(Response::new(Box::pin(results.flatten_stream())))
    }

    async fn heartbeat(
        &self,
        request: Request<peer::AppendRequest>,
    ) -> Result<Response<peer::AppendResponse>, Status> {
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let request = message::read_append(request.into_inner()).map_err(|bad| refuse(&bad))?;
        let mut results = group.handle.append(stream::iter([request]));
        match results.next().await {
            Some(Ok(result)) => Ok(Response::new(message::append_result(&result))),
            Some(Err(fatal)) => Err(Status::unavailable(fatal.to_string())),
            None => Err(Status::unavailable("group is stopping")),
        }
    }
}

type Responses = Pin<Box<dyn Stream<Item = Result<peer::AppendResponse, Status>> + Send>>;

/// Finds the group of the stream's first message and lets it take in all of them.
async fn open(
    switchboard: &Switchboard,
    name: &PeerName,
    mut messages: Streaming<peer::AppendRequest>,
) -> Result<Responses, Status> {
    let Some(first) = messages.message().await? else { return Ok(Box::pin(stream::empty())) };
    let group = switchboard.group_of(first.route.as_ref(), name)?;
    let route = first.route.clone();
    let messages = stream::once(async { Ok(first) }).chain(messages);
    // Every frame names its route: one that strays from the stream's ends it,
    // and so does one that is not whole.
    let requests = messages.map(move |message| match message {
        Ok(message) if message.route == route => message::read_append(message).ok(),
        Ok(_) | Err(_) => None,
    });
    let whole = requests.take_while(|request| ready(request.is_some())).filter_map(ready);
    let results = group.handle.append(Box::pin(whole)).map(|result| match result {
        Ok(result) => Ok(message::append_result(&result)),
        Err(fatal) => Err(Status::unavailable(fatal.to_string())),
    });
    Ok(Box::pin(results))
}
