//! Node: runs one node until it is told to stop.

mod renewal;

use std::collections::BTreeMap;
use std::process;
use std::sync::Arc;

use certificates::{CertificateError, Files};
use disk::lock::LockError;
use raft::clock::{Entropy, SystemClock, SystemEntropy};
use raft::identity::IdentityError;
use raft::storage::MachineStorage;
use raft::transport::tls::TlsTransport;
use raft::{Claim, Fatal, Router, StartError, World};
use server::{Server, Tls};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Https, KeyPair, Peer};
use crate::exit::Exit;

/// Runs the node until SIGTERM or SIGINT, or until it must stop by itself.
#[must_use]
pub fn run(config: Config) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.runtime.workers)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return Exit::Failure;
        }
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => Exit::Success,
        Err(error) => {
            tracing::error!("{error}");
            error.exit()
        }
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("{what}: {error}")]
    Listen { what: String, error: std::io::Error },
    #[error("setting not possible: {0}")]
    Option(#[from] server::options::BadOption),
}

impl RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Start(error) => exit_of_start(error),
            Self::Certificate(_) | Self::Option(_) => Exit::Usage,
            Self::Listen { .. } => Exit::Failure,
        }
    }
}

/// The code of a node that does not start on its directory.
pub(crate) fn exit_of_start(error: &StartError) -> Exit {
    match error {
        StartError::Fault(_)
        | StartError::Lock(LockError::Fault(_))
        | StartError::Identity(IdentityError::Fault(_)) => Exit::StorageFault,
        StartError::Lock(_) | StartError::Identity(_) => Exit::Refused,
    }
}

async fn serve(config: Config) -> Result<(), RunError> {
    let claim = Claim::take(options(&config), &SystemEntropy)?;
    let clients = listen(&config.https.listen.to_string(), "clients").await?;
    let peers = listen(&config.peer.listen.to_string(), "other nodes").await?;
    let tls = client_tls(&config.https)?;
    let peer_tls = raft::transport::tls::load(peer_files(&config.peer), &config.node.name)?;
    let world = World {
        transport: Arc::new(TlsTransport::new(peers, Arc::clone(&peer_tls))),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        disk: Arc::new(MachineStorage),
        on_fatal: Arc::new(end_the_process),
    };
    let node = raft::Node::open(claim, world)?;
    let router = Arc::new(Router::new(Arc::clone(&node), SystemEntropy.number()));
    let server = Server::new(Arc::clone(&router), server_options(&config))?;
    node.start(router);
    tracing::info!(
        node = config.node.name,
        https = %config.https.listen,
        peer = %config.peer.listen,
        data = %config.node.data_dir.display(),
        "node is up"
    );
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    tokio::spawn(retire(Arc::clone(&node), stop.clone()));
    tokio::spawn(renewal::follow(tls.clone(), peer_tls, server.expiries()));
    let drained = server.run(clients, tls, stop).await;
    if drained.cut > 0 || drained.abandoned > 0 {
        tracing::warn!(?drained, "some clients were cut off");
    }
    node.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: &str, who: &str) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|error| RunError::Listen {
        what: format!("cannot listen for {who} on {address}"),
        error,
    })
}

fn client_tls(https: &Https) -> Result<Option<Arc<Tls>>, RunError> {
    let Some(KeyPair { cert, key }) = https.tls.clone() else { return Ok(None) };
    let authorities = https.client_ca.clone();
    Ok(Some(server::tls::load(Files { chain: cert, key, authorities })?))
}

/// What a node shows to other nodes, and whom it trusts among them.
pub(crate) fn peer_files(peer: &Peer) -> Files {
    let KeyPair { cert, key } = peer.tls.clone();
    Files { chain: cert, key, authorities: Some(peer.ca.clone()) }
}

/// What the configuration means to a node.
pub(crate) fn options(config: &Config) -> raft::Options {
    let seeds: BTreeMap<_, _> =
        config.peer.seeds.iter().map(|seed| (seed.name.clone(), seed.peer.clone())).collect();
    let storage = &config.storage;
    raft::Options {
        name: config.node.name.clone(),
        data: config.node.data_dir.clone(),
        seeds,
        groups: config.cluster.groups,
        timers: raft::Timers {
            heartbeat: config.raft.heartbeat,
            election_min: config.raft.election_min,
            election_max: config.raft.election_max,
        },
        storage: raft::StorageOptions {
            map_bytes: storage.map_bytes,
            log_keep_entries: storage.log_keep_entries,
            snapshot: raft::SnapshotTrigger {
                log_bytes: storage.snapshot_log_bytes,
                disk_millionths: storage.snapshot_disk_fraction.of(1_000_000),
            },
            disk_reserve_bytes: storage.disk_reserve_bytes,
            disk_floor_bytes: storage.disk_floor_bytes,
        },
    }
}

fn server_options(config: &Config) -> server::Options {
    server::Options {
        value_bytes_max: config.limits.value_bytes_max,
        request_timeout: config.limits.request_timeout,
        connections_max: config.limits.connections_max,
        // All clients of a proxy are one peer to us.
        connections_per_peer_max: config.limits.connections_max,
        drain_notice: config.https.drain_notice,
        ..server::Options::new(config.node.name.clone())
    }
}

/// The first signal stops the node cleanly, a second one at once.
async fn stop_on_signal(stop: CancellationToken) {
    let streams = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = streams else {
        tracing::error!("cannot listen for signals; stop this node with SIGKILL");
        return;
    };
    let mut received = 0;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        received += 1;
        if received > 1 {
            tracing::warn!("told twice to stop: ending at once");
            process::exit(i32::from(Exit::Interrupted.code()));
        }
        tracing::info!("told to stop: draining");
        stop.cancel();
    }
}

/// Lets others lead as soon as the node is told to stop, while it still serves.
async fn retire(node: Arc<raft::Node>, stop: CancellationToken) {
    stop.cancelled().await;
    node.retire().await;
}

/// Ends the process with the code that tells the operator what to look at.
/// Nothing is closed: after a fault nobody knows what a close would write.
fn end_the_process(fatal: Fatal) {
    let exit = match &fatal {
        Fatal::Fault(what) => {
            tracing::error!("storage is broken, this node stops: {what}");
            Exit::StorageFault
        }
        Fatal::DiskFull { free_bytes } => {
            tracing::error!(free_bytes, "the disk is full, this node stops; make room, restart");
            Exit::DiskFull
        }
        Fatal::Refused(what) => {
            tracing::error!("this node must not run on this data: {what}");
            Exit::Refused
        }
    };
    process::exit(i32::from(exit.code()));
}
