//! Settings: what is in force, and who said so?

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::json;

use crate::cli::{Form, Target};
use crate::sheet::Sheet;

/// A flag of every verb, with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag, without its dashes.
    pub name: &'static str,
    /// Its value; `None`: it has none.
    pub value: Option<String>,
    /// Who set it.
    pub origin: String,
}

/// All settings, as `matches` made `target` of the command line.
#[must_use]
pub fn settings(target: &Target, matches: &ArgMatches) -> Vec<Setting> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let output = target.output.map(|form| form.name().to_owned());
    let said = |yes: bool| Some(yes.to_string());
    let timeout = format!("{}ms", target.timeout.as_millis());
    [
        ("endpoints", "endpoints", Some("RDBCTL_ENDPOINTS"), Some(target.endpoints.join(","))),
        ("cacert", "cacert", Some("RDBCTL_CACERT"), path(&target.cacert)),
        ("cert", "client_cert", Some("RDBCTL_CERT"), path(&target.cert)),
        ("key", "client_key", Some("RDBCTL_KEY"), path(&target.key)),
        ("insecure-skip-verify", "insecure_skip_verify", None, said(target.insecure_skip_verify)),
        ("timeout", "timeout", Some("RDBCTL_TIMEOUT"), Some(timeout)),
        ("output", "output", None, output),
        ("quiet", "quiet", None, said(target.quiet)),
        ("verbose", "verbose", None, said(target.verbose)),
    ]
    .map(|(name, id, variable, value)| {
        let origin = match (matches.value_source(id), variable) {
            (Some(ValueSource::CommandLine), _) => "flag".to_owned(),
            (Some(ValueSource::EnvVariable), Some(variable)) => format!("environment {variable}"),
            _ => "default".to_owned(),
        };
        Setting { name, value, origin }
    })
    .into()
}

/// The settings, as text.
#[must_use]
pub fn render(settings: &[Setting], form: Form) -> String {
    let mut sheet = Sheet::new(["SETTING", "VALUE", "ORIGIN"]);
    for Setting { name, value, origin } in settings {
        let value = value.clone().unwrap_or_else(|| "-".to_owned());
        sheet.add([(*name).to_owned(), value, origin.clone()]);
    }
    sheet.render(form, || {
        let object = |setting: &Setting| {
            let Setting { name, value, origin } = setting;
            json!({"setting": name, "value": value, "origin": origin})
        };
        settings.iter().map(object).collect()
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::Cli;

    fn shown(args: &[&str], form: Form) -> String {
        let matches = Cli::command().get_matches_from(["rdbctl"].iter().chain(args));
        let cli = Cli::from_arg_matches(&matches).unwrap();
        render(&settings(&cli.target, &matches), form)
    }

    #[test]
    fn every_setting_has_its_origin_wherever_the_flag_stands() {
        for args in [["config", "--timeout", "2s"], ["--timeout", "2s", "config"]] {
            let text = shown(&args, Form::Plain);
            assert!(text.contains("\ntimeout\t2000ms\tflag\n"), "{text}");
            assert!(text.contains("\nkey\t-\tdefault\n"), "{text}");
        }
    }

    #[test]
    fn programs_get_an_object_per_setting() {
        let text = shown(&["config", "-q"], Form::Ndjson);
        let quiet = "{\"origin\":\"flag\",\"setting\":\"quiet\",\"value\":\"true\"}\n";
        assert!(text.contains(quiet), "{text}");
        assert!(shown(&["config"], Form::Json).starts_with('['));
    }
}
