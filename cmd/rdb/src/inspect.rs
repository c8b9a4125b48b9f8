//! Inspect: what does a data directory hold, and is it whole?
//!
//! Reads beside a running node or after it, and changes nothing.
//!
//! * [`directory`] finds identity, log and the groups' folders.
//! * [`log`] and [`state`] read them through `wal` and `state`.
//! * [`sheet`] is what all of them fill, printed as tables or as JSON.
//!
//! Whatever is not what was written is a problem; one problem is enough for
//! the exit code of a storage fault.

pub mod directory;
pub mod entry;
pub mod log;
pub mod sheet;
pub mod state;

use std::path::PathBuf;

use api::GroupId;
use clap::{Args, ValueEnum};

use crate::exit::Exit;
use crate::inspect::directory::Directory;
use crate::inspect::sheet::Findings;
use crate::output;

/// The arguments of `rdb inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A node's data directory.
    pub dir: PathBuf,
    /// What to show.
    #[arg(value_enum, default_value_t = What::Summary)]
    pub what: What,
    /// Only this group.
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub group: Option<GroupId>,
    /// Show the log from this index on.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
    /// Show this many entries of each group's log at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    pub limit: usize,
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
    /// Applied index, members, tables, collections.
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
    /// For programs: one object, a list of objects per table.
    Json,
}

/// Shows what was asked for.
#[must_use]
pub fn run(args: &InspectArgs) -> Exit {
    let Some(directory) = Directory::find(&args.dir) else {
        let path = args.dir.display();
        output::error(format_args!("{path} is not a data directory: nothing in it is a node's"));
        return Exit::NotFound;
    };
    let mut findings = Findings::default();
    match args.what {
        What::Summary => {
            directory.describe(&mut findings);
            log::groups(&directory, args.group, &mut findings);
            state::groups(&directory, args.group, &mut findings);
        }
        What::Log => log::entries(&directory, args, &mut findings),
        What::Votes => log::votes(&directory, args.group, &mut findings),
        What::State => state::details(&directory, args.group, &mut findings),
        What::Snapshots => state::snapshots(&directory, args.group, &mut findings),
        What::Verify => {
            log::verify(&directory, args.group, &mut findings);
            state::verify(&directory, args.group, &mut findings);
        }
    }
    output::text(findings.render(args.output));
    if findings.is_sound() {
        Exit::Success
    } else {
        output::error("something is not what was written; see the problems");
        Exit::StorageFault
    }
}

fn group(text: &str) -> Result<GroupId, std::num::ParseIntError> {
    text.parse().map(GroupId)
}
