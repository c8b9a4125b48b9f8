//! Rebuild: a group's state from a peer's snapshot, for a node that lost it
//! while its log is good. Runs instead of the node, which must be stopped.

use std::path::PathBuf;
use std::sync::Arc;

use tonic::Status;

use api::wire::peer;
use api::wire::peer::snapshot_client::SnapshotClient;
use api::{GroupId, Incarnation};
use disk::{DirectoryLock, Fault};
use state::BadSnapshot;

use crate::identity::Identity;
use crate::node::{Options, StartError};
use crate::peers::{Roster, Seeds};
use crate::snapshot::{self, CHUNK_BYTES};
use crate::transport::Transport;

/// Why a group's state was not rebuilt. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The node runs, or the directory is not its own.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node belongs to no cluster, so it has no state to rebuild.
    #[error("this node belongs to no cluster yet: there is nothing to rebuild")]
    NoCluster,
    /// The cluster has no such group.
    #[error("there is no group {group}; groups are numbered from 0 to {last}")]
    NoGroup {
        /// The group that was asked for.
        group: GroupId,
        /// The last one there is.
        last: u32,
    },
    /// No peer gave its snapshot; the operator starts one and tries again.
    #[error("no peer gave a snapshot of group {group}: {}", answers.join("; "))]
    NoSnapshot {
        /// The group.
        group: GroupId,
        /// What each peer said.
        answers: Vec<String>,
    },
    /// What a peer gave cannot be used.
    #[error(transparent)]
    Bad(#[from] BadSnapshot),
}

/// Fetches the group's newest snapshot from the first peer that has one, and
/// makes it the state that the node starts from. Returns the snapshot's name.
pub async fn rebuild(
    options: &Options,
    transport: Arc<dyn Transport>,
    group: GroupId,
) -> Result<String, RebuildError> {
    let _lock = DirectoryLock::take(&options.data).map_err(StartError::from)?;
    // A directory without an identity gets none here: it has no cluster.
    let identity = Identity::load_or_create(&options.data, &options.name, Incarnation::default)
        .map_err(StartError::from)?;
    let adopted = identity.adopted.ok_or(RebuildError::NoCluster)?;
    if group.0 > adopted.groups {
        return Err(RebuildError::NoGroup { group, last: adopted.groups });
    }
    let seeds = Seeds::new(&transport, &options.name, options.seeds.clone());
    let members = adopted.members().map(|(id, member)| (id, member.clone())).collect();
    let roster = Roster::new(adopted.cluster_id, adopted.node_id, members, &transport, &seeds);
    let folder = options.data.join("state").join(group.to_string());
    let mut answers = Vec::new();
    for (id, member) in roster.members.iter().filter(|(id, _)| **id != roster.me) {
        let Some(peer) = roster.peer(*id) else { continue };
        let mut client =
            SnapshotClient::new(peer.transfer.clone()).max_decoding_message_size(4 * CHUNK_BYTES);
        let request = peer::SnapshotFetchRequest { route: Some(roster.route(group, *id)) };
        match fetch(&mut client, request, &folder).await {
            Ok((path, name)) => {
                state::recovery::rebuild(&folder, adopted.cluster_id, group, &path)?;
                tracing::info!(%group, from = member.name, snapshot = name, "state rebuilt");
                return Ok(name);
            }
            Err(status) => answers.push(format!("{}: {}", member.name, status.message())),
        }
    }
    Err(RebuildError::NoSnapshot { group, answers })
}

/// Receives one peer's newest snapshot. Returns where it lies and its name.
async fn fetch(
    client: &mut SnapshotClient<tonic::transport::Channel>,
    request: peer::SnapshotFetchRequest,
    folder: &std::path::Path,
) -> Result<(PathBuf, String), Status> {
    let refused = |error: std::io::Error| Status::unavailable(error.to_string());
    let mut messages = client.fetch(request).await?.into_inner();
    let first = messages.message().await?.and_then(|message| message.header);
    let header = first.ok_or(Status::aborted("transfer has no header"))?;
    if header.file.contains('/') {
        return Err(Status::invalid_argument("the snapshot's name is a path"));
    }
    let incoming = folder.join("incoming");
    std::fs::create_dir_all(&incoming).map_err(refused)?;
    let path = incoming.join(&header.file);
    disk::file::remove_if_present(&path)
        .map_err(|fault: Fault| Status::unavailable(fault.to_string()))?;
    snapshot::receive(&path, header.bytes, messages).await?;
    Ok((path, header.file))
}
