//! Finding: one promise that was not kept, in words a person can act on.

use std::fmt;

/// What a finding counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something was seen that no correct cluster shows, or the run was not what it
    /// had to be.
    Violation,
    /// An acknowledged write is gone.
    Lost,
    /// A write took effect more than once.
    Double,
    /// A checker could not tell. It counts as failed, never as passed.
    Undecided,
    /// A process ended and nobody knows why.
    Unexplained,
}

/// One promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it counts as.
    pub kind: Kind,
    /// Which checker says so.
    pub checker: &'static str,
    /// What was seen: which operations, on which lines.
    pub what: String,
}

impl Finding {
    /// A finding of `checker`.
    #[must_use]
    pub fn new(kind: Kind, checker: &'static str, what: String) -> Self {
        Self { kind, checker, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, checker, what } = self;
        write!(f, "{kind:?} ({checker}): {what}")
    }
}
