//! Snapshot: a group's state to a member that is behind the log.
//!
//! The compressed file travels as it lies on disk, on its own connection. The
//! receiver says how much of this very file it has already, so a broken
//! transfer goes on where it stopped; the file's name is its hash, so what
//! arrives is what was sent or it is refused. Installing goes through openraft.
//!
//! # Limits
//!
//! [`CHUNK_BYTES`] per message; one transfer per group and receiver at a time,
//! others are turned away and come again; a transfer that makes no progress for
//! [`STALL_MAX`] is given up.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use openraft::errors::{ReplicationClosed, StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use tonic::{Request, Response, Status, Streaming};

use api::wire::peer;
use api::wire::peer::snapshot_client::SnapshotClient;
use api::wire::peer::snapshot_server;
use disk::blocking;
use state::SnapshotFile;

use crate::binding::{Snapshot, SnapshotMeta, Types, Vote};
use crate::group::Group;
use crate::message;
use crate::network::Line;
use crate::switchboard::{Switchboard, peer_name, refuse};

/// Bytes of file in one message.
pub const CHUNK_BYTES: usize = 1 << 20;

/// How long a transfer or an install may stand still.
pub const STALL_MAX: Duration = Duration::from_secs(60);

/// Sends a snapshot and has it installed.
pub async fn send(
    line: &Line,
    vote: Vote,
    snapshot: Snapshot,
    cancel: impl Future<Output = ReplicationClosed>,
) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
    tokio::select! {
        biased;
        sent = transfer(line, vote, &snapshot.snapshot) => sent,
        closed = cancel => Err(StreamingError::Closed(closed)),
    }
}

async fn transfer(
    line: &Line,
    vote: Vote,
    file: &SnapshotFile,
) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
    let channel = line.peer().map_err(StreamingError::Unreachable)?.transfer.clone();
    let mut client = SnapshotClient::new(channel).max_encoding_message_size(4 * CHUNK_BYTES);
    let offer = peer::SnapshotOfferRequest {
        route: Some(line.route()),
        file: file.name(),
        bytes: file.bytes(),
    };
    let offered = tokio::time::timeout(STALL_MAX, client.offer(offer)).await;
    let have_bytes = offered.map_err(stalled)?.map_err(failed)?.into_inner().have_bytes;
    tracing::info!(file = file.name(), bytes = file.bytes(), have_bytes, "sending a snapshot");
    let header = peer::SnapshotHeader {
        route: Some(line.route()),
        vote: Some(message::vote(&vote)),
        file: file.name(),
        bytes: file.bytes(),
    };
    let header = peer::SnapshotChunk { header: Some(header), ..peer::SnapshotChunk::default() };
    let chunks = read_file(file.path().to_owned(), have_bytes).filter_map(|chunk| async {
        chunk.inspect_err(|error| tracing::error!(%error, "cannot read a snapshot to send")).ok()
    });
    let messages = stream::once(async { header }).chain(chunks);
    let installed = client.install(Box::pin(messages)).await.map_err(failed)?.into_inner();
    let vote = message::read_vote(installed.vote).map_err(|bad| failed(bad.to_string()))?;
    Ok(SnapshotResponse::new(vote))
}

fn failed(why: impl ToString) -> StreamingError<Types> {
    StreamingError::Unreachable(Unreachable::from_string(why))
}

fn stalled(_: tokio::time::error::Elapsed) -> StreamingError<Types> {
    failed(format!("no answer for {STALL_MAX:?}"))
}

/// Reads a file from `offset` on.
fn read_file(
    path: PathBuf,
    offset: u64,
) -> impl Stream<Item = io::Result<peer::SnapshotChunk>> + Send + 'static {
    stream::try_unfold((None, offset), move |(file, offset)| {
        let path = path.clone();
        async move {
            let read = blocking::run(move || read_chunk(&path, file, offset)).await;
            let (file, data) = read.unwrap_or_else(|error| Err(io::Error::other(error)))?;
            let end = offset + data.len() as u64;
            let more = !data.is_empty();
            let chunk = peer::SnapshotChunk { header: None, offset, data };
            Ok(more.then_some((chunk, (Some(file), end))))
        }
    })
}

/// The next bytes of a file, which is opened at `offset` if it is not open yet.
fn read_chunk(path: &Path, file: Option<File>, offset: u64) -> io::Result<(File, Bytes)> {
    let mut file = match file {
        Some(file) => file,
        None => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            file
        }
    };
    let mut data = Vec::with_capacity(CHUNK_BYTES);
    (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut data)?;
    Ok((file, Bytes::from(data)))
}

/// Takes snapshots from leaders, and gives the newest to a member that lost its state.
pub struct Transferring(pub Arc<Switchboard>);

#[tonic::async_trait]
impl snapshot_server::Snapshot for Transferring {
    async fn offer(
        &self,
        request: Request<peer::SnapshotOfferRequest>,
    ) -> Result<Response<peer::SnapshotOfferResponse>, Status> {
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let offer = request.into_inner();
        let path = group.store.incoming(&offer.file).map_err(invalid)?;
        let have_bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        // More than there is cannot be the beginning of it.
        let have_bytes = if have_bytes > offer.bytes { 0 } else { have_bytes };
        Ok(Response::new(peer::SnapshotOfferResponse { have_bytes }))
    }

