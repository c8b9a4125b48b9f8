//! Cli: which verb, with what?

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Flags, Problems};
use crate::dev::{self, DevArgs};
use crate::exit::Exit;
use crate::inspect::{self, InspectArgs};
use crate::{node, output, rebuild, telemetry};

const EXAMPLES: &str = "\
Examples:
  rdb dev                                     five nodes on this machine, with certificates
  rdb node --config /etc/rdb/node.toml        one node of a cluster
  rdb config example > node.toml              a file with every setting
  rdb inspect /var/lib/rdb                    what a data directory holds";

/// A fault-tolerant, strongly consistent, sharded key-value store.
#[derive(Debug, Parser)]
#[command(name = "rdb", version, after_help = help_tail(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run one node until SIGTERM or Ctrl-C.
    #[command(after_help = "Examples:
  rdb node --config /etc/rdb/node.toml
  RDB_NODE_NAME=rdb_replica_0 rdb node --config /etc/rdb/node.toml --log-format json")]
    Node(Flags),
    /// Run a cluster of real nodes on this machine until SIGTERM or Ctrl-C.
    #[command(after_help = "Examples:
  rdb dev
  rdb dev --data-dir /tmp/cluster --fresh
  rdb dev --https-port 9443 --peer-port 9420 --set storage.snapshot_log_bytes=64KiB")]
    Dev(DevArgs),
    /// Show what a data directory holds, while its node runs or not.
    #[command(after_help = "Examples:
  rdb inspect rdb-dev/rdb_replica_0
  rdb inspect rdb-dev/rdb_replica_0 log --group 1
  rdb inspect rdb-dev/rdb_replica_0 verify -o json")]
    Inspect(InspectArgs),
    /// Check, show or write the configuration of a node.
    #[command(
        subcommand,
        after_help = "Examples:
  rdb config example > node.toml
  rdb config check --config node.toml
  rdb config show --config node.toml --origin"
    )]
    Config(ConfigVerb),
    /// Rebuild the lost state of one group from another node's snapshot.
    #[command(after_help = "Example:
  rdb rebuild-state --config /etc/rdb/node.toml --group 1")]
    RebuildState(RebuildArgs),
    /// Print the version.
    Version,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Say everything that is wrong with the settings, or that nothing is.
    Check(Flags),
    /// Print the settings in force, as a file.
    Show(ShowArgs),
    /// Print a file with every setting, its meaning and its default.
    Example,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Say who set each value.
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct RebuildArgs {
    /// The group whose state is lost.
    #[arg(long, value_name = "GROUP")]
    group: u32,
    #[command(flatten)]
    flags: Flags,
}

/// Reads the command line of this process and does what it says.
#[must_use]
pub fn run() -> Exit {
    run_with(std::env::args_os())
}

fn run_with(args: impl Iterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _closed = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    match cli.verb {
        Verb::Node(flags) => with_config(flags, node::run),
        Verb::Dev(args) => dev::run(args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Config(ConfigVerb::Check(flags)) => check(flags),
        Verb::Config(ConfigVerb::Show(args)) => show(args),
        Verb::Config(ConfigVerb::Example) => {
            output::text(config::example::example());
            Exit::Success
        }
        Verb::RebuildState(args) => {
            with_config(args.flags, |config| rebuild::run(config, args.group.into()))
        }
        Verb::Version => {
            output::data(format_args!("rdb {}", env!("CARGO_PKG_VERSION")));
            Exit::Success
        }
    }
}

/// Runs a verb that needs a checked config, with its logging set up.
fn with_config(flags: Flags, verb: impl FnOnce(Config) -> Exit) -> Exit {
    match load(flags) {
        Ok((config, warnings)) => {
            telemetry::start(&config.log);
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            verb(config)
        }
        Err(problems) => refuse(&problems),
    }
}

fn load(flags: Flags) -> Result<(Config, Vec<String>), Problems> {
    let (merged, mut warnings) = config::merged(flags)?;
    let (config, more) = config::check::config(&merged)?;
    config::check::files(&config)?;
    warnings.extend(more);
    Ok((config, warnings))
}

fn check(flags: Flags) -> Exit {
    match load(flags) {
        Ok((config, warnings)) => {
            warnings.iter().for_each(output::warning);
            output::data(format_args!("the configuration of {} is valid", config.node.name));
            Exit::Success
        }
        Err(problems) => refuse(&problems),
    }
}

fn show(args: ShowArgs) -> Exit {
    match config::merged(args.flags) {
        Ok((merged, warnings)) => {
            warnings.iter().for_each(output::warning);
            output::text(config::example::in_force(&merged, args.origin));
            Exit::Success
        }
        Err(problems) => refuse(&problems),
    }
}

fn refuse(problems: &Problems) -> Exit {
    problems.0.iter().for_each(output::error);
    output::progress("hint: `rdb config example` shows every setting");
    Exit::Usage
}

fn help_tail() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
    format!("{EXAMPLES}\n\nExit codes:\n{}", codes.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_are_flags_of_a_node() {
        let args = ["rdb", "node", "--https-plain", "--peer-seeds", "a=b:1,c=d:2", "--config", "x"];
        let Verb::Node(flags) = Cli::try_parse_from(args).unwrap().verb else { panic!() };
        assert_eq!(flags.file, Some("x".into()));
        assert_eq!(flags.given.get("https-plain").map(String::as_str), Some("true"));
        assert_eq!(flags.given.get("peer-seeds").map(String::as_str), Some("a=b:1,c=d:2"));
        assert_eq!(flags.given.len(), 2);
    }
}
