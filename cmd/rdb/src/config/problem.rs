//! Problem: what is wrong with the configuration, in words that say what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::merge::Origin;

/// One thing that is wrong. The operator corrects it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {error}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// A key or table that no setting has.
    #[error("unknown {what} in {}; {hint}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Which key or table.
        what: String,
        /// What may have been meant.
        hint: String,
    },
    /// A value that its setting cannot hold.
    #[error("{setting} ({origin}): {reason}")]
    BadValue {
        /// The setting.
        setting: String,
        /// Who set it.
        origin: Origin,
        /// Why not.
        reason: String,
    },
    /// A setting that must be set and is not.
    #[error("{setting} is not set: {hint}")]
    Missing {
        /// The setting.
        setting: String,
        /// How to set it.
        hint: String,
    },
    /// Settings that do not go together, or files that do not fit them.
    #[error("{setting}: {reason}")]
    Unfit {
        /// The setting to look at first.
        setting: String,
        /// Why not.
        reason: String,
    },
}

/// Everything that is wrong, so that it can be corrected in one go.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
