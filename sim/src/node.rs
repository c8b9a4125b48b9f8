//! Node: one simulated node, from a start to a crash.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use raft::clock::{Clock, Entropy};
use raft::{Claim, Fatal, Node, Options, Router, SnapshotTrigger, StorageOptions, Timers, World};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;

use crate::disk::SimDisk;
use crate::door;
use crate::net::{SimTransport, Up};

/// Where other nodes and clients find a node.
pub const PEER_PORT: u16 = 7402;
/// Where clients find it.
pub const CLIENT_PORT: u16 = 8080;

const MAP_BYTES: usize = 64 << 20;
/// The wall clock at the simulation's start, milliseconds since 1970.
const EPOCH_MS: u64 = 1_800_000_000_000;

/// What all nodes of a cluster are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Data groups.
    pub groups: u32,
    /// Elections and heartbeats.
    pub timers: Timers,
    /// A snapshot is taken after this much log.
    pub snapshot_log_bytes: u64,
    /// Entries kept behind a snapshot.
    pub log_keep_entries: u64,
    /// Free disk below which writes are refused.
    pub disk_reserve_bytes: u64,
    /// Free disk below which a node stops.
    pub disk_floor_bytes: u64,
}

/// One node: what is left of it when it is down, and what is looked at while it runs.
pub struct SimNode {
    /// Its name, which is its host's.
    pub name: String,
    /// Its disk.
    pub disk: SimDisk,
    /// How far its wall clock is off, milliseconds; wraps below zero.
    pub skew_ms: AtomicU64,
    /// Tells the node to stop.
    pub stop: Notify,
    up: Up,
    settings: Settings,
    seeds: BTreeMap<String, String>,
    data: PathBuf,
    seed: u64,
    lives: AtomicU64,
    running: Mutex<Option<Arc<Node>>>,
    fatal: Arc<Mutex<Option<Fatal>>>,
}

impl SimNode {
    /// A node that has never run. `names` are all nodes of the cluster.
    #[must_use]
    pub fn new(
        (name, names): (&str, &[String]),
        up: Up,
        data: PathBuf,
        settings: Settings,
        seed: u64,
    ) -> Self {
        let seeds = names.iter().map(|name| (name.clone(), format!("{name}:{PEER_PORT}")));
        Self {
            name: name.to_owned(),
            disk: SimDisk::default(),
            skew_ms: AtomicU64::new(0),
            stop: Notify::new(),
            up,
            settings,
            seeds: seeds.collect(),
            data,
            seed,
            lives: AtomicU64::new(0),
            running: Mutex::default(),
            fatal: Arc::default(),
        }
    }

    /// Runs the node until its host dies.
    pub async fn live(self: Arc<Self>) -> turmoil::Result {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let entropy = Arc::new(SeededEntropy::new(self.seed ^ life.wrapping_mul(0x9e37_79b9)));
        let transport = SimTransport::listen(&self.name, self.up.clone()).await?;
        let claim = Claim::take(self.options(), &*entropy)?;
        let nonce = entropy.number();
        let fatal = Arc::clone(&self.fatal);
        let world = World {
            transport: Arc::new(transport),
            clock: Arc::new(SimClock(Arc::clone(&self))),
            entropy,
            disk: Arc::new(self.disk.clone()),
            on_fatal: Arc::new(move |why| {
                tracing::warn!(?why, "a node stops");
                fatal.lock().get_or_insert(why);
            }),
        };
        let node = Node::open(claim, world)?;
        let router = Arc::new(Router::new(Arc::clone(&node), nonce));
        *self.running.lock() = Some(Arc::clone(&node));
        node.start(Arc::clone(&router));
        tokio::select! {
            biased;
            () = self.stop.notified() => {}
            served = door::serve(router) => return Ok(served?),
        }
        self.up.set(&self.name, false);
        node.stop().await;
        // The host lives on, as a machine does.
        std::future::pending().await
    }

    /// The machine under the node, which is down, loses its power.
    pub fn lose_power(&self, seed: u64) {
        self.disk.lose_power(&self.data, seed).expect("the simulated disks' files can be torn");
    }

    /// The node, while it runs.
    #[must_use]
    pub fn running(&self) -> Option<Arc<Node>> {
        self.running.lock().clone()
    }

    /// Lets go of the node, whose host dies.
    pub fn dies(&self) {
        self.up.set(&self.name, false);
        *self.running.lock() = None;
    }

    /// Why the node wants to end its process, if it does.
    pub fn take_fatal(&self) -> Option<Fatal> {
        self.fatal.lock().take()
    }

    /// Whether the node said that its process must end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.fatal.lock().is_some()
    }

    fn options(&self) -> Options {
        let settings = &self.settings;
        Options {
            name: self.name.clone(),
            data: self.data.clone(),
            seeds: self.seeds.clone(),
            groups: settings.groups,
            timers: settings.timers,
            storage: StorageOptions {
                map_bytes: MAP_BYTES,
                log_keep_entries: settings.log_keep_entries,
                snapshot: SnapshotTrigger {
                    log_bytes: settings.snapshot_log_bytes,
                    disk_millionths: u64::MAX,
                },
                disk_reserve_bytes: settings.disk_reserve_bytes,
                disk_floor_bytes: settings.disk_floor_bytes,
            },
        }
    }
}

/// Simulated time since the start, plus how far the node's clock is off.
struct SimClock(Arc<SimNode>);

impl Clock for SimClock {
    fn wall_ms(&self) -> u64 {
        let skew_ms = self.0.skew_ms.load(Ordering::Relaxed);
        (EPOCH_MS + millis(turmoil::sim_elapsed().unwrap_or_default())).wrapping_add(skew_ms)
    }
}

/// Random numbers that follow from a seed.
pub struct SeededEntropy(Mutex<SmallRng>);

impl SeededEntropy {
    /// Those of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}

/// Whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
