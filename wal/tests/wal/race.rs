//! Race: the log changes between a reader's look at memory and its read of
//! the disk. What it returns is one log, never parts of two.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::GroupId;
use bytes::Bytes;
use disk::Fault;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use wal::key::Key;
use wal::store::{Change, MemoryStore, Table, Visit};
use wal::{Driver, Options, Store, Wal};

use crate::binding::{Log, Plain, entry, log_id};
use crate::harness::{callback, identity, no_fault, now, options, run};

/// Reads entries 0 to 9 of term 1, of which 0 to 5 are on the disk only, and
/// lets `meanwhile` happen after the disk was read. Returns `index@term`s.
fn read_while(meanwhile: impl FnOnce(&Wal, &mut Log) + Send + 'static) -> Vec<String> {
    let hook: Hook = Arc::default();
    let store = Interrupted { inner: MemoryStore::new(), hook: Arc::clone(&hook) };
    let small = Options { tail_bytes: 0, ..options() };
    let wal = Wal::on_store(store, identity(1), small, Driver::Inline, no_fault).unwrap();
    let mut log = wal.group(GroupId(1), Plain).unwrap();
    for range in [0..6, 6..10] {
        now(log.append(range.map(|index| entry(1, index, "old")), callback().0)).unwrap();
        assert!(wal.drive());
    }
    let mut reader = log.reader();
    let node = wal.clone();
    *hook.lock() = Some(Box::new(move || meanwhile(&node, &mut log)));
    let read = now(reader.try_get_log_entries(0..10)).unwrap();
    assert!(hook.lock().is_none(), "the disk was not read");
    read.iter().map(|it| format!("{}@{}", it.index(), it.log_id.leader_id.term)).collect()
}

fn ids(term: u64, indices: std::ops::Range<u64>) -> Vec<String> {
    indices.map(|index| format!("{index}@{term}")).collect()
}

#[test]
fn a_truncation_between_disk_and_memory_makes_a_read_begin_again() {
    let read = read_while(|wal, log| {
        run(wal, log.truncate_after(Some(log_id(1, 3)))).unwrap();
        now(log.append((4..10).map(|index| entry(2, index, "new")), callback().0)).unwrap();
    });
    assert_eq!(read, [ids(1, 0..4), ids(2, 4..10)].concat());
}

#[test]
fn a_purge_between_disk_and_memory_leaves_no_hole() {
    let read = read_while(|_wal, log| now(log.purge(log_id(1, 7))).unwrap());
    assert_eq!(read, ids(1, 8..10));
}

#[test]
fn a_purge_of_what_was_read_already_takes_nothing_back() {
    let read = read_while(|wal, log| {
        now(log.purge(log_id(1, 3))).unwrap();
        while wal.drive() {}
    });
    assert_eq!(read, ids(1, 0..10));
}

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A store on which something happens once, right after a read of the log.
struct Interrupted {
    inner: MemoryStore,
    hook: Hook,
}

impl Store for Interrupted {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        self.inner.apply(changes)
    }

    fn get(&self, table: Table, key: &Key) -> Result<Option<Bytes>, Fault> {
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.inner.scan(table, from, to, visit)?;
        let hook = self.hook.lock().take();
        hook.into_iter().for_each(|hook| hook());
        Ok(())
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
