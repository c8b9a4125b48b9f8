//! Folder: what lies where in one group's directory?
//!
//! * `data.mdb`, `lock.mdb`: the environment.
//! * `marker`: how the environment was left; see [`recovery`](crate::recovery).
//! * `state_<sha256>.gz`: whole snapshots, and nothing else has such a name.
//! * `incoming/`: snapshots on their way from a peer, kept over a restart.
//! * `scratch/`: work in progress, worthless after a restart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use disk::Fault;
use disk::environment::{DATA_FILE, LOCK_FILE};
use disk::fault::OrFault;
use disk::file::{remove_if_present, sync_directory};

/// One group's directory.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, whether it is there or not.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Makes the folder and what is always in it, and forgets work in progress.
    pub(crate) fn prepare(&self) -> Result<(), Fault> {
        fs::create_dir_all(self.incoming()).or_fault("make directory", &self.path)?;
        self.clear(&self.scratch())?;
        self.sync()?;
        match self.path.parent() {
            Some(parent) => sync_directory(parent),
            None => Ok(()),
        }
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The environment's data file.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join(DATA_FILE)
    }

    /// The marker.
    pub(crate) fn marker(&self) -> PathBuf {
        self.path.join("marker")
    }

    /// Where snapshots arrive.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// A new, empty directory for work in progress.
    pub(crate) fn workbench(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.scratch().join(name);
        self.clear(&path)?;
        fs::create_dir_all(&path).or_fault("make directory", &path)?;
        Ok(path)
    }

    /// Removes a directory of work in progress.
    pub(crate) fn clear(&self, path: &Path) -> Result<(), Fault> {
        assert!(path.starts_with(self.scratch()), "{} is no scratch", path.display());
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.or_fault("remove directory", path),
        }
    }

    /// Removes the environment, durably. Snapshots stay.
    pub(crate) fn discard_environment(&self) -> Result<(), Fault> {
        remove_if_present(&self.data())?;
        self.remove_lock()?;
        self.sync()
    }

    /// Puts the data file `from`, which is synced, in the environment's place,
    /// durably. No environment may be open here.
    pub(crate) fn replace_environment(&self, from: &Path) -> Result<(), Fault> {
        let to = self.data();
        fs::rename(from, &to).or_fault("replace environment", &to)
    }

    /// Removes the lock file, which speaks of the transactions of a data file
    /// that is not there any more.
    pub(crate) fn remove_lock(&self) -> Result<(), Fault> {
        remove_if_present(&self.path.join(LOCK_FILE))
    }

    /// Makes the names in the folder durable.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        sync_directory(&self.path)
    }

    fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }
}
