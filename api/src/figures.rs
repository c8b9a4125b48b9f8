//! Figures: what a running node measures of itself, at one moment.
//!
//! Values without names: what each is called, and what it means to an
//! operator, stands in the server's catalogue of metrics. What a node cannot
//! know yet is absent, never zero.

use crate::id::GroupId;
use crate::meter::Distribution;

/// What a node measures of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Every group with a replica here.
    pub groups: Vec<GroupFigures>,
    /// The log, once it is open.
    pub log: Option<LogFigures>,
    /// The disk under all of it.
    pub space: Option<SpaceFigures>,
    /// The other nodes, by name, and whether they answered lately.
    pub peers: Vec<(String, bool)>,
}

/// One group's replica.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupFigures {
    /// Which group.
    pub group: GroupId,
    /// The consensus.
    pub raft: RaftFigures,
    /// The state.
    pub state: StateFigures,
}

/// One group's consensus, as its replica sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RaftFigures {
    /// Somebody leads it.
    pub has_leader: bool,
    /// This node does.
    pub is_leader: bool,
    /// The current term.
    pub term: u64,
    /// Leaders seen to take office.
    pub leader_changes: u64,
    /// The last committed index known here.
    pub committed: u64,
    /// The last index applied here.
    pub applied: u64,
    /// On the leader: each other member's name, and how many committed entries
    /// it is not known to have.
    pub lags: Vec<(String, u64)>,
    /// Commands that wait to be proposed.
    pub pending: usize,
    /// Commands whose batch was refused or got no answer.
    pub failed: u64,
    /// Commands sent on to the leader.
    pub forwarded: u64,
    /// Bytes of log since the last snapshot.
    pub log_bytes_behind_snapshot: u64,
    /// Snapshots from a peer that broke off or were refused.
    pub arrivals_failed: u64,
}

/// One group's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateFigures {
    /// Transactions of applied entries, seconds.
    pub apply: Distribution,
    /// Snapshots built, seconds.
    pub build: Distribution,
    /// Snapshots installed, seconds.
    pub install: Distribution,
    /// Snapshots not built because the disk is nearly full.
    pub builds_deferred: u64,
    /// Size of the newest snapshot, if there is one.
    pub snapshot_bytes: Option<u64>,
    /// Bytes of pages that hold data; absent while the state is replaced.
    pub used_bytes: Option<u64>,
}

/// The log of all groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogFigures {
    /// Batches made durable, seconds: written and synced.
    pub sync: Distribution,
    /// Entries in each of them.
    pub entries: Distribution,
    /// Bytes of pages that hold data; absent once it is closed.
    pub used_bytes: Option<u64>,
}

/// The disk a node's data lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceFigures {
    /// What is free.
    pub free_bytes: u64,
    /// Below this, writes are refused.
    pub reserve_bytes: u64,
}
