//! File: small files that are there whole after a crash, or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::fault::{Fault, OrFault};

/// Writes `bytes` to `path` by temporary file, sync, rename and directory sync:
/// after a crash the old file or the new one is there, never a mix.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).or_fault("make file", &temporary)?;
    file.write_all(bytes).or_fault("write file", &temporary)?;
    file.sync_all().or_fault("sync file", &temporary)?;
    rename_durably(&temporary, path)
}

/// Renames a file that is synced already, and syncs the directory it lands in.
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), Fault> {
    fs::rename(from, to).or_fault("rename file", to)?;
    let parent = to.parent().unwrap_or(Path::new("."));
    sync_directory(parent)
}

/// Makes the names in a directory survive a crash.
pub fn sync_directory(path: &Path) -> Result<(), Fault> {
    let directory = File::open(path).or_fault("open directory", path)?;
    directory.sync_all().or_fault("sync directory", path)
}

/// Removes a file; a file that is not there counts as removed.
pub fn remove_if_present(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done.or_fault("remove file", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_write_replaces_the_file_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.json");
        write_durably(&path, b"old").unwrap();
        write_durably(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
