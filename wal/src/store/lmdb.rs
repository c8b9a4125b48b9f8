//! LMDB: the store a node runs on, one environment with three tables.

use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use disk::fault::OrFault;
use disk::{Environment, Fault};
use heed::Database;
use heed::types::Bytes as Raw;
use parking_lot::RwLock;

use crate::key::Key;
use crate::store::{Change, Store, Table, Visit};

/// Read transactions open at once: those of this process and of inspectors.
const READERS_MAX: u32 = 512;

/// An LMDB environment in a directory of its own. Every commit is synced.
#[derive(Debug)]
pub struct LmdbStore {
    path: PathBuf,
    /// Gone once closed.
    open: RwLock<Option<Open>>,
}

#[derive(Clone, Debug)]
struct Open {
    environment: Environment,
    tables: Tables,
}

#[derive(Clone, Copy, Debug)]
struct Tables {
    system: Database<Raw, Raw>,
    groups: Database<Raw, Raw>,
    log: Database<Raw, Raw>,
}

impl LmdbStore {
    /// Opens the environment, which is made if missing.
    pub fn open(path: &Path, map_bytes: usize) -> Result<Self, Fault> {
        let environment = environment(path, map_bytes, disk::Sync::EveryCommit)?;
        forget_dead_readers(&environment, path)?;
        let mut txn = environment.heed().write_txn().or_fault("begin opening log", path)?;
        let mut make = |table: Table| {
            let made = environment.heed().create_database::<Raw, Raw>(&mut txn, Some(table.name()));
            made.or_fault("make log table", path)
        };
        let tables = Tables {
            system: make(Table::System)?,
            groups: make(Table::Groups)?,
            log: make(Table::Log)?,
        };
        txn.commit().or_fault("make log tables", path)?;
        // LMDB syncs the file but not its name. A log that a power loss takes
        // away whole would be an empty one to this node.
        disk::file::sync_directory(path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        disk::file::sync_directory(parent.unwrap_or(Path::new(".")))?;
        Ok(Self::from_parts(path, environment, tables))
    }

    /// Opens an environment that is there, perhaps in use by another process,
    /// for reading only.
    pub fn open_read_only(path: &Path) -> Result<Self, Fault> {
        // A map of 0 bytes takes the size the writer recorded.
        let environment = environment(path, 0, disk::Sync::ReadOnly)?;
        let txn = environment.heed().read_txn().or_fault("begin reading log", path)?;
        let find = |table: Table| {
            let found = environment
                .heed()
                .open_database::<Raw, Raw>(&txn, Some(table.name()))
                .or_fault("open log table", path)?;
            let missing = || format!("table {} is missing", table.name());
            found.ok_or_else(|| Fault::corrupt("open log table", path, missing()))
        };
        let tables = Tables {
            system: find(Table::System)?,
            groups: find(Table::Groups)?,
            log: find(Table::Log)?,
        };
        // LMDB keeps a table's handle only if the transaction commits.
        txn.commit().or_fault("open log tables", path)?;
        Ok(Self::from_parts(path, environment, tables))
    }

    fn from_parts(path: &Path, environment: Environment, tables: Tables) -> Self {
        Self { path: path.to_owned(), open: RwLock::new(Some(Open { environment, tables })) }
    }

    fn opened(&self) -> Result<Open, Fault> {
        let open = self.open.read().clone();
        open.ok_or_else(|| Fault::corrupt("use log", &self.path, "it is closed"))
    }
}

impl Store for LmdbStore {
    fn path(&self) -> &Path {
        &self.path
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        let open = self.opened()?;
        let mut txn =
            open.environment.heed().write_txn().or_fault("begin log batch", &self.path)?;
        for change in changes {
            match change {
                Change::Put { table, key, record } => open
                    .tables
                    .of(*table)
                    .put(&mut txn, key.as_slice(), record)
                    .or_fault("write log record", &self.path)?,
                Change::Delete { table, from, to } => {
                    let _deleted = open
                        .tables
                        .of(*table)
                        .delete_range(&mut txn, &range(from, to))
                        .or_fault("delete log records", &self.path)?;
                }
            }
        }
        txn.commit().or_fault("commit log batch", &self.path)?;
        if changes.iter().any(|change| matches!(change, Change::Delete { .. })) {
            forget_dead_readers(&open.environment, &self.path)?;
        }
        Ok(())
    }

    fn get(&self, table: Table, key: &Key) -> Result<Option<Bytes>, Fault> {
        let open = self.opened()?;
        let txn = open.environment.heed().read_txn().or_fault("begin reading log", &self.path)?;
        let found = open
            .tables
            .of(table)
            .get(&txn, key.as_slice())
            .or_fault("read log record", &self.path)?;
        Ok(found.map(Bytes::copy_from_slice))
    }

    fn scan(&self, table: Table, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let open = self.opened()?;
        let txn = open.environment.heed().read_txn().or_fault("begin reading log", &self.path)?;
        let records = open
            .tables
            .of(table)
            .range(&txn, &range(from, to))
            .or_fault("read log records", &self.path)?;
        for record in records {
            let (key, record) = record.or_fault("read log records", &self.path)?;
            if visit(key, record) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, table: Table, from: &Key, to: &Key) -> Result<Option<(Bytes, Bytes)>, Fault> {
        let open = self.opened()?;
        let txn = open.environment.heed().read_txn().or_fault("begin reading log", &self.path)?;
        let mut records = open
            .tables
            .of(table)
            .rev_range(&txn, &range(from, to))
            .or_fault("read last log record", &self.path)?;
        let last = records.next().transpose().or_fault("read last log record", &self.path)?;
        Ok(last.map(|(key, record)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(record))))
    }

    fn used_bytes(&self) -> Result<u64, Fault> {
        self.opened()?.environment.used_bytes()
    }

    fn close(&self, patience: Duration) -> bool {
        let Some(open) = self.open.write().take() else { return true };
        open.environment.close(patience)
    }
}

impl Tables {
    fn of(&self, table: Table) -> Database<Raw, Raw> {
        match table {
            Table::System => self.system,
            Table::Groups => self.groups,
            Table::Log => self.log,
        }
    }
}

fn environment(path: &Path, map_bytes: usize, sync: disk::Sync) -> Result<Environment, Fault> {
    // Room for tables of later releases.
    let databases = 8;
    Environment::open(path, &disk::Options { map_bytes, databases, readers: READERS_MAX, sync })
}

/// An inspector that was killed leaves its place in the reader table, and no
/// page freed since could be used again. Checked whenever pages are freed.
fn forget_dead_readers(environment: &Environment, path: &Path) -> Result<(), Fault> {
    let forgotten = environment.heed().clear_stale_readers().or_fault("check readers", path)?;
    if forgotten > 0 {
        tracing::info!(forgotten, path = %path.display(), "forgot readers that are gone");
    }
    Ok(())
}

fn range<'k>(from: &'k Key, to: &'k Key) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
    (Bound::Included(from.as_slice()), Bound::Included(to.as_slice()))
}
