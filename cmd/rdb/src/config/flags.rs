//! Flags: the settings as flags of a verb, made from the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::setting;
use crate::config::value::Kind;

/// The environment variable that names the file.
pub const FILE_VARIABLE: &str = "RDB_CONFIG";

const FILE: &str = "config";
const HEADING: &str = "Settings (flag, else environment, else file, else default)";

/// The file and the settings that were given as flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The file to read.
    pub file: Option<PathBuf>,
    /// Settings by the name of their flag.
    pub given: BTreeMap<String, String>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!("TOML file with settings [env: {FILE_VARIABLE}]"));
        let settings = setting::ALL.iter().map(|setting| {
            let default = setting.default.map(|text| format!(" [default: {text}]"));
            let help = format!(
                "{} [env: {}]{}",
                setting.doc,
                setting.variable(),
                default.unwrap_or_default()
            );
            let arg = Arg::new(setting.flag())
                .long(setting.flag())
                .value_name(setting.kind.placeholder())
                .action(ArgAction::Set)
                .help_heading(HEADING)
                .help(help);
            match setting.kind {
                Kind::Switch => {
                    arg.num_args(0..=1).require_equals(true).default_missing_value("true")
                }
                _ => arg,
            }
        });
        command.arg(file).args(settings)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<PathBuf>(FILE).cloned();
        for setting in setting::ALL {
            if let Some(text) = matches.get_one::<String>(&setting.flag()) {
                self.given.insert(setting.flag(), text.clone());
            }
        }
        Ok(())
    }
}
