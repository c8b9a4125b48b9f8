//! Error: why has a call no answer, and did it take effect?

use api::Applied;

use crate::answer::Row;

/// Why a call has no answer. Each variant names who acts next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The condition does not hold; nothing changed. The caller decides anew.
    #[error("the condition does not hold")]
    Conflict {
        /// The row that is there, if there is one.
        present: Option<Row>,
    },
    /// The cluster will not do this, now or later; nothing changed. The caller
    /// corrects the request, or the operator a limit.
    #[error("refused ({code}): {message}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The reason's stable name.
        code: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// No node did it in time; nothing changed. The caller tries again later.
    #[error("not applied ({code}): {message}")]
    NotApplied {
        /// The last reason's stable name.
        code: String,
        /// The last reason.
        message: String,
    },
    /// It may have taken effect, or may yet. The caller reads what is there.
    #[error("outcome unknown ({code}): {message}")]
    Unknown {
        /// The last reason's stable name.
        code: String,
        /// The last reason.
        message: String,
    },
    /// It took effect, but the answer is not one of a node of ours; whoever
    /// runs what stands between looks at that.
    #[error("the answer makes no sense: {message}")]
    Garbled {
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// Whether a write that failed like this may have taken effect.
    #[must_use]
    pub fn applied(&self) -> Applied {
        match self {
            Self::Conflict { .. } | Self::Rejected { .. } | Self::NotApplied { .. } => Applied::No,
            Self::Unknown { .. } | Self::Garbled { .. } => Applied::Unknown,
        }
    }
}
