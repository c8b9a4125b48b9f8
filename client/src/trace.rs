//! Trace: what does a call do on its way to an answer?
//!
//! For people who look over the client's shoulder. Nothing depends on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A step of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'s> {
    /// An endpoint is asked.
    Asked {
        /// Its address, as `https://host:port`.
        endpoint: &'s str,
        /// What it is asked for: an action, or a path.
        what: &'s str,
    },
    /// It did not do what it was asked.
    Failed {
        /// Its address, as `https://host:port`.
        endpoint: &'s str,
        /// The reason's stable name.
        code: &'s str,
        /// The reason.
        message: &'s str,
        /// The pause before the next attempt; `None`: there will be none.
        again: Option<Duration>,
    },
}

/// Who wants to know of every step.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<Tell>>);

type Tell = dyn Fn(Step<'_>) + Send + Sync;

impl Trace {
    pub(crate) fn new(tell: impl Fn(Step<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn step(&self, step: Step<'_>) {
        if let Some(tell) = &self.0 {
            tell(step);
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Trace(told)" } else { "Trace(silent)" })
    }
}
