//! Door: how simulated clients talk to a node.
//!
//! Frames of JSON, one request and its answer after the other. The node behind is
//! asked by [`Service`], as every door of a real one does; HTTP and TLS are tested
//! on real processes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use api::limits::VALUE_BYTES_DEFAULT;
use api::outcome::Value;
use api::service::{Call, Consistency, Failure, Get, OutsideId, Service, Write};
use api::{Applied, Condition, Operation, RequestId, Verdict};
use raft::Router;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

use crate::node::CLIENT_PORT;

const FRAME_BYTES_MAX: usize = 4 << 20;

/// The collection that everything happens in.
pub const COLLECTION: &str = "sim";

/// What a client asks.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Request {
    /// Makes retries safe, if there is one.
    pub idempotency_key: Option<String>,
    /// How long the client waits, milliseconds.
    pub timeout_ms: u64,
    /// The row.
    pub key: String,
    /// What to do with it.
    pub action: Action,
}

/// What to do with a row.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Action {
    /// Read it.
    Get,
    /// Read what this node has, however old.
    GetStale,
    /// Write it.
    Put(String),
    /// Remove it.
    Delete,
    /// Write the second if it holds the first; `None`: if it is not there.
    Cas(Option<String>, String),
    /// Add to its end.
    Append(String),
}

/// What a node answers.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Reply {
    /// It was done, or read.
    Done {
        /// The row as it is afterwards, or the one that was removed.
        row: Option<Row>,
        /// A condition did not hold: nothing was done.
        mismatch: bool,
    },
    /// It certainly was not done.
    NotApplied(String),
    /// Nobody knows whether it was done.
    Unknown(String),
}

/// A row and its version.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Row {
    /// What it holds; a replay does not show long values.
    pub value: Option<String>,
    /// Its version.
    pub version: u64,
}

/// Answers clients until the host dies.
pub async fn serve(router: Arc<Router>) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", CLIENT_PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let router = Arc::clone(&router);
        tokio::spawn(async move {
            // A client that goes away is none of ours.
            let _ended = converse(stream, &router).await;
        });
    }
}

async fn converse(mut stream: TcpStream, router: &Arc<Router>) -> io::Result<()> {
    loop {
        let request: Request = read(&mut stream).await?;
        // Whoever hangs up does not stop a write midway.
        let router = Arc::clone(router);
        let reply = tokio::spawn(async move { perform(&*router, request).await });
        write(&mut stream, &reply.await.map_err(io::Error::other)?).await?;
    }
}

/// Sends one message.
pub async fn write(stream: &mut TcpStream, message: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    stream.write_u32(u32::try_from(bytes.len()).map_err(io::Error::other)?).await?;
    stream.write_all(&bytes).await
}

/// Receives one message.
pub async fn read<T: for<'de> Deserialize<'de>>(stream: &mut TcpStream) -> io::Result<T> {
    let length = stream.read_u32().await? as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

async fn perform(service: &impl Service, request: Request) -> Reply {
    let key = request.key.clone().into_bytes().into();
    let id = request.idempotency_key.as_deref();
    let id = id.map(|key| OutsideId::Client(RequestId::from_idempotency_key(key.as_bytes())));
    let call = Call { request_id: id, timeout: Duration::from_millis(request.timeout_ms) };
    let operation = match request.action {
        Action::Get | Action::GetStale => {
            let stale = request.action == Action::GetStale;
            let consistency = if stale { Consistency::Stale } else { Consistency::Linearizable };
            let get = Get { collection: COLLECTION.to_owned(), key, consistency };
            return match service.get(call, get).await {
                Ok(found) => Reply::Done {
                    row: found
                        .row
                        .map(|row| Row { value: Some(text(&row.value)), version: row.version }),
                    mismatch: false,
                },
                Err(failure) => Reply::NotApplied(failure.to_string()),
            };
        }
        Action::Put(value) => {
            Operation::Put { key, value: value.into(), condition: Condition::Always }
        }
        Action::Delete => Operation::Delete { key, condition: Condition::Always },
        Action::Cas(expected, value) => {
            let condition = expected.map_or(Condition::Absent, |it| Condition::Value(it.into()));
            Operation::Put { key, value: value.into(), condition }
        }
        Action::Append(value) => {
            let bytes_max = u32::try_from(VALUE_BYTES_DEFAULT).unwrap_or(u32::MAX);
            Operation::Append { key, value: value.into(), bytes_max }
        }
    };
    let write = Write { collection: COLLECTION.to_owned(), operation: operation.clone() };
    match service.write(call, write).await {
        Ok(written) => done(&operation, &written.outcome),
        Err(failure) => failed(&failure),
    }
}

fn done(operation: &Operation, outcome: &api::Outcome) -> Reply {
    let carried = || match &outcome.value {
        Value::Bytes(bytes) => Some(text(bytes)),
        Value::None | Value::Omitted => None,
    };
    let row = |value| Some(Row { value, version: outcome.version });
    let (row, mismatch) = match (outcome.verdict, operation) {
        (Verdict::Done | Verdict::Already, Operation::Put { value, .. }) => {
            (row(Some(text(value))), false)
        }
        (Verdict::Done | Verdict::Already, Operation::Append { .. } | Operation::Delete { .. }) => {
            (row(carried()), false)
        }
        (Verdict::Mismatch, _) if outcome.version == 0 => (None, true),
        (Verdict::Mismatch, _) => (row(carried()), true),
        (Verdict::TooLarge | Verdict::Conflict, _) => {
            return Reply::NotApplied(format!("{:?}", outcome.verdict));
        }
        (Verdict::Done | Verdict::Already | Verdict::NotFound, _) => (None, false),
    };
    Reply::Done { row, mismatch }
}

fn failed(failure: &Failure) -> Reply {
    let text = failure.to_string();
    match failure.applied() {
        Applied::No => Reply::NotApplied(text),
        Applied::Unknown => Reply::Unknown(text),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
