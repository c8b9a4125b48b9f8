//! Fault: what broke, where, doing what. Storage or an invariant is gone, and
//! the process must stop: after a failed sync nobody knows what is on disk.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A storage error or a broken invariant. Never retried, never ignored.
#[derive(Debug)]
pub struct Fault {
    /// Verb and action, such as "commit log batch".
    pub operation: &'static str,
    /// The file or directory it happened in.
    pub path: PathBuf,
    /// What the layer below said.
    pub cause: Cause,
}

/// What the layer below said.
#[derive(Debug)]
pub enum Cause {
    /// The operating system refused.
    Io(io::Error),
    /// LMDB refused.
    Lmdb(heed::Error),
    /// The bytes are there but are not what was written, or what must be there is not.
    Corrupt(String),
}

impl Fault {
    /// An error of the operating system.
    pub fn io(operation: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self { operation, path: path.into(), cause: Cause::Io(error) }
    }

    /// An error of LMDB.
    pub fn lmdb(operation: &'static str, path: impl Into<PathBuf>, error: heed::Error) -> Self {
        let cause = match error {
            heed::Error::Io(error) => Cause::Io(error),
            error => Cause::Lmdb(error),
        };
        Self { operation, path: path.into(), cause }
    }

    /// Data that fails its check, or an invariant that does not hold.
    pub fn corrupt(
        operation: &'static str,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Self {
        Self { operation, path: path.into(), cause: Cause::Corrupt(what.into()) }
    }

    /// Whether the disk, or the environment's map, has no room left.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match &self.cause {
            Cause::Io(error) => error.kind() == io::ErrorKind::StorageFull,
            Cause::Lmdb(heed::Error::Mdb(heed::MdbError::MapFull)) => true,
            Cause::Lmdb(_) | Cause::Corrupt(_) => false,
        }
    }

    /// Whether data failed its check.
    #[must_use]
    pub fn is_corruption(&self) -> bool {
        match &self.cause {
            Cause::Corrupt(_) => true,
            Cause::Lmdb(heed::Error::Mdb(error)) => {
                matches!(
                    error,
                    heed::MdbError::Corrupted
                        | heed::MdbError::PageNotFound
                        | heed::MdbError::Invalid
                )
            }
            Cause::Lmdb(_) | Cause::Io(_) => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} in {}: ", self.operation, self.path.display())?;
        match &self.cause {
            Cause::Io(error) => error.fmt(f),
            Cause::Lmdb(error) => error.fmt(f),
            Cause::Corrupt(what) => write!(f, "corrupt: {what}"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::Lmdb(error) => Some(error),
            Cause::Corrupt(_) => None,
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

/// Names the operation and path of a failed call: `result.or_fault("sync", path)?`.
pub trait OrFault<T> {
    /// Turns the error into a [`Fault`].
    fn or_fault(self, operation: &'static str, path: &Path) -> Result<T, Fault>;
}

impl<T> OrFault<T> for io::Result<T> {
    fn or_fault(self, operation: &'static str, path: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::io(operation, path, error))
    }
}

impl<T> OrFault<T> for Result<T, heed::Error> {
    fn or_fault(self, operation: &'static str, path: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::lmdb(operation, path, error))
    }
}
