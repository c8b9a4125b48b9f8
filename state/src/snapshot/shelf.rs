//! Shelf: which snapshots does a group have?
//!
//! # Limits
//!
//! [`KEPT`] snapshots are kept, and one is on its way in at a time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use api::{ClusterId, GroupId};
use disk::Fault;
use disk::fault::OrFault;
use parking_lot::Mutex;

use super::file::{name_of, parse_name};
use super::{BadSnapshot, SnapshotFile};
use crate::folder::Folder;
use crate::membership::LogId;

/// Snapshots kept of a group: the newest, and the one before in case its disk
/// blocks go bad.
pub(crate) const KEPT: usize = 2;

/// The snapshots of one group on this node.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: Folder,
    cluster: ClusterId,
    group: GroupId,
    raw_bytes_max: u64,
    stock: Mutex<Stock>,
    benches: AtomicU64,
    /// Held while a snapshot is built: one at a time.
    pub(crate) building: Mutex<()>,
    /// Held while the environment is copied, which keeps it from closing.
    pub(crate) copying: Mutex<()>,
}

#[derive(Debug, Default)]
struct Stock {
    /// Newest first.
    files: Vec<SnapshotFile>,
    /// Hashes of files whose content was checked in this process.
    verified: BTreeSet<[u8; 32]>,
}

impl Shelf {
    /// Looks through the folder. A file that is not a snapshot of this group is
    /// left alone and never used.
    pub(crate) fn scan(
        folder: &Folder,
        cluster: ClusterId,
        group: GroupId,
        raw_bytes_max: u64,
    ) -> Result<Self, Fault> {
        let mut files = Vec::new();
        for path in list(folder.path())? {
            let file = SnapshotFile::open(&path).and_then(|file| {
                file.verify_header(cluster, group, raw_bytes_max)?;
                Ok(file)
            });
            match file {
                Ok(file) => files.push(file),
                Err(BadSnapshot::Fault(fault)) => return Err(fault),
                Err(bad) => tracing::error!(path = %path.display(), %bad, "snapshot not used"),
            }
        }
        sort(&mut files);
        Ok(Self {
            folder: folder.clone(),
            cluster,
            group,
            raw_bytes_max,
            stock: Mutex::new(Stock { files, verified: BTreeSet::new() }),
            benches: AtomicU64::new(0),
            building: Mutex::new(()),
            copying: Mutex::new(()),
        })
    }

    /// All of them, newest first, content unchecked.
    pub(crate) fn files(&self) -> Vec<SnapshotFile> {
        self.stock.lock().files.clone()
    }

    /// The newest whose content fits its name. Reads a file once per process;
    /// one that fails is forgotten.
    pub(crate) fn newest(&self) -> Result<Option<SnapshotFile>, Fault> {
        loop {
            let (file, verified) = {
                let stock = self.stock.lock();
                let Some(file) = stock.files.first() else { return Ok(None) };
                (file.clone(), stock.verified.contains(&file.sha256()))
            };
            if verified && file.still_there() {
                return Ok(Some(file));
            }
            match file.verify_hash() {
                Ok(()) => {
                    self.stock.lock().verified.insert(file.sha256());
                }
                Err(bad) => {
                    let path = file.path().display();
                    tracing::error!(%path, %bad, "snapshot not used");
                    self.forget(&file);
                }
            }
        }
    }

    /// Stops using a file.
    pub(crate) fn forget(&self, file: &SnapshotFile) {
        self.stock.lock().files.retain(|kept| kept.sha256() != file.sha256());
    }

    /// Adds a whole, durable file that lies in the folder under its name.
    pub(crate) fn add(&self, file: SnapshotFile) {
        assert_eq!(file.path(), self.place(&file), "a snapshot lies under its name");
        let mut stock = self.stock.lock();
        stock.verified.insert(file.sha256());
        stock.files.retain(|kept| kept.sha256() != file.sha256());
        stock.files.push(file);
        sort(&mut stock.files);
    }

    /// Removes all but the newest [`KEPT`].
    pub(crate) fn prune(&self) -> Result<(), Fault> {
        let old = {
            let mut stock = self.stock.lock();
            let keep = stock.files.len().min(KEPT);
            stock.files.split_off(keep)
        };
        old.iter().try_for_each(SnapshotFile::remove)
    }

    /// Where a file belongs.
    pub(crate) fn place(&self, file: &SnapshotFile) -> PathBuf {
        self.folder.path().join(file.name())
    }

    /// Where a snapshot of this name is received. Files of other names are
    /// removed, except the one that was accepted and waits to be installed.
    pub(crate) fn incoming(
        &self,
        name: &str,
        accepted: Option<&SnapshotFile>,
    ) -> Result<PathBuf, BadSnapshot> {
        let name = name_of(&parse_name(name)?);
        let directory = self.folder.incoming();
        let entries = fs::read_dir(&directory).or_fault("list directory", &directory)?;
        for entry in entries {
            let entry = entry.or_fault("list directory", &directory)?;
            let waits = accepted.is_some_and(|file| file.path() == entry.path());
            if entry.file_name() != *name && !waits {
                disk::file::remove_if_present(&entry.path())?;
            }
        }
        Ok(directory.join(name))
    }

    /// Removes a received file that is bad as it stands: it only keeps its
    /// sender from starting over.
    pub(crate) fn reject(&self, path: &Path) {
        assert!(path.starts_with(self.folder.incoming()), "only received files are rejected");
        let _gone_or_next_time = fs::remove_file(path);
    }

    /// The name of a directory to unpack a snapshot in, another each time.
    pub(crate) fn next_bench(&self) -> String {
        format!("install-{}", self.benches.fetch_add(1, Ordering::Relaxed))
    }

    /// Checks the header of a file from anywhere.
    pub(crate) fn check_header(&self, file: &SnapshotFile) -> Result<(), BadSnapshot> {
        file.verify_header(self.cluster, self.group, self.raw_bytes_max)
    }
}

/// The paths in a directory that have a snapshot's name.
pub(crate) fn list(directory: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).or_fault("list directory", directory)? {
        let entry = entry.or_fault("list directory", directory)?;
        if parse_name(&entry.file_name().to_string_lossy()).is_ok() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn sort(files: &mut [SnapshotFile]) {
    let age = |file: &SnapshotFile| -> Option<LogId> { file.header().last };
    files.sort_by_key(|file| std::cmp::Reverse(age(file)));
}
