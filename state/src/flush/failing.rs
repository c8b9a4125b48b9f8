//! Failing: breaks another flush at a chosen write, for tests and simulation.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use disk::{Environment, Fault};
use heed::RwTxn;

use super::Flush;

/// A flush whose k-th write fails, and with it all later ones, of every group that
/// shares it. What a real disk leaves behind then is unknown, so both can be had.
#[derive(Debug)]
pub struct FailingFlush<F> {
    inner: F,
    writes: AtomicU64,
    fail_at: u64,
    kept: bool,
    failed: AtomicBool,
}

impl<F: Flush> FailingFlush<F> {
    /// Fails the `fail_at`-th commit, sync or copy, counted from 1. If `kept`, it was
    /// done and only the answer is an error.
    pub fn new(inner: F, fail_at: u64, kept: bool) -> Self {
        assert!(fail_at > 0, "writes are counted from 1");
        let failed = AtomicBool::new(false);
        Self { inner, writes: AtomicU64::new(0), fail_at, kept, failed }
    }

    fn write(&self, path: &Path, write: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if number < self.fail_at {
            return write();
        }
        if self.kept && !self.failed.swap(true, Ordering::SeqCst) {
            write()?;
        }
        Err(Fault::io("write state", path, io::Error::other("injected failure")))
    }
}

impl<F: Flush> Flush for FailingFlush<F> {
    fn commit(&self, txn: RwTxn<'_>, path: &Path) -> Result<(), Fault> {
        self.write(path, || self.inner.commit(txn, path))
    }

    fn sync(&self, environment: &Environment) -> Result<(), Fault> {
        self.write(environment.path(), || self.inner.sync(environment))
    }

    fn copy(&self, environment: &Environment, to: &Path) -> Result<(), Fault> {
        self.write(to, || self.inner.copy(environment, to))
    }
}
