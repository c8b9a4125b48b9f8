//! Housekeeping: when does a group take a snapshot?
//!
//! One task per node looks at each group in turn, so that at most one snapshot
//! is being built at a time. A snapshot is due after a number of bytes of log;
//! sooner if log and state together are large for what is left of the disk
//! (rdbv2's rule). openraft purges the log behind a snapshot that is on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::node::SnapshotTrigger;
use crate::switchboard::Running;

/// How often each group is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one snapshot may take before the next group gets its turn.
const BUILD_MAX: Duration = Duration::from_secs(600);

/// How much sooner a snapshot is due when the disk is tight.
const TIGHT_DIVISOR: u64 = 8;

/// Takes snapshots until `stop`.
pub async fn snapshots(
    running: Arc<Running>,
    data: PathBuf,
    trigger: SnapshotTrigger,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
        for group in running.groups.values() {
            // Measuring touches the disk, which may stand still.
            let (looked_at, data) = (Arc::clone(group), data.clone());
            let look = move || is_due(&looked_at, &data, trigger);
            if !tokio::task::spawn_blocking(look).await.unwrap_or(false) {
                continue;
            }
            tokio::select! {
                () = build(group) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

fn is_due(group: &Group, data: &std::path::Path, trigger: SnapshotTrigger) -> bool {
    let log_bytes = group.log_bytes_behind_snapshot();
    let free_bytes = disk::machine::space(data).map_or(u64::MAX, |space| space.free_bytes);
    let held_bytes = log_bytes + group.store.used_bytes().unwrap_or(0);
    due(trigger, log_bytes, held_bytes, free_bytes)
}

fn due(trigger: SnapshotTrigger, log_bytes: u64, held_bytes: u64, free_bytes: u64) -> bool {
    let allowed = u128::from(free_bytes) * u128::from(trigger.disk_millionths) / 1_000_000;
    let tight = u128::from(held_bytes) > allowed;
    let threshold =
        if tight { (trigger.log_bytes / TIGHT_DIVISOR).max(1) } else { trigger.log_bytes };
    log_bytes >= threshold
}

async fn build(group: &Group) {
    let before = group.handle.metrics().snapshot.map(|at| at.index);
    if !group.start_snapshot().await {
        return;
    }
    let built = async {
        while group.handle.metrics().snapshot.map(|at| at.index) == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(BUILD_MAX, built).await.is_err() {
        tracing::warn!(group = %group.gid, "a snapshot takes very long");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIGGER: SnapshotTrigger = SnapshotTrigger { log_bytes: 800, disk_millionths: 1_000 };

    #[test]
    fn a_snapshot_is_due_after_its_bytes_of_log() {
        assert!(!due(TRIGGER, 799, 799, u64::MAX));
        assert!(due(TRIGGER, 800, 800, u64::MAX));
    }

    #[test]
    fn a_tight_disk_makes_it_due_sooner() {
        assert!(!due(TRIGGER, 100, 1_000, 1_000_000));
        assert!(due(TRIGGER, 100, 1_001, 1_000_000));
    }

    #[test]
    fn an_idle_group_takes_none_however_tight_the_disk() {
        assert!(!due(TRIGGER, 0, u64::MAX, 1));
    }
}
