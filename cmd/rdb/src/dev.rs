//! Dev: how does one get a whole cluster on this machine, with one command?
//!
//! Real processes, real certificates, real sockets: the first contact with
//! rdb, and what the end-to-end tests run on.
//!
//! * [`plan`] says which node has which name, port, file and directory.
//! * [`made`] remembers what an earlier run made, and wipes only that.
//! * [`authority`] makes the certificates; [`settings`] the nodes' files.
//! * [`supervisor`] starts the nodes, watches them and stops them; [`process`]
//!   finds the process that holds a data directory, whoever started it.
//! * [`status`] asks the nodes whether the cluster is there; [`report`] says so.
//!
//! # Not here
//!
//! Restarting nodes. A node that dies stays dead until someone starts it.

pub mod authority;
pub mod made;
pub mod plan;
pub mod port;
pub mod process;
pub mod report;
pub mod settings;
pub mod status;
pub mod supervisor;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use disk::lock::LockError;
use disk::{DirectoryLock, Fault};

use crate::config::Problems;
use crate::config::value::{Kind, Value};
use crate::dev::made::Made;
use crate::dev::plan::Plan;
use crate::dev::supervisor::Supervisor;
use crate::exit::Exit;
use crate::output;

/// The arguments of `rdb dev`. What is not given is as an earlier run on the
/// same directory had it.
#[derive(Clone, Debug, Args)]
pub struct DevArgs {
    /// Where everything is kept: certificates, configurations, logs, data.
    #[arg(long, value_name = "DIR", default_value = "rdb-dev")]
    pub data_dir: PathBuf,
    /// How many nodes [default: 5].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=9))]
    pub nodes: Option<u16>,
    /// Node N serves clients on this port + N [default: 8443].
    #[arg(long, value_name = "PORT")]
    pub https_port: Option<u16>,
    /// Node N serves the other nodes on this port + N [default: 7420].
    #[arg(long, value_name = "PORT")]
    pub peer_port: Option<u16>,
    /// Data groups of the new cluster [default: 2].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub groups: Option<u32>,
    /// Set something else on every node; may be repeated.
    #[arg(long, value_name = "GROUP.KEY=VALUE")]
    pub set: Vec<String>,
    /// Wipe what an earlier run left in the directory, except its certificates.
    #[arg(long)]
    pub fresh: bool,
    /// How long to wait for the cluster to come up.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// Run the nodes with another rdb binary than this one.
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
}

/// Why there is no cluster. Each variant says who acts.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The directory is someone else's, or in use; the user names another.
    #[error("{0}")]
    Refused(String),
    /// The options do not fit each other or the directory; the user corrects them.
    #[error("{0}")]
    Usage(String),
    /// A setting given by `--set` is wrong; the user corrects it.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// The nodes run, but the cluster did not come up; the user reads their logs.
    #[error("{0}")]
    Unavailable(String),
    /// A file cannot be written.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The system refuses a thread, a process or a signal handler.
    #[error("cannot {operation}: {error}")]
    System {
        /// Verb and action.
        operation: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Runs the cluster until it is told to stop.
#[must_use]
pub fn run(args: DevArgs) -> Exit {
    match prepare_and_supervise(&args) {
        Ok(exit) => exit,
        Err(error) => {
            output::error(&error);
            match error {
                DevError::Refused(_) => Exit::Refused,
                DevError::Usage(_) | DevError::Settings(_) => Exit::Usage,
                DevError::Unavailable(_) => Exit::Unavailable,
                DevError::Fault(_) | DevError::System { .. } | DevError::Certificate(_) => {
                    Exit::Failure
                }
            }
        }
    }
}

fn prepare_and_supervise(args: &DevArgs) -> Result<Exit, DevError> {
    let root = directory(&args.data_dir)?;
    let _held = DirectoryLock::take(&root).map_err(|error| supervised(&root, error))?;
    let made = Made::load(&root)?;
    if made.is_none() {
        made::refuse_foreign(&root)?;
    }
    let made = match made {
        Some(made) if args.fresh => {
            made.wipe(&root)?;
            None
        }
        made => made,
    };
    let plan = Plan::resolve(root, args, made.as_ref())?;
    output::progress(format_args!("{} nodes in {}", plan.nodes.len(), plan.root.display()));
    let changed = made.as_ref() != Some(&plan.made());
    if changed {
        made::refuse_running(&plan, "options cannot change while nodes run")?;
    }
    disk::file::remove_if_present(&plan.report_file())?;
    settings::check(&plan)?;
    plan.made().store(&plan.root)?;
    let certificates = authority::ensure(&plan)?;
    output::progress(format_args!("certificates: {certificates}"));
    settings::write(&plan, changed)?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DevError::System { operation: "start a runtime", error })?;
    runtime.block_on(Supervisor::new(plan).run(args.timeout))
}

fn directory(named: &Path) -> Result<PathBuf, DevError> {
    let made = fs::create_dir_all(named).and_then(|()| fs::canonicalize(named));
    made.map_err(|error| Fault::io("make directory", named, error).into())
}

fn supervised(root: &Path, error: LockError) -> DevError {
    match error {
        LockError::Held { holder, .. } => {
            let pid = holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            DevError::Refused(format!(
                "another `rdb dev`{pid} supervises {}; stop it, or name another --data-dir",
                root.display()
            ))
        }
        LockError::Fault(fault) => fault.into(),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match Value::from_text(Kind::Duration, text)? {
        Value::Duration(duration) => Ok(duration),
        other => Err(format!("{other} is not a duration")),
    }
}
