//! Health: has the store met a fault, and who was told?

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use disk::Fault;

/// The first fault of a store, and whether it is being closed.
pub(crate) struct Health {
    path: PathBuf,
    first: OnceLock<String>,
    closing: AtomicBool,
    on_fault: Arc<dyn Fn(&Fault) + Send + Sync>,
}

impl Health {
    pub(crate) fn new(path: &Path, on_fault: Arc<dyn Fn(&Fault) + Send + Sync>) -> Self {
        Self {
            path: path.to_owned(),
            first: OnceLock::new(),
            closing: AtomicBool::new(false),
            on_fault,
        }
    }

    /// Notes a fault. The first one is told to the store's owner.
    pub(crate) fn fail(&self, fault: &Fault) {
        let mut is_first = false;
        self.first.get_or_init(|| {
            is_first = true;
            fault.to_string()
        });
        if is_first {
            (self.on_fault)(fault);
        }
    }

    /// An error if the store met a fault or is closed.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.first.get().is_some() || self.is_closing() {
            return Err(self.gone());
        }
        Ok(())
    }

    /// Whether a fault was met.
    pub(crate) fn has_failed(&self) -> bool {
        self.first.get().is_some()
    }

    /// From here on nothing new is served.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether the store is being closed, or is.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// What callers get who come after the first fault, or after the close.
    pub(crate) fn gone(&self) -> Fault {
        let why = match self.first.get() {
            Some(first) => format!("stopped by an earlier fault: {first}"),
            None => "it is closed".to_owned(),
        };
        Fault::io("use state", &self.path, io::Error::other(why))
    }
}
