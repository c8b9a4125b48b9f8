//! Inspect: what does a data directory hold?

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::exit::Exit;

/// The arguments of `rdb inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A node's data directory.
    pub dir: PathBuf,
    /// What to show.
    #[arg(value_enum, default_value_t = What::Summary)]
    pub what: What,
    /// Only this group.
    #[arg(long, value_name = "GROUP")]
    pub group: Option<u32>,
    /// How to show it.
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    pub output: Form,
}

/// What to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Identity, and a line per group.
    Summary,
    /// The entries of the log.
    Log,
    /// The votes.
    Votes,
    /// Applied index, membership, tables, shards, digests.
    State,
    /// The snapshot files.
    Snapshots,
    /// Reads everything and checks every checksum.
    Verify,
}

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Shows what was asked for.
#[must_use]
pub fn run(args: &InspectArgs) -> Exit {
    crate::output::error(format_args!("cannot read {} yet", args.dir.display()));
    Exit::Failure
}
