//! Snapshot: how does a group's whole state become one file, and a state again?
//!
//! A snapshot is a compacted copy of the environment's data file, compressed
//! with gzip. Its name is `state_<sha256 of the file>.gz`, so a file that was
//! damaged does not fit its name. What it is a snapshot of stands in the gzip
//! header's extra field, so the file describes itself and `zcat` still reads it.
//!
//! * [`SnapshotFile`] is one whole file; [`Header`] what it says about itself.
//! * `pack` writes one, `unpack` makes a data file of one.
//! * `shelf` knows the snapshots of a folder: newest, old, incoming.
//! * `build` copies the state out, `install` puts a snapshot in its place.
//!
//! # Invariants
//!
//! * N1: a file named `state_<sha256>.gz` is whole: it got its name by a rename
//!   after it was synced.
//! * N2: log position and membership in the header are read from the copy itself.
//! * N3: a snapshot of another cluster or group is never used.

pub(crate) mod build;
mod file;
mod header;
#[cfg(test)]
mod hostile;
pub(crate) mod install;
pub(crate) mod pack;
pub(crate) mod shelf;

pub use file::SnapshotFile;
pub use header::Header;

use disk::Fault;

/// Why a snapshot is not used. The sender tries again or another one.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// The file's name is not `state_<sha256>.gz`.
    #[error("{name:?} is not the name of a snapshot")]
    Name {
        /// The name.
        name: String,
    },
    /// The file's hash is not the one in its name: it is incomplete or damaged.
    #[error("snapshot is incomplete or damaged: its hash is {found}, its name says {named}")]
    Hash {
        /// The hash in the name.
        named: String,
        /// The hash of the file.
        found: String,
    },
    /// It is not a gzip file with our header, or not one whole gzip file.
    #[error("snapshot is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// It belongs to another cluster or group.
    #[error("snapshot belongs to {found}, not to {expected}")]
    Foreign {
        /// Whose it is.
        found: String,
        /// Whose state this is.
        expected: String,
    },
    /// It would take more room than allowed.
    #[error("snapshot unpacks to {bytes} bytes or more, the limit is {bytes_max}")]
    TooLarge {
        /// What it says, or how far it was unpacked.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Its content is not what its header says.
    #[error("snapshot does not hold what its header says: {what}")]
    Content {
        /// What differs.
        what: String,
    },
    /// The disk refused.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl BadSnapshot {
    /// The fault of a snapshot that must be good: it was checked before.
    #[must_use]
    pub fn into_fault(self, path: &std::path::Path) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            bad => Fault::corrupt("use snapshot", path, bad.to_string()),
        }
    }
}
