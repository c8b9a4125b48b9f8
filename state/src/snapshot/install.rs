//! Install: a snapshot to a group's state.
//!
//! First a data file is unpacked and checked beside the environment, then the
//! snapshot is kept as the newest, then the data file takes the environment's
//! place by one rename. A crash before the snapshot is kept leaves the old
//! state, after it the new one: opening finds a snapshot ahead of the
//! environment and installs it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::environment::DATA_FILE;
use disk::fault::OrFault;
use disk::file::rename_durably;
use disk::{Environment, Fault, Options, Sync};
use heed::RoTxn;

use super::shelf::Shelf;
use super::{BadSnapshot, SnapshotFile, pack};
use crate::folder::Folder;
use crate::step::{Step, Steps};
use crate::system::{self, Origin, Position};
use crate::tables::{TABLES_MAX, Tables};

/// A data file has two meta pages, of 4 KiB or more. LMDB takes a shorter one
/// for a new file, which it cannot make where it only reads.
const RAW_BYTES_MIN: u64 = 2 << 12;

/// Reads tables as a machine would, to find out whether it could.
pub(crate) type Trial = fn(&Tables, &RoTxn<'_>, &Arc<Path>) -> Result<(), Fault>;

/// A checked, synced data file that waits to become the environment. Dropped,
/// it goes away.
#[derive(Debug)]
pub(crate) struct Prepared {
    bench: Bench,
    /// Where it is applied to.
    pub position: Position,
    /// The snapshot it comes from.
    pub snapshot: SnapshotFile,
}

/// A directory that is removed with its owner, or at the next open.
#[derive(Debug)]
struct Bench(PathBuf);

impl Bench {
    fn data(&self) -> PathBuf {
        self.0.join(DATA_FILE)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _gone_or_at_the_next_open = fs::remove_dir_all(&self.0);
    }
}

/// What an environment says about itself.
pub(crate) struct Content {
    /// Whose it is.
    pub origin: Origin,
    /// How far it is applied.
    pub position: Position,
}

/// Where and how snapshots are installed.
pub(crate) struct Site<'a> {
    /// The group's folder.
    pub folder: &'a Folder,
    /// Its snapshots.
    pub shelf: &'a Shelf,
    /// The environment's map.
    pub map_bytes: usize,
    /// The machine's opinion of the tables.
    pub trial: Trial,
    /// Where a test looks in.
    pub steps: &'a Steps,
}

/// Unpacks and checks `snapshot` beside the environment, which is not touched.
pub(crate) fn prepare(site: &Site<'_>, snapshot: &SnapshotFile) -> Result<Prepared, BadSnapshot> {
    site.shelf.check_header(snapshot)?;
    let differs = |what: &str| BadSnapshot::Content { what: what.to_owned() };
    if snapshot.header().raw_bytes < RAW_BYTES_MIN {
        return Err(differs("too short for a data file"));
    }
    let bench = Bench(site.folder.workbench(&site.shelf.next_bench())?);
    pack::unpack(snapshot, &bench.data())?;
    let content = read_content(&bench.0, site.map_bytes, Some(site.trial));
    let content = content.map_err(damaged)?;
    let header = snapshot.header();
    let Content { origin, position } = content.ok_or_else(|| differs("no system rows"))?;
    if (origin.cluster, origin.group) != (header.cluster, header.group) {
        return Err(differs("another cluster or group"));
    }
    if position.last != header.last {
        return Err(differs("another log position"));
    }
    if position.membership != header.membership {
        return Err(differs("another membership"));
    }
    site.steps.reach(Step::Unpacked)?;
    Ok(Prepared { bench, position, snapshot: snapshot.clone() })
}

