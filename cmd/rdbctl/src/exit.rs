//! Exit: what does the process tell the script that started it?
//!
//! The codes are a promise: they never change their meaning. A code that
//! `rdb` has as well means the same there.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Success,
    /// Something unexpected failed; the message says what.
    Failure,
    /// The command line is wrong, or the request makes no sense.
    Usage,
    /// There is no such row.
    NotFound,
    /// No endpoint could be connected to, or none is trusted.
    Unreachable,
    /// The cluster could not do it now; certainly not applied.
    Unavailable,
    /// The condition does not hold; nothing changed.
    Conflict,
    /// No answer in time: the write may have taken effect, or may yet.
    Unknown,
    /// A limit of the cluster is in the way; certainly not applied.
    Limit,
    /// A check found something wrong, or a bench had failures.
    Unhealthy,
}

impl Exit {
    /// Every way to end, in the order of the codes.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::NotFound,
        Self::Unreachable,
        Self::Unavailable,
        Self::Conflict,
        Self::Unknown,
        Self::Limit,
        Self::Unhealthy,
    ];

    /// The number the script sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unreachable => 4,
            Self::Unavailable => 5,
            Self::Conflict => 6,
            Self::Unknown => 8,
            Self::Limit => 9,
            Self::Unhealthy => 10,
        }
    }

    /// What the number means, for `rdbctl --help`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "unexpected failure",
            Self::Usage => "wrong command line or request",
            Self::NotFound => "not found",
            Self::Unreachable => "cannot connect, or TLS",
            Self::Unavailable => "cluster not available, certainly not applied",
            Self::Conflict => "conflict: the condition does not hold",
            Self::Unknown => "outcome unknown: the write may have taken effect",
            Self::Limit => "over a limit, certainly not applied",
            Self::Unhealthy => "unhealthy (health, status --check, bench)",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_meaning() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]);
    }
}
