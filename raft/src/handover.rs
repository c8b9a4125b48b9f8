//! Handover: others lead what this node leads, before it goes.

use std::time::Duration;

use crate::switchboard::Running;

/// How long a stopping node waits for another to take over a group.
const HANDOVER_PATIENCE: Duration = Duration::from_secs(2);

/// Has other nodes lead the groups that this one leads, as far as they will.
pub(crate) async fn hand_over(running: &Running) {
    let me = running.roster.me;
    let led: Vec<_> = running.groups.values().filter(|group| group.leader() == Some(me)).collect();
    for group in &led {
        let metrics = group.handle.metrics();
        let reachable =
            |id: &api::NodeId| running.roster.peer(*id).is_some_and(|peer| peer.is_reachable());
        // The follower with the longest log takes over soonest.
        let heir = metrics.replication.iter().flatten().filter(|(id, _)| reachable(id));
        let heir = heir.max_by_key(|(_, matched)| matched.map(|at| at.index));
        if let Some((heir, _)) = heir {
            tracing::info!(group = %group.gid, heir = running.roster.name(*heir), "handing over");
            let _stopped = group.handle.transfer_to(*heir).await;
        }
    }
    let handed_over = futures::future::join_all(led.iter().map(|group| async {
        let mut leadership = group.leadership.clone();
        let other = leadership.wait_for(|now| now.leader.is_some_and(|leader| leader != me));
        let _stopped = other.await;
    }));
    if tokio::time::timeout(HANDOVER_PATIENCE, handed_over).await.is_err() {
        tracing::warn!("nobody took over some groups in time; they will elect a leader");
    }
}
