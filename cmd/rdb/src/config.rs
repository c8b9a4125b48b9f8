//! Config: what did the operator decide?
//!
//! Flags, environment, file and defaults are merged once, checked once, and
//! become the one [`Config`] that the program uses; nothing asks the
//! environment again.
//!
//! * [`setting`] is the table of everything that may be set.
//! * [`merge`] decides who wins and remembers who it was.
//! * [`check`] turns the winners into a [`Config`], or into [`Problems`].
//! * [`example`] writes the commented file from the same table.

pub mod check;
pub mod example;
pub mod flags;
#[cfg(test)]
mod hostile;
pub mod merge;
pub mod problem;
pub mod setting;
mod suggestion;
pub mod value;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::config::flags::Flags;
pub use crate::config::merge::{Merged, Sources};
pub use crate::config::problem::{Problem, Problems};
pub use crate::config::value::Fraction;

/// Everything a node was told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which node this is.
    pub node: Node,
    /// The door for clients.
    pub https: Https,
    /// The door for the other nodes, and who they are.
    pub peer: Peer,
    /// What a new cluster looks like.
    pub cluster: Cluster,
    /// Raft's timers.
    pub raft: Raft,
    /// Log, state, snapshots and the disk below them.
    pub storage: Storage,
    /// What clients may ask for.
    pub limits: Limits,
    /// Threads.
    pub runtime: Runtime,
    /// What is logged, and how.
    pub log: Log,
}

/// Which node this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, as in its certificate and in the seeds.
    pub name: String,
    /// Where it keeps its data. Absolute.
    pub data_dir: PathBuf,
}

/// The door for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate and key; `None` if it was told to serve without TLS.
    pub tls: Option<KeyPair>,
    /// The authorities of the proxy's certificate; `None` trusts no proxy.
    pub client_ca: Option<PathBuf>,
    /// How long it says "not ready" before it stops accepting.
    pub drain_notice: Duration,
}

/// The files of a certificate chain and its private key. Absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// The door for the other nodes, and who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub listen: SocketAddr,
    /// `host:port` under which the other nodes reach it.
    pub advertise: String,
    /// The authority that signs nodes' certificates.
    pub ca: PathBuf,
    /// This node's certificate and key, for both ends of a connection.
    pub tls: KeyPair,
    /// The nodes that found the cluster, this one included, in the order given.
    pub seeds: Vec<Seed>,
}

/// A node that takes part in founding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Its name.
    pub name: String,
    /// `host:port` of its peer door.
    pub peer: String,
}

/// What a new cluster looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Data groups, in `1..=GROUPS_MAX`.
    pub groups: u32,
}

/// Raft's timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raft {
    /// How often a leader is heard.
    pub heartbeat: Duration,
    /// The shortest silence that starts an election; at least three heartbeats.
    pub election_min: Duration,
    /// The longest such silence; more than the shortest.
    pub election_max: Duration,
}

/// Log, state, snapshots and the disk below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The map of the log's environment, and of each group's; whole pages.
    pub map_bytes: usize,
    /// A snapshot is due after this much log.
    pub snapshot_log_bytes: u64,
    /// A group above this part of the free disk takes snapshots earlier.
    pub snapshot_disk_fraction: Fraction,
    /// Entries that stay in the log behind a snapshot.
    pub log_keep_entries: u64,
    /// Free disk below which writes are refused; more than the floor.
    pub disk_reserve_bytes: u64,
    /// Free disk below which the node stops.
    pub disk_floor_bytes: u64,
}

/// What clients may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest value, at most `VALUE_BYTES_HARD_MAX`.
    pub value_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// The time for one request, at most `REQUEST_TIMEOUT_MAX`.
    pub request_timeout: Duration,
}

/// Threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Threads that serve requests.
    pub workers: usize,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Directives of `tracing-subscriber`'s filter.
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Reads the file and the environment beside the flags and merges them.
/// Returns what may be a mistake, too.
pub fn merged(flags: Flags) -> Result<(Merged, Vec<String>), Problems> {
    let environment: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| name.starts_with("RDB_")).collect();
    let path = flags.file.or_else(|| environment.get(flags::FILE_VARIABLE).map(PathBuf::from));
    let file =
        path.map(|path| read(path).map_err(|problem| Problems(vec![problem]))).transpose()?;
    let warnings = environment
        .keys()
        .filter(|name| *name != flags::FILE_VARIABLE)
        .filter(|name| !setting::ALL.iter().any(|setting| setting.variable() == **name))
        .filter_map(|name| {
            let near = suggestion::near_variable(name)?;
            Some(format!("environment variable {name} means nothing; did you mean {near}?"))
        })
        .collect();
    let merged = Merged::from_sources(&Sources { flags: flags.given, environment, file })?;
    Ok((merged, warnings))
}

fn read(path: PathBuf) -> Result<(PathBuf, String), Problem> {
    let absolute = std::path::absolute(&path);
    match absolute.and_then(|absolute| Ok((fs::read_to_string(&absolute)?, absolute))) {
        Ok((text, absolute)) => Ok((absolute, text)),
        Err(error) => Err(Problem::Unreadable { path, error }),
    }
}
