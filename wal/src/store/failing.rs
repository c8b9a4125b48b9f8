//! Failing: breaks another store at a chosen call, for tests and simulation.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use disk::Fault;

use crate::key::Key;
use crate::store::{Change, Store, Table, Visit};

/// A store whose k-th batch fails. What a real disk leaves behind then is
/// unknown, so both answers can be had.
#[derive(Debug)]
pub struct FailingStore<S> {
    inner: S,
    applied: AtomicU64,
    fail_at: u64,
    failure: Failure,
}

/// What the failed batch left on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of it.
    Lost,
    /// All of it: only the answer was an error.
    Kept,
}

impl<S: Store> FailingStore<S> {
    /// Fails the `fail_at`-th batch, counted from 1. A later one is a panic:
    /// nobody may write after a failure.
    pub fn new(inner: S, fail_at: u64, failure: Failure) -> Self {
        assert!(fail_at > 0, "batches are counted from 1");
        Self { inner, applied: AtomicU64::new(0), fail_at, failure }
    }
}

impl<S: Store> Store for FailingStore<S> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        let call = self.applied.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(call <= self.fail_at, "W6: a store that failed is asked again");
        if call < self.fail_at {
            return self.inner.apply(changes);
        }
        if self.failure == Failure::Kept {
            self.inner.apply(changes)?;
        }
        let error = io::Error::other("injected failure");
        Err(Fault::io("commit log batch", self.path(), error))
    }

    fn get(&self, table: Table, key: &Key) -> Result<Option<Bytes>, Fault> {
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.inner.scan(table, from, to, visit)
    }

    fn last(&self, table: Table, from: &Key, to: &Key) -> Result<Option<(Bytes, Bytes)>, Fault> {
        self.inner.last(table, from, to)
    }

    fn used_bytes(&self) -> Result<u64, Fault> {
        self.inner.used_bytes()
    }

    fn close(&self, patience: Duration) -> bool {
        self.inner.close(patience)
    }
}
