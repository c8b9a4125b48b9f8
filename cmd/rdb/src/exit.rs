//! Exit: what does the process tell the script that started it?
//!
//! The codes are a promise: they never change their meaning.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Success,
    /// Something unexpected failed; the message says what.
    Failure,
    /// The command line or the configuration is wrong.
    Usage,
    /// What was asked for is not there.
    NotFound,
    /// The cluster did not become available; nothing was lost.
    Unavailable,
    /// Storage or an invariant is broken: look at the disk before starting again.
    StorageFault,
    /// The disk is full: make room and start again.
    DiskFull,
    /// The node must not run on this data directory: it is another node's or
    /// cluster's, damaged, or in use.
    Refused,
    /// Stopped by a signal before it was done.
    Interrupted,
}

impl Exit {
    /// Every way to end, in the order of the codes.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::NotFound,
        Self::Unavailable,
        Self::StorageFault,
        Self::DiskFull,
        Self::Refused,
        Self::Interrupted,
    ];

    /// The number the script sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unavailable => 5,
            Self::StorageFault => 20,
            Self::DiskFull => 21,
            Self::Refused => 22,
            Self::Interrupted => 130,
        }
    }

    /// What the number means, for `rdb --help`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "unexpected failure",
            Self::Usage => "wrong command line or configuration",
            Self::NotFound => "not found",
            Self::Unavailable => "cluster not available",
            Self::StorageFault => "storage fault: look at the disk first",
            Self::DiskFull => "disk full: make room, then start again",
            Self::Refused => "refused: data directory in use, of another node or damaged",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
