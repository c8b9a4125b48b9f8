//! Lock: one process per data directory.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::fault::{Fault, OrFault};

/// Holds a directory for this process. The system releases it when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _held: Flock<File>,
}

/// Why a directory was not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it; the operator stops that one or names another directory.
    #[error(
        "data directory {} is in use by another process{}; stop it, or name another directory",
        path.display(), holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// The other process, if it wrote its id.
        holder: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl DirectoryLock {
    /// Takes the directory's lock, or says at once who has it.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .or_fault("open lock file", &path)?;
        let mut holder = String::new();
        file.read_to_string(&mut holder).or_fault("read lock file", &path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                let write = |file: &mut File| {
                    file.set_len(0)?;
                    file.rewind()?;
                    file.write_all(std::process::id().to_string().as_bytes())
                };
                write(&mut held).or_fault("write lock file", &path)?;
                Ok(Self { _held: held })
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(LockError::Held {
                path: directory.to_owned(),
                holder: holder.trim().parse().ok(),
            }),
            Err((_, errno)) => {
                Err(LockError::Fault(Fault::io("lock directory", path, errno.into())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_directory_is_refused_until_released() {
        let dir = tempfile::tempdir().unwrap();
        let held = DirectoryLock::take(dir.path()).unwrap();
        let refused = DirectoryLock::take(dir.path()).unwrap_err();
        let LockError::Held { holder, .. } = refused else { panic!("{refused}") };
        assert_eq!(holder, Some(std::process::id()));
        drop(held);
        DirectoryLock::take(dir.path()).unwrap();
    }
}
