//! Door: where the other nodes come in.
//!
//! Handshakes run each in its own task, so that a slow or hostile caller holds
//! up nobody; only connections that have shown a node's certificate reach gRPC.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use api::throttle::Throttle;
use api::wire::peer::campaign_server::CampaignServer;
use api::wire::peer::founding_server::FoundingServer;
use api::wire::peer::replication_server::ReplicationServer;
use api::wire::peer::request_server::RequestServer;
use api::wire::peer::snapshot_server::SnapshotServer;

use crate::campaign::Campaigning;
use crate::founding::Greeting;
use crate::peers::MESSAGE_BYTES_MAX;
use crate::replication::Replicating;
use crate::request::Requesting;
use crate::snapshot::{CHUNK_BYTES, Transferring};
use crate::switchboard::{PeerName, Switchboard};
use crate::transport::{BoxStream, Incoming, Transport};

/// Handshakes at once. Beyond, a caller waits in the listener's backlog.
const HANDSHAKES_MAX: usize = 64;

/// Calls at once on one connection: streams of all groups and their calls.
const CALLS_PER_CONNECTION_MAX: u32 = 1024;

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const PING_EVERY: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a stopping node lets its peers finish what they have begun here.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// Serves the other nodes until `stop`.
pub async fn serve(
    transport: Arc<dyn Transport>,
    switchboard: Arc<Switchboard>,
    greeting: Greeting,
    stop: CancellationToken,
) {
    let (sender, connections) = mpsc::channel::<io::Result<PeerStream>>(HANDSHAKES_MAX);
    tokio::spawn(accept(transport, sender, stop.clone()));
    let replicating = ReplicationServer::new(Replicating(Arc::clone(&switchboard)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let requesting = RequestServer::new(Requesting(Arc::clone(&switchboard)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let transferring = SnapshotServer::new(Transferring(Arc::clone(&switchboard)))
        .max_decoding_message_size(4 * CHUNK_BYTES)
        .max_encoding_message_size(4 * CHUNK_BYTES);
    let served = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .add_service(CampaignServer::new(Campaigning(switchboard)))
        .add_service(replicating)
        .add_service(requesting)
        .add_service(transferring)
        .add_service(FoundingServer::new(greeting))
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections),
            stop.clone().cancelled_owned(),
        );
    // A leader keeps its stream open as long as it leads, so waiting for the
    // last one would be waiting for that node.
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(CLOSE_PATIENCE).await;
    };
    tokio::select! {
        biased;
        served = served => if let Err(error) = served {
            tracing::error!(%error, "the peer door closed; this node cannot take part any more");
        },
        () = overdue => tracing::debug!("peers were cut off"),
    }
}

/// Accepts connections until `stop`.
async fn accept(
    transport: Arc<dyn Transport>,
    connections: mpsc::Sender<io::Result<PeerStream>>,
    stop: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let log = Arc::new(Throttle::default());
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let incoming = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            incoming = transport.accept() => incoming,
        };
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(error) => {
                tracing::error!(%error, "cannot accept peers any more");
                return;
            }
        };
        let (connections, log) = (connections.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            admit(incoming, &connections, &log).await;
            drop(permit);
        });
    }
}

async fn admit(
    incoming: Box<dyn Incoming>,
    connections: &mpsc::Sender<io::Result<PeerStream>>,
    log: &Throttle,
) {
    let remote = incoming.remote();
    match incoming.handshake().await {
        Ok(accepted) => {
            let name = PeerName(accepted.name);
            let stream = PeerStream { stream: accepted.stream, name };
            let _closing = connections.send(Ok(stream)).await;
        }
        Err(error) => {
            if let Some(left_out) = log.pass(Instant::now()) {
                let reason = error.to_string();
                tracing::warn!(%remote, reason, left_out, "turned a peer connection away");
            }
        }
    }
}

/// A connection and the name its certificate showed.
struct PeerStream {
    stream: BoxStream,
    name: PeerName,
}

impl Connected for PeerStream {
    type ConnectInfo = PeerName;

    fn connect_info(&self) -> PeerName {
        self.name.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