    async fn install(
        &self,
        request: Request<Streaming<peer::SnapshotChunk>>,
    ) -> Result<Response<peer::SnapshotInstalled>, Status> {
        let name = peer_name(&request)?;
        let mut messages = request.into_inner();
        let first = messages.message().await?.and_then(|message| message.header);
        let header = first.ok_or(Status::invalid_argument("transfer has no header"))?;
        let group = self.0.group_of(header.route.as_ref(), &name)?;
        let vote = message::read_vote(header.vote).map_err(|bad| refuse(&bad))?;
        let busy = |_| Status::unavailable("another snapshot of this group is arriving");
        let _alone = Arc::clone(&group.arrival).try_acquire_owned().map_err(busy)?;
        let installed = arrive(&group, vote, header, messages).await.inspect_err(|status| {
            group.arrivals_failed.add();
            tracing::warn!(group = %group.gid, reason = status.message(), "no snapshot received");
        })?;
        Ok(Response::new(installed))
    }

    type FetchStream =
        Pin<Box<dyn Stream<Item = Result<peer::SnapshotChunk, Status>> + Send + 'static>>;

    async fn fetch(
        &self,
        request: Request<peer::SnapshotFetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let missing = Status::not_found("there is no snapshot yet");
        let file = group.handle.snapshot().await.ok_or(missing)?.snapshot;
        let header = peer::SnapshotHeader {
            route: request.into_inner().route,
            vote: None,
            file: file.name(),
            bytes: file.bytes(),
        };
        let header = peer::SnapshotChunk { header: Some(header), ..peer::SnapshotChunk::default() };
        let chunks = read_file(file.path().to_owned(), 0)
            .map(|chunk| chunk.map_err(|error| Status::unavailable(error.to_string())));
        Ok(Response::new(Box::pin(stream::once(async { Ok(header) }).chain(chunks))))
    }
}

/// Receives one snapshot to its end and has openraft install it.
async fn arrive(
    group: &Arc<Group>,
    vote: Vote,
    header: peer::SnapshotHeader,
    messages: Streaming<peer::SnapshotChunk>,
) -> Result<peer::SnapshotInstalled, Status> {
    let path = group.store.incoming(&header.file).map_err(invalid)?;
    receive(&path, header.bytes, messages).await?;
    let snapshot = accept(group, header.file).await?;
    let installed = group.handle.install(vote, snapshot).await;
    let installed = installed.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
    Ok(peer::SnapshotInstalled { vote: Some(message::vote(&installed.vote)) })
}

/// Checks what arrived and makes a snapshot of it.
async fn accept(group: &Arc<Group>, name: String) -> Result<Snapshot, Status> {
    let store = group.store.clone();
    let accepted = blocking::run(move || store.accept(&name)).await;
    let file = accepted.map_err(|error| Status::unavailable(error.to_string()))?;
    let file = file.map_err(invalid)?;
    let header = file.header();
    let meta =
        SnapshotMeta { last_log_id: header.last, last_membership: header.membership.clone() };
    Ok(Snapshot { meta, snapshot: file })
}

fn invalid(bad: state::BadSnapshot) -> Status {
    Status::invalid_argument(bad.to_string())
}

/// Adds chunks to the file at `path` until it has `bytes`.
pub async fn receive(
    path: &Path,
    bytes: u64,
    mut messages: impl Stream<Item = Result<peer::SnapshotChunk, Status>> + Unpin,
) -> Result<(), Status> {
    let refused = |error: io::Error| Status::unavailable(format!("cannot receive: {error}"));
    let file = File::options().create(true).write(true).truncate(false).open(path);
    let file = Arc::new(file.map_err(refused)?);
    let mut have = file.metadata().map_err(refused)?.len();
    if have > bytes {
        file.set_len(0).map_err(refused)?;
        have = 0;
    }
    while have < bytes {
        let next = tokio::time::timeout(STALL_MAX, messages.next()).await;
        let next = next.map_err(|_| Status::deadline_exceeded("transfer stands still"))?;
        let chunk = next.ok_or(Status::aborted("transfer ended early"))??;
        let end = chunk.offset.checked_add(chunk.data.len() as u64);
        let end = end.filter(|end| *end <= bytes && chunk.offset <= have && !chunk.data.is_empty());
        let astray = || Status::invalid_argument("chunk does not continue the transfer");
        let end = end.ok_or_else(astray)?;
        // A retry may start earlier than what is here; the bytes are the same,
        // and the hash will say so if they are not.
        on_disk(&file, move |mut file| {
            file.seek(SeekFrom::Start(chunk.offset))?;
            file.write_all(&chunk.data)
        })
        .await
        .map_err(refused)?;
        have = have.max(end);
    }
    on_disk(&file, File::sync_all).await.map_err(refused)
}

async fn on_disk(
    file: &Arc<File>,
    work: impl FnOnce(&File) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let file = Arc::clone(file);
    let done = blocking::run(move || work(&file)).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(bytes: u64, chunks: &[(u64, &'static [u8])]) -> Result<Vec<u8>, Status> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("arriving");
        let chunks = chunks.iter().map(|(offset, data)| {
            Ok(peer::SnapshotChunk { header: None, offset: *offset, data: (*data).into() })
        });
        receive(&path, bytes, stream::iter(chunks)).await?;
        Ok(std::fs::read(&path).unwrap())
    }

    #[tokio::test]
    async fn chunks_add_up_and_may_overlap() {
        let whole = received(5, &[(0, b"abc"), (1, b"bcd"), (4, b"e")]).await;
        assert_eq!(whole.unwrap(), b"abcde");
    }

    #[tokio::test]
    async fn chunks_that_lead_elsewhere_are_refused() {
        let wrong: [&[(u64, &[u8])]; 6] = [
            &[],
            &[(1, b"a")],
            &[(0, b"")],
            &[(0, b"abcdef")],
            &[(0, b"abc"), (4, b"e")],
            &[(u64::MAX, b"ab")],
        ];
        for chunks in wrong {
            assert!(received(5, chunks).await.is_err(), "{chunks:?}");
        }
    }
}
