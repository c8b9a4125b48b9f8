//! Opening: from files to running groups, and back.
//!
//! The log opens first, then each group's state, then openraft on both. What
//! does not fit together is refused with what to do, before anything votes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, Raft, SnapshotPolicy};
use tokio_util::sync::CancellationToken;

use api::limits::APPEND_ENTRIES_MAX;
use api::{GroupId, Member, NodeId};
use disk::Fault;

use crate::binding::Types;
use crate::clock::ClusterClock;
use crate::codec::Codec;
use crate::founding::Registry;
use crate::group::{Group, LogReader, Parts};
use crate::handle::Handle;
use crate::identity::Adopted;
use crate::network::Network;
use crate::node::{Fatal, Timers};
use crate::peers::Roster;
use crate::space::Space;
use crate::storage::{Storage, StorageOptions};

/// Entries of openraft's internal queues: a full one makes senders wait.
const API_QUEUE: u64 = 4096;

/// How long a member that is not first waits before it writes the first
/// membership itself: the first one usually has by then.
const INITIALIZE_AFTER: Duration = Duration::from_secs(2);

/// What opening needs.
pub struct Site {
    /// The data directory.
    pub data: PathBuf,
    /// Elections and heartbeats.
    pub timers: Timers,
    /// Sizes and thresholds.
    pub storage: StorageOptions,
    /// The members.
    pub roster: Arc<Roster>,
    /// What time it is.
    pub clock: Arc<ClusterClock>,
    /// Whether there is room for writes.
    pub space: Arc<Space>,
    /// The disk.
    pub disk: Arc<dyn Storage>,
    /// The identity, to note that Raft runs here.
    pub registry: Arc<Registry>,
    /// Called with the first storage fault.
    pub on_fault: Arc<dyn Fn(&Fault) + Send + Sync>,
}

/// The running groups and the files under them.
pub struct Opened {
    /// The groups.
    pub groups: BTreeMap<GroupId, Arc<Group>>,
    wal: wal::Wal,
}

/// Why the data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log is another cluster's, or broken.
    #[error(transparent)]
    Log(#[from] wal::OpenError),
    /// A group's state is another's, lost, or broken.
    #[error("group {group}: {error}")]
    State {
        /// The group.
        group: GroupId,
        /// Why.
        error: state::OpenError,
    },
    /// Storage is broken.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// openraft found log and state at odds.
    #[error("group {group} does not start: {what}")]
    Consensus {
        /// The group.
        group: GroupId,
        /// What it says.
        what: String,
    },
}

impl From<OpenError> for Fatal {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::Fault(_)
            | OpenError::Log(wal::OpenError::Fault(_))
            | OpenError::State { error: state::OpenError::Fault(_), .. }
            | OpenError::Consensus { .. } => Self::Fault(error.to_string()),
            OpenError::Log(_) | OpenError::State { .. } => Self::Refused(error.to_string()),
        }
    }
}

/// Opens the log and every group.
pub async fn open(site: Site, adopted: Adopted) -> Result<Opened, OpenError> {
    let incarnation = site.registry.identity().incarnation;
    let identity = wal::Identity { cluster: adopted.cluster_id, incarnation };
    let options = wal::Options { map_bytes: site.storage.map_bytes, ..wal::Options::default() };
    let on_fault = Arc::clone(&site.on_fault);
    let replication = site.data.join("replication");
    let disk = Arc::clone(&site.disk);
    let wal = blocking(move || {
        let store = disk.open_log(&replication, options.map_bytes)?;
        let on_fault = move |fault: &Fault| on_fault(fault);
        wal::Wal::on_store(store, identity, options, disk.log_driver(), on_fault)
    })
    .await?;
    site.disk.log_opened(&wal);
    let registry = Arc::clone(&site.registry);
    // From here on a missing log means that it was lost (I3).
    let noted = blocking(move || registry.note(|adopted| adopted.started = true)).await;
    noted.map_err(|what| Fault::corrupt("note that Raft runs here", &site.data, what))?;
    let mut groups = BTreeMap::new();
    for gid in (0..=adopted.groups).map(GroupId) {
        let group = open_group(&site, &wal, &adopted, gid).await?;
        groups.insert(gid, group);
    }
    Ok(Opened { groups, wal })
}

