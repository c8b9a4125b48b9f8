//! Rebuild: how does a node get back the state of a group that its disk lost,
//! while its log is good?

use std::sync::Arc;

use api::GroupId;
use raft::rebuild::RebuildError;
use raft::transport::tls::TlsTransport;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::exit::Exit;
use crate::node;

/// Fetches a snapshot of the group from another node before the group opens.
#[must_use]
pub fn run(config: Config, group: GroupId) -> Exit {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return Exit::Failure;
        }
    };
    runtime.block_on(rebuild(&config, group))
}

async fn rebuild(config: &Config, group: GroupId) -> Exit {
    let tls = match raft::transport::tls::load(node::peer_files(&config.peer), &config.node.name) {
        Ok(tls) => tls,
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Usage;
        }
    };
    // Nobody is to connect to a node that is not running: any free port will do.
    let listener = match TcpListener::bind("127.0.0.1:0").await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot open a socket");
            return Exit::Failure;
        }
    };
    let transport = Arc::new(TlsTransport::new(listener, tls));
    match raft::rebuild::rebuild(&node::options(config), transport, group).await {
        Ok(name) => {
            tracing::info!("group {group} starts from {name}; start the node now");
            Exit::Success
        }
        Err(error) => {
            tracing::error!("{error}");
            exit_of(&error)
        }
    }
}

fn exit_of(error: &RebuildError) -> Exit {
    match error {
        RebuildError::Start(start) => node::exit_of_start(start),
        RebuildError::NoCluster => Exit::Refused,
        RebuildError::NoGroup { .. } => Exit::NotFound,
        RebuildError::NoSnapshot { .. } => Exit::Unavailable,
        RebuildError::Bad(_) => Exit::StorageFault,
    }
}
