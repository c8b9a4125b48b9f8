//! Open: a folder to an environment that can be trusted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use disk::fault::OrFault;
use disk::{Environment, Fault, Options, Sync};

use super::OpenOptions;
use crate::folder::Folder;
use crate::machine::Machine;
use crate::recovery::{self, Check, OpenError};
use crate::snapshot::install::{self, Site, Trial};
use crate::snapshot::shelf::Shelf;
use crate::snapshot::{BadSnapshot, SnapshotFile};
use crate::step::Steps;
use crate::system::{self, FORMAT, Origin, Position};
use crate::tables::{TABLES_MAX, Tables};

/// Views open at once. A slot costs 64 bytes; who takes views bounds them.
const READERS_MAX: u32 = 4096;

/// How long closing an environment may take that nobody looks at.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// An opened folder.
pub(super) struct Opened {
    pub folder: Folder,
    pub shelf: Shelf,
    pub environment: Environment,
    pub tables: Tables,
    pub position: Position,
}

/// Opens the folder at `directory`: forgets an environment that may be torn,
/// and brings in a snapshot that is ahead of what is left.
pub(super) fn open(
    directory: &Path,
    options: &OpenOptions,
    trial: Trial,
    steps: &Steps,
) -> Result<Opened, OpenError> {
    let folder = Folder::new(directory);
    folder.prepare()?;
    let forgotten = recovery::enter(&folder, &options.owner(), steps)?;
    if forgotten {
        let path = directory.display();
        tracing::warn!(%path, "the machine went down; state is rebuilt from snapshot and log");
    }
    let (cluster, group) = (options.cluster, options.group);
    let shelf = Shelf::scan(&folder, cluster, group, options.snapshot_raw_bytes_max)?;
    let (environment, tables, position) = open_environment(&folder, options)?;
    let mut opened = Opened { folder, shelf, environment, tables, position };
    while let Some(snapshot) = opened.snapshot_ahead() {
        opened = opened.catch_up(&snapshot, options, trial, steps)?;
    }
    opened.expect_reachable(options)?;
    Ok(opened)
}

/// Opens the folder's environment for writing; a new one says whose it is.
pub(super) fn open_environment(
    folder: &Folder,
    options: &OpenOptions,
) -> Result<(Environment, Tables, Position), OpenError> {
    let path = folder.path();
    let open = Options {
        map_bytes: options.map_bytes,
        databases: TABLES_MAX,
        readers: READERS_MAX,
        sync: Sync::OnRequest,
    };
    let environment = Environment::open(path, &open)?;
    let mut txn = environment.heed().write_txn().or_fault("begin write", path)?;
    let tables = Tables::create(&environment, &mut txn)?;
    let own = Origin { format: FORMAT, cluster: options.cluster, group: options.group };
    match system::read_origin(&tables, &txn, path)? {
        None => system::write_origin(&tables, &mut txn, &own, path)?,
        Some(found) if found.format != FORMAT => {
            return Err(OpenError::Format { path: path.to_owned(), found: found.format.into() });
        }
        Some(found) if found != own => {
            return Err(OpenError::Foreign {
                path: path.to_owned(),
                what: "cluster or group",
                found: format!("{}/{}", found.cluster, found.group),
                expected: format!("{}/{}", own.cluster, own.group),
            });
        }
        Some(_) => {}
    }
    let position = system::read_position(&tables, &txn, path)?;
    options.flush.commit(txn, path)?;
    Ok((environment, tables, position))
}

impl Opened {
    pub(super) fn load_machine<M: Machine>(&self) -> Result<M, Fault> {
        let path: Arc<Path> = self.folder.path().into();
        let txn = self.environment.heed().read_txn().or_fault("begin read", &path)?;
        M::load(&self.tables, &txn, &path)
    }

    /// The newest snapshot, if it is ahead of the environment.
    fn snapshot_ahead(&self) -> Option<SnapshotFile> {
        let newest = self.shelf.files().into_iter().next()?;
        (newest.header().last > self.position.last).then_some(newest)
    }

    /// Installs the snapshot, or stops using it if it is bad.
    fn catch_up(
        self,
        snapshot: &SnapshotFile,
        options: &OpenOptions,
        trial: Trial,
        steps: &Steps,
    ) -> Result<Self, OpenError> {
        let Self { folder, shelf, environment, tables, position } = self;
        let site =
            Site { folder: &folder, shelf: &shelf, map_bytes: options.map_bytes, trial, steps };
        let prepared = match install::prepare(&site, snapshot) {
            Ok(prepared) => prepared,
            Err(BadSnapshot::Fault(fault)) => return Err(fault.into()),
            Err(bad) => {
                tracing::error!(snapshot = snapshot.name(), %bad, "snapshot not used");
                shelf.forget(snapshot);
                return Ok(Self { folder, shelf, environment, tables, position });
            }
        };
        let closed = environment.close(CLOSE_PATIENCE);
        assert!(closed, "nobody looks at an environment that is being opened");
        install::replace(&site, &prepared)?;
        let (environment, tables, position) = open_environment(&folder, options)?;
        assert_eq!(position, prepared.position, "the prepared file is the one that opened");
        tracing::info!(snapshot = snapshot.name(), index = ?position.last, "state rebuilt");
        Ok(Self { folder, shelf, environment, tables, position })
    }

    /// V3: the log starts where the state ends, or before.
    fn expect_reachable(&self, options: &OpenOptions) -> Result<(), OpenError> {
        let applied = self.position.last.map(|last| last.index);
        // Snapshots ahead of the state were installed above.
        match recovery::check(options.group, applied, options.log.purged(), applied) {
            Check::Refuse(lost) => Err(lost.into()),
            Check::Ok | Check::RebuildFromSnapshot => Ok(()),
        }
    }
}