async fn open_group(
    site: &Site,
    wal: &wal::Wal,
    adopted: &Adopted,
    gid: GroupId,
) -> Result<Arc<Group>, OpenError> {
    let (wal_, options) = (wal.clone(), state_options(site, adopted, gid)?);
    let log = blocking(move || wal_.group::<Types, _>(gid, Codec)).await?;
    let reader = log.reader();
    let watermark = Watermark { flushed: wal.flushed(gid), log: reader.clone() };
    let options = state::OpenOptions { log: Arc::new(watermark), ..options };
    let folder = site.data.join("state").join(gid.to_string());
    let config = Arc::new(config(site, gid));
    let network = Network::new(gid, Arc::clone(&site.roster));
    let me = adopted.node_id;
    let failed = |error| OpenError::State { group: gid, error };
    let fatal = |error: openraft::errors::Fatal<Types>| OpenError::Consensus {
        group: gid,
        what: error.to_string(),
    };
    let store = blocking(move || state::Store::open(&folder, options)).await.map_err(failed)?;
    let raft = Raft::new(me, config, network, log, store.clone()).await.map_err(fatal)?;
    let handle = Handle(raft);
    let parts = Parts { gid, handle, store, log: reader };
    let (roster, clock) = (Arc::clone(&site.roster), Arc::clone(&site.clock));
    Ok(Group::new(parts, roster, clock, Arc::clone(&site.space)))
}

fn state_options(
    site: &Site,
    adopted: &Adopted,
    gid: GroupId,
) -> Result<state::OpenOptions, OpenError> {
    let boot = site.disk.boot_id()?;
    let incarnation = site.registry.identity().incarnation;
    let nowhere = Arc::new(NoLog);
    let options = state::OpenOptions::new(adopted.cluster_id, gid, incarnation, boot, nowhere);
    let on_fault = Arc::clone(&site.on_fault);
    Ok(state::OpenOptions {
        map_bytes: site.storage.map_bytes,
        driver: site.disk.state_driver(),
        flush: site.disk.flush(),
        on_fault,
        ..options
    })
}

/// openraft's settings (raft-library note 4.3 says why each).
fn config(site: &Site, gid: GroupId) -> Config {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let timers = site.timers;
    let config = Config {
        cluster_name: format!("{}/{gid}", site.roster.cluster),
        heartbeat_interval: ms(timers.heartbeat),
        heartbeat_min_interval: Some(ms(timers.heartbeat)),
        election_timeout_min: ms(timers.election_min),
        election_timeout_max: ms(timers.election_max),
        enable_pre_vote: Some(true),
        // A restarted leader stands again instead of resuming its old term.
        enable_leader_restore: Some(false),
        // A leader that only a minority hears falls silent, so that the others elect.
        quorum_loss_probe_interval: Some(2 * ms(timers.election_max)),
        broadcast_submitted_on_append: Some(false),
        max_payload_entries: APPEND_ENTRIES_MAX,
        api_channel_size: Some(API_QUEUE),
        // Snapshots are started by housekeeping, one at a time per node.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: site.storage.log_keep_entries,
        purge_batch_size: 1,
        install_snapshot_timeout: ms(crate::snapshot::STALL_MAX),
        allow_log_reversion: None,
        ..Config::default()
    };
    config.validate().expect("configured timers were checked against each other")
}

/// Writes the first membership, unless some member has by now. Every member
/// writes the same one, so it does not matter who is first.
pub async fn initialize(
    group: Arc<Group>,
    members: BTreeMap<NodeId, Member>,
    rank: usize,
    stop: CancellationToken,
) {
    let wait = INITIALIZE_AFTER * u32::try_from(rank).unwrap_or(u32::MAX);
    tokio::select! {
        biased;
        () = tokio::time::sleep(wait) => {}
        () = stop.cancelled() => return,
    }
    if !matches!(group.handle.is_initialized().await, Ok(false)) {
        return;
    }
    match group.handle.initialize(members).await {
        Ok(()) => tracing::info!(group = %group.gid, "wrote the first membership"),
        // Somebody else was first.
        Err(error) => tracing::debug!(group = %group.gid, %error, "not initialized here"),
    }
}

impl Opened {
    /// The log under all groups.
    #[must_use]
    pub fn wal(&self) -> &wal::Wal {
        &self.wal
    }

    /// Stops the groups, then closes their state, then the log.
    pub async fn close(self) {
        for group in self.groups.values() {
            group.handle.shutdown().await;
        }
        let stores: Vec<_> = self.groups.values().map(|group| group.store.clone()).collect();
        drop(self.groups);
        let wal = self.wal;
        blocking(move || {
            for store in stores {
                if let Err(fault) = store.close() {
                    tracing::error!(%fault, "state was not closed cleanly");
                }
            }
            if let Err(stop) = wal.close() {
                tracing::error!(%stop, "log was not closed cleanly");
            }
        })
        .await;
    }
}

/// How far the log is durable, for the state's thread.
struct Watermark {
    flushed: wal::Flushed,
    log: LogReader,
}

impl state::LogWatermark for Watermark {
    fn wait_until(&self, index: u64, patience: Duration) -> bool {
        self.flushed.wait_until(index, patience) == wal::Waited::Flushed
    }

    fn purged(&self) -> Option<u64> {
        self.log.purged_index()
    }
}

/// Stands in until the log is open.
struct NoLog;

impl state::LogWatermark for NoLog {
    fn wait_until(&self, _: u64, _: Duration) -> bool {
        false
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    disk::blocking::run(work).await.expect("file work does not panic")
}
