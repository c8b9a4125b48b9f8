//! Tool: the verbs that need no cluster.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

/// What can be done without a cluster.
#[derive(Debug, Subcommand)]
pub enum ToolVerb {
    /// Print a script that lets a shell complete verbs and flags.
    #[command(after_help = "Examples:
  source <(rdbctl completion bash)
  rdbctl completion zsh > ~/.zfunc/_rdbctl
  rdbctl completion fish > ~/.config/fish/completions/rdbctl.fish")]
    Completion {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write a page per verb into a directory.
    #[command(after_help = "Examples:
  rdbctl man | man -l -
  rdbctl man /usr/local/share/man/man1")]
    Man {
        /// Where to write them; made if it is not there.
        dir: Option<PathBuf>,
    },
    /// Print the version of this program.
    #[command(after_help = "Examples:
  rdbctl version
  rdbctl version -o json")]
    Version,
    /// Print which settings are in force, and where they come from.
    #[command(after_help = "Examples:
  rdbctl config
  RDBCTL_TIMEOUT=2s rdbctl config -o json")]
    Config,
}
