//! Inspect: what is in a group's directory, without changing it?
//!
//! For the operator's `rdb inspect`, on a running or a stopped node's folder,
//! from a process of its own: an environment opens once per process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::{ClusterId, GroupId};
use disk::environment::DATA_FILE;
use disk::fault::OrFault;
use disk::{Environment, Fault, Options, Sync};
use heed::RoTxn;

use crate::data::verify;
use crate::folder::Folder;
use crate::machine::Machine;
use crate::membership::{LogId, StoredMembership};
use crate::meta::{MetaMachine, MetaView};
use crate::recovery::{self, Marker, OpenError};
use crate::snapshot::{BadSnapshot, SnapshotFile, install, shelf};
use crate::store::MAP_BYTES_DEFAULT;
use crate::system;
use crate::tables::{TABLES_MAX, Table, Tables};
use crate::time::GroupTime;
use crate::view::View;

/// How much to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Figures and headers.
    Glance,
    /// Every byte: rows are checked, snapshots unpacked.
    Verify,
}

/// What a group's directory holds.
#[derive(Debug)]
pub struct Report {
    /// The directory.
    pub directory: PathBuf,
    /// How the environment was left; `None` without a marker.
    pub marker: Option<Marker>,
    /// The environment; `None` if there is none.
    pub environment: Option<EnvironmentReport>,
    /// The snapshots, by name.
    pub snapshots: Vec<SnapshotReport>,
}

/// What an environment holds.
#[derive(Debug)]
pub struct EnvironmentReport {
    /// The cluster it belongs to; `None` if it does not say.
    pub cluster: Option<ClusterId>,
    /// The group it belongs to; `None` if it does not say.
    pub group: Option<GroupId>,
    /// The last applied entry.
    pub applied: Option<LogId>,
    /// The last applied membership.
    pub membership: StoredMembership,
    /// The group's time, milliseconds.
    pub group_time_ms: u64,
    /// Bytes of pages that hold data.
    pub used_bytes: u64,
    /// Bytes of the data file.
    pub file_bytes: u64,
    /// Its tables.
    pub tables: Vec<TableReport>,
    /// What a check of every data row found, if it was asked for.
    pub scrub: Option<verify::Report>,
    /// The meta group's state, if this is it.
    pub meta: Option<MetaView>,
}

/// The figures of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub name: &'static str,
    /// Rows in it.
    pub entries: u64,
    /// Levels of its tree.
    pub depth: u32,
    /// Bytes of its pages.
    pub bytes: u64,
}

/// One snapshot file.
#[derive(Debug)]
pub struct SnapshotReport {
    /// Where it lies.
    pub path: PathBuf,
    /// What name and header say.
    pub file: Result<SnapshotFile, BadSnapshot>,
    /// Whether its whole content is right, if that was asked for.
    pub content: Option<Result<(), BadSnapshot>>,
}

/// Looks at the group's directory.
pub fn look(directory: &Path, depth: Depth) -> Result<Report, OpenError> {
    let folder = Folder::new(directory);
    let marker = recovery::read_marker(&folder)?;
    let environment =
        if folder.data().exists() { look_at_environment(directory, depth)? } else { None };
    let paths = shelf::list(directory)?;
    let snapshots = paths.iter().map(|path| look_at_snapshot(path, depth)).collect();
    Ok(Report { directory: directory.to_owned(), marker, environment, snapshots })
}

/// Looks at one snapshot file, wherever it lies.
#[must_use]
pub fn look_at_snapshot(path: &Path, depth: Depth) -> SnapshotReport {
    let file = SnapshotFile::open(path);
    let content = match (&file, depth) {
        (Ok(file), Depth::Verify) => Some(file.verify_content()),
        (Ok(_), Depth::Glance) | (Err(_), _) => None,
    };
    SnapshotReport { path: path.to_owned(), file, content }
}

/// Opens the environment in `directory` for reading and calls `read` with a
/// view of it; `None` if it has no tables.
pub fn with_view<T>(
    directory: &Path,
    read: impl FnOnce(&View) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let options = Options {
        map_bytes: MAP_BYTES_DEFAULT,
        databases: TABLES_MAX,
        readers: 126,
        sync: Sync::ReadOnly,
    };
    let environment = Environment::open(directory, &options)?;
    install::expect_whole(&environment)?;
    let path: Arc<Path> = directory.into();
    let txn = environment.heed().clone().static_read_txn().or_fault("begin read", &path)?;
    let outcome = match Tables::open(&environment, &txn)? {
        Some(tables) => Some(read(&View { txn, tables, path })?),
        None => None,
    };
    // The view is gone, so this only ends the mapping.
    let _closed = environment.close(Duration::from_secs(1));
    Ok(outcome)
}

fn look_at_environment(directory: &Path, depth: Depth) -> Result<Option<EnvironmentReport>, Fault> {
    let file = directory.join(DATA_FILE);
    let file_bytes = file.metadata().or_fault("measure data file", &file)?.len();
    with_view(directory, |view| {
        let View { txn, tables, path } = view;
        let origin = system::read_origin(tables, txn, path)?;
        let position = system::read_position(tables, txn, path)?;
        let group = origin.as_ref().map(|origin| origin.group);
        let stats = table_reports(tables, txn, path)?;
        let meta = match group {
            Some(GroupId::META) => {
                let machine = MetaMachine::load(tables, txn, path)?;
                Some(machine.subscribe().borrow().clone())
            }
            Some(_) | None => None,
        };
        let scrub = match depth {
            Depth::Verify => Some(view.verify()?),
            Depth::Glance => None,
        };
        Ok(EnvironmentReport {
            cluster: origin.map(|origin| origin.cluster),
            group,
            applied: position.last,
            membership: position.membership,
            group_time_ms: GroupTime::load(tables, txn, path)?.millis(),
            used_bytes: stats.iter().map(|table| table.bytes).sum(),
            file_bytes,
            tables: stats,
            scrub,
            meta,
        })
    })
}

fn table_reports(tables: &Tables, txn: &RoTxn<'_>, path: &Path) -> Result<Vec<TableReport>, Fault> {
    let Tables { rows, values, shards, counts, dedup, fences, meta, system } = *tables;
    let report = |(name, table): (&'static str, Table)| -> Result<TableReport, Fault> {
        let stat = table.stat(txn).or_fault("measure table", path)?;
        let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
        Ok(TableReport {
            name,
            entries: stat.entries as u64,
            depth: stat.depth,
            bytes: pages as u64 * u64::from(stat.page_size),
        })
    };
    let named = [
        ("rows", rows),
        ("values", values),
        ("shards", shards),
        ("counts", counts),
        ("dedup", dedup),
        ("fences", fences),
        ("meta", meta),
        ("system", system),
    ];
    named.into_iter().map(report).collect()
}
