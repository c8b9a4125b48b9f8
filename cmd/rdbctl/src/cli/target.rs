//! Target: whom does a verb ask, and how does it answer?

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::{duration, endpoint};

/// The flags of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct Target {
    /// Nodes, or the proxy, to ask; any one will do, more survive a loss. https if nothing is said.
    #[arg(
        short,
        long,
        global = true,
        env = "RDBCTL_ENDPOINTS",
        value_name = "ADDRESSES",
        value_delimiter = ',',
        value_parser = endpoint,
        default_value = "https://localhost:8443"
    )]
    pub endpoints: Vec<String>,
    /// The certificates to trust, as PEM [default: those of the system].
    #[arg(long, global = true, env = "RDBCTL_CACERT", value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// The certificate to introduce oneself with, as PEM.
    #[arg(
        id = "client_cert",
        long = "cert",
        global = true,
        env = "RDBCTL_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub cert: Option<PathBuf>,
    /// The private key of --cert, as PEM.
    #[arg(
        id = "client_key",
        long = "key",
        global = true,
        env = "RDBCTL_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    pub key: Option<PathBuf>,
    /// Trust whoever answers; anybody on the way can read and change everything.
    #[arg(long, global = true)]
    pub insecure_skip_verify: bool,
    /// How long a call may take, with all its retries.
    #[arg(
        long,
        global = true,
        env = "RDBCTL_TIMEOUT",
        value_name = "TIME",
        value_parser = duration,
        default_value = "10s"
    )]
    pub timeout: Duration,
    /// How to answer [default: plain for `get` and `del`, table for the rest].
    #[arg(short, long, global = true, value_enum)]
    pub output: Option<Form>,
    /// Say only what was asked for and what failed: no notes, no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say on stderr which endpoints are asked, what fails there and what is tried again.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people: aligned, with a heading; long cells are cut.
    Table,
    /// For pipes: a line per row, its fields separated by tabs.
    Plain,
    /// For programs: one JSON value.
    Json,
    /// For programs that read line by line: a JSON object per line.
    Ndjson,
}

/// How much is said beside the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Nothing but failures.
    Quiet,
    /// Notes and progress.
    Normal,
    /// Also every step of every call.
    Verbose,
}

impl Target {
    /// What `--quiet` and `--verbose` come to.
    #[must_use]
    pub fn voice(&self) -> Voice {
        match (self.quiet, self.verbose) {
            (true, _) => Voice::Quiet,
            (false, false) => Voice::Normal,
            (false, true) => Voice::Verbose,
        }
    }
}

impl Form {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}
