//! Stop: why is no operation accepted any more?

use std::io;
use std::sync::Arc;

use disk::Fault;

/// Why the logs of this node take no more operations.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Stop {
    /// They were closed; the process is on its way out.
    #[error("the log is closed")]
    Closed,
    /// A batch failed or a record is bad; the process must stop.
    #[error("the log has stopped: {0}")]
    Faulted(#[source] Arc<Fault>),
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        Self::other(stop)
    }
}
