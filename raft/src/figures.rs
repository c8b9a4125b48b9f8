//! Figures: what the groups of a node measure of themselves.

use api::figures::{GroupFigures, RaftFigures};

use crate::group::Group;
use crate::switchboard::Running;

/// The figures of every group with a replica here. Blocks on the disk, briefly.
#[must_use]
pub fn of_groups(running: &Running) -> Vec<GroupFigures> {
    let groups = running.groups.values();
    let figures = groups.map(|group| GroupFigures {
        group: group.gid,
        raft: of_raft(running, group),
        state: group.store.figures(),
    });
    figures.collect()
}

fn of_raft(running: &Running, group: &Group) -> RaftFigures {
    let metrics = group.handle.metrics();
    let roster = &running.roster;
    let committed = metrics.local_committed.map_or(0, |at| at.index);
    let others = metrics.replication.iter().flatten().filter(|(id, _)| **id != roster.me);
    let lags = others.map(|(id, matched)| {
        // An index counts entries from 0; a member without any lacks them all.
        let lag = match (metrics.local_committed, matched) {
            (None, _) => 0,
            (Some(_), None) => committed + 1,
            (Some(_), Some(matched)) => committed.saturating_sub(matched.index),
        };
        (roster.name(*id), lag)
    });
    RaftFigures {
        has_leader: metrics.current_leader.is_some(),
        is_leader: metrics.current_leader == Some(roster.me),
        term: metrics.current_term,
        leader_changes: group.leader_changes.get(),
        committed,
        applied: group.applied_index(),
        lags: lags.collect(),
        pending: group.writer.pending(),
        failed: group.writer.failed.get(),
        forwarded: group.forwarded(),
        log_bytes_behind_snapshot: group.log_bytes_behind_snapshot(),
        arrivals_failed: group.arrivals_failed.get(),
    }
}
