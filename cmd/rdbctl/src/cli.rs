//! Cli: which verb, with what, to whom?
//!
//! * [`target`] has the flags of every verb.
//! * [`data`] reads and writes rows, [`cluster`] looks at nodes and groups,
//!   [`tool`] needs no cluster at all.
//! * [`value`] reads the texts that stand for something else.

pub mod cluster;
pub mod data;
pub mod target;
pub mod tool;
pub mod value;

use clap::{Parser, Subcommand};

pub use cluster::{Bench, ClusterVerb, Health, InspectKey, Snapshot, Status, Wait};
pub use data::{
    Collections, Consistency, DataVerb, Find, Fresh, Get, Once, Order, Part, Put, Scan,
};
pub use target::{Form, Target, Voice};
pub use tool::ToolVerb;

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  export RDBCTL_CACERT=rdb-dev/certs/ca.crt
  export RDBCTL_ENDPOINTS=localhost:8443,localhost:8444,localhost:8445
  rdbctl put users alice 1                 writes a row
  rdbctl get users alice                   prints its value
  rdbctl scan users --prefix a             lists rows by key
  rdbctl status                            how the cluster is, on one screen

A value given as `-` is read from stdin. Data goes to stdout, everything else to stderr.";

/// Reads and writes rows of an rdb cluster, and shows how the cluster is.
#[derive(Debug, Parser)]
#[command(name = "rdbctl", version, after_help = help_tail(), max_term_width = 100)]
pub struct Cli {
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub target: Target,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// With rows and collections.
    #[command(flatten)]
    Data(DataVerb),
    /// With the cluster.
    #[command(flatten)]
    Cluster(ClusterVerb),
    /// Without a cluster.
    #[command(flatten)]
    Tool(ToolVerb),
}

impl Verb {
    /// The values that may be `-` for stdin.
    pub fn values_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Data(verb) => verb.values_mut(),
            Self::Cluster(_) | Self::Tool(_) => Vec::new(),
        }
    }
}

fn help_tail() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
    format!("{EXAMPLES}\n\nExit codes:\n{}", codes.join("\n"))
}
