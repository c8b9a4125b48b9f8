//! Options: what a store must know to open.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::{ClusterId, GroupId, Incarnation};
use disk::Fault;

use crate::flush::{Flush, LmdbFlush};
use crate::recovery::Owner;

/// The environment's map by default: address space, not disk.
pub const MAP_BYTES_DEFAULT: usize = 64 << 30;

/// How long an install waits for views to end, by default. Views are short.
const DRAIN_PATIENCE_DEFAULT: Duration = Duration::from_secs(30);

/// How far the group's log is durable on this node.
pub trait LogWatermark: Send + Sync {
    /// Waits until the entry at `index` is flushed; `false` if `patience` ran out.
    fn wait_until(&self, index: u64, patience: Duration) -> bool;

    /// The index up to which entries are gone from the log, if any are. A
    /// snapshot that ends before it is of no use to a peer.
    fn purged(&self) -> Option<u64> {
        None
    }
}

/// Who changes the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// A thread named `state-<group>`.
    #[default]
    Thread,
    /// Whoever asks for it: deterministic, for simulation.
    Inline,
}

/// What a store must know to open.
#[derive(Clone)]
pub struct OpenOptions {
    /// The cluster the state belongs to.
    pub cluster: ClusterId,
    /// The group the state belongs to.
    pub group: GroupId,
    /// The life of the data directory.
    pub incarnation: Incarnation,
    /// This boot of the machine: [`disk::machine::boot_id`].
    pub boot_id: String,
    /// The most the environment may ever hold.
    pub map_bytes: usize,
    /// The most a snapshot may unpack to.
    pub snapshot_raw_bytes_max: u64,
    /// How long an install or a close waits for views to end.
    pub drain_patience: Duration,
    /// Who changes the state.
    pub driver: Driver,
    /// How changes get to the disk.
    pub flush: Arc<dyn Flush>,
    /// The group's log.
    pub log: Arc<dyn LogWatermark>,
    /// Called once, with the first fault, on whichever thread meets it.
    pub on_fault: Arc<dyn Fn(&Fault) + Send + Sync>,
}

impl OpenOptions {
    /// Default sizes and patience; a fault is logged.
    #[must_use]
    pub fn new(
        cluster: ClusterId,
        group: GroupId,
        incarnation: Incarnation,
        boot_id: String,
        log: Arc<dyn LogWatermark>,
    ) -> Self {
        Self {
            cluster,
            group,
            incarnation,
            boot_id,
            map_bytes: MAP_BYTES_DEFAULT,
            snapshot_raw_bytes_max: MAP_BYTES_DEFAULT as u64,
            drain_patience: DRAIN_PATIENCE_DEFAULT,
            driver: Driver::default(),
            flush: Arc::new(LmdbFlush),
            log,
            on_fault: Arc::new(|fault| tracing::error!(%fault, "state is broken")),
        }
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner {
            cluster: self.cluster,
            group: self.group,
            incarnation: self.incarnation,
            boot_id: self.boot_id.clone(),
        }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("group", &self.group)
            .field("map_bytes", &self.map_bytes)
            .finish_non_exhaustive()
    }
}
