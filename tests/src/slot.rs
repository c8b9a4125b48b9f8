//! Slot: who may run a cluster now, and on which ports?
//!
//! Ten processes at once are what two cores bear. A slot is a locked file in
//! the system's temporary directory, so it binds tests of one process and
//! test processes alike, and the system frees it however its holder ends.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::NODES;

const SLOTS: u16 = 2;
const PORTS_START: u16 = 21_000;
const PORTS_PER_SLOT: u16 = 2_000;
// The https ports of a cluster, then its peer ports.
const PORTS_PER_CLUSTER: u16 = 20;
const PEER_PORTS_OFFSET: u16 = 10;
const PAUSE: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(1800);

/// Leave to run one cluster, while it is held.
#[derive(Debug)]
pub struct Slot {
    /// The port of node 0 for clients; node N listens N above.
    pub https_port: u16,
    /// The port of node 0 for nodes; node N listens N above.
    pub peer_port: u16,
    _held: Vec<Flock<File>>,
}

impl Slot {
    /// Waits for a slot. A cluster that is `alone` takes all of them.
    ///
    /// # Panics
    ///
    /// If none gets free in half an hour, or none of its ports is.
    pub async fn take(alone: bool) -> Self {
        let waited = tokio::time::timeout(WAIT_MAX, take(alone)).await;
        let (first, held) = waited.expect("a slot gets free within half an hour");
        let (https_port, peer_port) = free_ports(first);
        Self { https_port, peer_port, _held: held }
    }
}

/// Takes slots in rising order only, so two that want all of them cannot block each other.
async fn take(alone: bool) -> (u16, Vec<Flock<File>>) {
    let mut held = Vec::new();
    while alone && held.len() < usize::from(SLOTS) {
        let next = u16::try_from(held.len()).unwrap_or(SLOTS);
        match try_take(next) {
            Some(slot) => held.push(slot),
            None => tokio::time::sleep(PAUSE).await,
        }
    }
    if alone {
        return (0, held);
    }
    loop {
        // From above, to leave the first to whoever wants to be alone.
        for slot in (0..SLOTS).rev() {
            if let Some(held) = try_take(slot) {
                return (slot, vec![held]);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn try_take(slot: u16) -> Option<Flock<File>> {
    let path: PathBuf = std::env::temp_dir().join(format!("rdb-tests-slot-{slot}"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
    Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
}

/// Ports of this slot that nobody listens on, other ones each time if possible:
/// an old client's last packets must not meet a new cluster.
fn free_ports(slot: u16) -> (u16, u16) {
    let blocks = PORTS_PER_SLOT / PORTS_PER_CLUSTER;
    let start: u16 = rand::random_range(0..blocks);
    for block in 0..blocks {
        let base =
            PORTS_START + slot * PORTS_PER_SLOT + (start + block) % blocks * PORTS_PER_CLUSTER;
        let peers = base + PEER_PORTS_OFFSET;
        let nodes = u16::try_from(NODES).unwrap_or(u16::MAX);
        if (0..nodes).all(|node| is_free(base + node) && is_free(peers + node)) {
            return (base, peers);
        }
    }
    panic!("no ten free ports between {PORTS_START} and the ephemeral ones");
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
