//! Sizes: how many bytes do the log and the states of this node hold?
//!
//! Measured once a second beside the runtime, and kept. So who asks for a
//! node's status never waits for its disk: one asks most when the disk stands
//! still, and then wants to hear the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use api::GroupId;

use crate::switchboard::Running;

/// How often they are measured.
const EVERY: Duration = Duration::from_secs(1);

/// What was measured last.
#[derive(Debug, Default)]
pub struct Sizes(Mutex<Measured>);

/// One measurement. What could not be measured is absent.
#[derive(Debug, Default)]
struct Measured {
    log: Option<u64>,
    states: BTreeMap<GroupId, u64>,
}

impl Sizes {
    /// Bytes of the log, of all groups.
    #[must_use]
    pub fn log_bytes(&self) -> Option<u64> {
        self.0.lock().log
    }

    /// Bytes of a group's state.
    #[must_use]
    pub fn state_bytes(&self, group: GroupId) -> Option<u64> {
        self.0.lock().states.get(&group).copied()
    }

    /// Blocks on the disk, and on a state whose place a snapshot takes.
    fn measure(&self, running: &Running, wal: &wal::Wal) {
        let states = running.groups.values();
        let states = states.filter_map(|group| Some((group.gid, group.store.used_bytes().ok()?)));
        let measured = Measured { states: states.collect(), log: wal.figures().used_bytes };
        *self.0.lock() = measured;
    }
}

/// Measures until `stop`.
pub async fn follow(
    sizes: Arc<Sizes>,
    running: Arc<Running>,
    wal: wal::Wal,
    stop: CancellationToken,
) {
    loop {
        let (sizes, running, wal) = (Arc::clone(&sizes), Arc::clone(&running), wal.clone());
        let measured = disk::blocking::run(move || sizes.measure(&running, &wal));
        tokio::select! {
            biased;
            measured = measured => if measured.is_err() { return },
            () = stop.cancelled() => return,
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
