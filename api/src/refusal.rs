//! Refusal: why a node will not serve a call now, and whether it took effect.
//!
//! Every refusal but [`Refusal::Unknown`] promises that nothing was proposed.
//! A call that lost its leader or its node *after* proposing is `Unknown`.

use std::time::Duration;

use crate::id::{GroupId, NodeId};

/// Why a call was refused. Each variant names who acts next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody leads the group as far as this node knows; the client tries again soon.
    #[error("no leader available for group {group}")]
    NoLeader {
        /// The group.
        group: GroupId,
    },

    /// Another node leads the group; the router sends the call there.
    #[error("group {group} is led by another node")]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Who leads it, if known.
        leader: Option<NodeId>,
    },

    /// A queue is full; the client backs off.
    #[error("group {group} is busy: its queue is full")]
    Busy {
        /// The group.
        group: GroupId,
    },

    /// The deadline passed while the call waited for its turn; the client tries again.
    #[error("group {group} did not take the request within {waited:?}")]
    Expired {
        /// The group.
        group: GroupId,
        /// How long the call waited.
        waited: Duration,
    },

    /// No answer in time. A write may yet take effect; only a retry with the same
    /// request id is safe.
    #[error("outcome unknown: group {group} did not answer within {waited:?}")]
    Unknown {
        /// The group.
        group: GroupId,
        /// How long the call waited.
        waited: Duration,
    },

    /// The disk has no room for writes; the operator frees space. Reads and deletes go on.
    #[error("disk nearly full: {free_bytes} bytes free, writes need {reserve_bytes}")]
    DiskFull {
        /// Free bytes where the data lies.
        free_bytes: u64,
        /// The reserve below which writes are refused.
        reserve_bytes: u64,
    },

    /// The node is not part of a running cluster (yet); the operator reads the reason.
    #[error("node not ready: {reason}")]
    NotReady {
        /// What it waits for and what to do.
        reason: String,
    },

    /// The node is stopping; the client tries another one.
    #[error("node is stopping")]
    Stopping,
}

/// Whether a refused write may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Certainly not, and it never will.
    No,
    /// It may have, or may yet.
    Unknown,
}

impl Refusal {
    /// Whether the refused write may have taken effect.
    #[must_use]
    pub fn applied(&self) -> Applied {
        match self {
            Self::Unknown { .. } => Applied::Unknown,
            Self::NoLeader { .. }
            | Self::NotLeader { .. }
            | Self::Busy { .. }
            | Self::Expired { .. }
            | Self::DiskFull { .. }
            | Self::NotReady { .. }
            | Self::Stopping => Applied::No,
        }
    }

    /// The refusal's stable name in answers, logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoLeader { .. } => "no_leader",
            Self::NotLeader { .. } => "not_leader",
            Self::Busy { .. } => "busy",
            Self::Expired { .. } => "timeout",
            Self::Unknown { .. } => "outcome_unknown",
            Self::DiskFull { .. } => "disk_full",
            Self::NotReady { .. } => "not_ready",
            Self::Stopping => "stopping",
        }
    }
}