/// Keeps the prepared snapshot among the group's own, durably. From here on a
/// crash ends with the new state.
pub(crate) fn keep(site: &Site<'_>, prepared: &Prepared) -> Result<(), Fault> {
    let snapshot = &prepared.snapshot;
    let place = site.shelf.place(snapshot);
    if snapshot.path() != place {
        let received = if snapshot.path().parent() == Some(&site.folder.incoming()) {
            snapshot.path().to_owned()
        } else {
            fetch(site, snapshot)?
        };
        let file = File::open(&received).or_fault("open snapshot", &received)?;
        file.sync_all().or_fault("sync snapshot", &received)?;
        rename_durably(&received, &place)?;
    }
    site.shelf.add(snapshot.moved_to(place));
    site.steps.reach(Step::Kept)
}

/// Copies a snapshot that lies elsewhere, and checks the copy.
fn fetch(site: &Site<'_>, snapshot: &SnapshotFile) -> Result<PathBuf, Fault> {
    let to = site.folder.incoming().join(snapshot.name());
    fs::copy(snapshot.path(), &to).or_fault("copy snapshot", &to)?;
    let copy = snapshot.moved_to(to.clone());
    copy.verify_hash().map_err(|bad| bad.into_fault(&to))?;
    Ok(to)
}

/// Puts the prepared data file in the environment's place, which is closed.
pub(crate) fn replace(site: &Site<'_>, prepared: &Prepared) -> Result<(), Fault> {
    site.folder.replace_environment(&prepared.bench.data())?;
    site.steps.reach(Step::Replaced)?;
    site.folder.remove_lock()?;
    site.folder.sync()?;
    site.steps.reach(Step::Unlocked)
}

/// Opens the environment in `directory` for reading and asks it who it is;
/// `None` if it has no system rows.
pub(crate) fn read_content(
    directory: &Path,
    map_bytes: usize,
    trial: Option<Trial>,
) -> Result<Option<Content>, Fault> {
    let options = Options { map_bytes, databases: TABLES_MAX, readers: 4, sync: Sync::ReadOnly };
    let environment = Environment::open(directory, &options)?;
    let content = read_open(&environment, trial);
    // Its only transaction has ended, so nothing keeps it open.
    let closed = environment.close(Duration::from_secs(1));
    assert!(closed, "a checked copy closes at once");
    content
}

fn read_open(environment: &Environment, trial: Option<Trial>) -> Result<Option<Content>, Fault> {
    let path: Arc<Path> = environment.path().into();
    expect_whole(environment)?;
    let txn = environment.heed().read_txn().or_fault("begin read", &path)?;
    let Some(tables) = Tables::open(environment, &txn)? else { return Ok(None) };
    let Some(origin) = system::read_origin(&tables, &txn, &path)? else { return Ok(None) };
    let position = system::read_position(&tables, &txn, &path)?;
    if let Some(trial) = trial {
        trial(&tables, &txn, &path)?;
    }
    Ok(Some(Content { origin, position }))
}

/// Checks that the file has every page that its meta page speaks of: reading
/// beyond the end of a mapped file kills the process.
pub(crate) fn expect_whole(environment: &Environment) -> Result<(), Fault> {
    let heed = environment.heed();
    let pages = heed.info().last_page_number as u64 + 1;
    let page_bytes = u64::from(heed.stat().page_size);
    // After the meta page: a running writer only makes the file longer.
    let file = environment.path().join(DATA_FILE);
    let bytes = file.metadata().or_fault("measure data file", &file)?.len();
    if pages.checked_mul(page_bytes).is_none_or(|needed| needed > bytes) {
        let what = format!("{bytes} bytes are too few for {pages} pages");
        return Err(Fault::corrupt("check data file", file, what));
    }
    Ok(())
}

/// A snapshot whose content LMDB or the machine cannot read is a bad snapshot,
/// not a broken disk of ours.
fn damaged(fault: Fault) -> BadSnapshot {
    match &fault.cause {
        disk::fault::Cause::Corrupt(_) | disk::fault::Cause::Lmdb(_) => {
            BadSnapshot::Content { what: fault.to_string() }
        }
        disk::fault::Cause::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            BadSnapshot::Content { what: fault.to_string() }
        }
        disk::fault::Cause::Io(_) => BadSnapshot::Fault(fault),
    }
}
