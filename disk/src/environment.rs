//! Environment: an open LMDB environment, its size, its sync, its copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heed::{CompactionOption, Env, EnvFlags, EnvOpenOptions, WithoutTls};

use crate::fault::{Fault, OrFault};

/// The name LMDB gives its data file.
pub const DATA_FILE: &str = "data.mdb";

/// The name LMDB gives its lock file.
pub const LOCK_FILE: &str = "lock.mdb";

/// An open environment. Clones share it.
#[derive(Clone, Debug)]
pub struct Environment {
    heed: Env<WithoutTls>,
    path: PathBuf,
}

/// How an environment is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most it may ever hold. Address space, not disk: the file is sparse.
    pub map_bytes: usize,
    /// Named databases in it.
    pub databases: u32,
    /// Read transactions open at once, over all threads and processes.
    pub readers: u32,
    /// When commits reach the disk.
    pub sync: Sync,
}

/// When commits reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before `commit` returns.
    EveryCommit,
    /// When the system likes, or on [`Environment::sync`]. Survives a crash of
    /// the process, not of the machine.
    OnRequest,
    /// Never: opened for reading only.
    ReadOnly,
}

impl Environment {
    /// Opens the environment in the directory `path`, which is made if missing.
    ///
    /// The environment is never opened with `WRITEMAP`: a stray write of the
    /// process must not reach the file.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Fault> {
        let mut open = EnvOpenOptions::new().read_txn_without_tls();
        open.map_size(options.map_bytes).max_dbs(options.databases).max_readers(options.readers);
        let flags = match options.sync {
            Sync::EveryCommit => EnvFlags::empty(),
            Sync::OnRequest => EnvFlags::NO_SYNC,
            Sync::ReadOnly => EnvFlags::READ_ONLY,
        };
        if options.sync != Sync::ReadOnly {
            fs::create_dir_all(path).or_fault("make directory", path)?;
        }
        #[expect(unsafe_code, reason = "LMDB maps the file; heed asks for these two promises")]
        // SAFETY: `flags` holds none of the flags that let transactions race
        // (no NO_LOCK) or write through the map (no WRITE_MAP).
        let open = unsafe { open.flags(flags) };
        #[expect(unsafe_code, reason = "LMDB maps the file; heed asks for these two promises")]
        // SAFETY: nothing else truncates or writes the file while it is mapped:
        // the data directory is held by a `DirectoryLock`, and an environment
        // is replaced only after `close` returned.
        let heed = unsafe { open.open(path) }.or_fault("open environment", path)?;
        Ok(Self { heed, path: path.to_owned() })
    }

    /// The environment itself, for its transactions and databases.
    #[must_use]
    pub fn heed(&self) -> &Env<WithoutTls> {
        &self.heed
    }

    /// The directory it lies in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes everything committed so far survive a crash of the machine.
    pub fn sync(&self) -> Result<(), Fault> {
        self.heed.force_sync().or_fault("sync environment", &self.path)
    }

    /// Writes a compacted copy of the last commit to the new file `path` and syncs it.
    pub fn copy_to(&self, path: &Path) -> Result<(), Fault> {
        let mut file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .or_fault("make copy", path)?;
        self.heed
            .copy_to_file(&mut file, CompactionOption::Enabled)
            .or_fault("copy environment", &self.path)?;
        file.sync_all().or_fault("sync copy", path)
    }

    /// Bytes of pages that hold data, free pages left out.
    pub fn used_bytes(&self) -> Result<u64, Fault> {
        let used = self.heed.non_free_pages_size().or_fault("measure environment", &self.path)?;
        Ok(used)
    }

    /// Closes the environment: waits until every clone and transaction is gone.
    /// Returns whether that happened within `patience`.
    #[must_use]
    pub fn close(self, patience: Duration) -> bool {
        self.heed.prepare_for_closing().wait_timeout(patience)
    }
}

#[cfg(test)]
mod tests {
    use heed::types::Bytes;

    use super::*;

    fn options(sync: Sync) -> Options {
        Options { map_bytes: 1 << 20, databases: 1, readers: 8, sync }
    }

    #[test]
    fn a_copy_holds_the_last_commit_and_opens_on_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        let environment = Environment::open(&source, &options(Sync::OnRequest)).unwrap();
        let mut txn = environment.heed().write_txn().unwrap();
        let table =
            environment.heed().create_database::<Bytes, Bytes>(&mut txn, Some("t")).unwrap();
        table.put(&mut txn, b"key", b"value").unwrap();
        txn.commit().unwrap();

        let copy = dir.path().join("copy");
        fs::create_dir(&copy).unwrap();
        environment.copy_to(&copy.join(DATA_FILE)).unwrap();
        assert!(environment.close(Duration::from_secs(1)));

        let copied = Environment::open(&copy, &options(Sync::ReadOnly)).unwrap();
        let txn = copied.heed().read_txn().unwrap();
        let table = copied.heed().open_database::<Bytes, Bytes>(&txn, Some("t")).unwrap().unwrap();
        assert_eq!(table.get(&txn, b"key").unwrap(), Some(b"value".as_slice()));
    }

    #[test]
    fn an_open_read_transaction_keeps_an_environment_from_closing() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::open(dir.path(), &options(Sync::OnRequest)).unwrap();
        let reader = environment.heed().clone().static_read_txn().unwrap();
        assert!(!environment.close(Duration::from_millis(20)));
        drop(reader);
        assert!(Environment::open(dir.path(), &options(Sync::OnRequest)).is_ok());
    }
}
