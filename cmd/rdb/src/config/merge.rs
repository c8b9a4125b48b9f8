//! Merge: who set what? Flags win over the environment, the environment over
//! the file, the file over the defaults. Each value keeps its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::problem::{Problem, Problems};
use crate::config::setting::{self, Setting};
use crate::config::suggestion;
use crate::config::value::Value;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Flags, by name without dashes.
    pub flags: BTreeMap<String, String>,
    /// The variables of the environment that start with `RDB_`.
    pub environment: BTreeMap<String, String>,
    /// The file's path and text.
    pub file: Option<(PathBuf, String)>,
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// The file.
    File(PathBuf),
    /// Nobody.
    Default,
}

/// Every setting that has a value, with its origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    values: BTreeMap<String, (Value, Origin)>,
}

impl Merged {
    /// Merges the sources, or says everything that is wrong with them.
    pub fn from_sources(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut merged = Self::default();
        for setting in setting::ALL {
            if let Some(value) = setting.default_value() {
                merged.put(setting, value, Origin::Default);
            }
        }
        if let Some((path, text)) = &sources.file {
            merged.take_file(path, text, &mut problems);
        }
        for setting in setting::ALL {
            let (variable, flag) = (setting.variable(), setting.flag());
            if let Some(text) = sources.environment.get(&variable) {
                merged.take_text(setting, text, Origin::Environment(variable), &mut problems);
            }
            if let Some(text) = sources.flags.get(&flag) {
                merged.take_text(setting, text, Origin::Flag(flag), &mut problems);
            }
        }
        if problems.is_empty() { Ok(merged) } else { Err(Problems(problems)) }
    }

    /// What the setting holds, if anything.
    #[must_use]
    pub fn value(&self, setting: &Setting) -> Option<&Value> {
        self.values.get(&setting.name()).map(|(value, _)| value)
    }

    /// Who set it.
    #[must_use]
    pub fn origin(&self, setting: &Setting) -> Option<&Origin> {
        self.values.get(&setting.name()).map(|(_, origin)| origin)
    }

    fn put(&mut self, setting: &Setting, value: Value, origin: Origin) {
        self.values.insert(setting.name(), (value, origin));
    }

    fn take_text(
        &mut self,
        setting: &Setting,
        text: &str,
        origin: Origin,
        problems: &mut Vec<Problem>,
    ) {
        match Value::from_text(setting.kind, text) {
            Ok(value) => self.put(setting, value, origin),
            Err(reason) => {
                problems.push(Problem::BadValue { setting: setting.name(), origin, reason });
            }
        }
    }

    fn take_file(&mut self, path: &Path, text: &str, problems: &mut Vec<Problem>) {
        let file: toml::Table = match text.parse() {
            Ok(file) => file,
            Err(error) => {
                problems.push(Problem::NotToml { path: path.to_owned(), error: Box::new(error) });
                return;
            }
        };
        for (group, keys) in &file {
            let toml::Value::Table(keys) = keys else {
                problems.push(suggestion::unknown_group(path, group));
                continue;
            };
            if !setting::ALL.iter().any(|setting| setting.group == group) {
                problems.push(suggestion::unknown_group(path, group));
                continue;
            }
            for (key, value) in keys {
                match Setting::find(group, key) {
                    Some(setting) => self.take_toml(setting, path, value, problems),
                    None => problems.push(suggestion::unknown_key(path, group, key)),
                }
            }
        }
    }

    fn take_toml(
        &mut self,
        setting: &Setting,
        path: &Path,
        value: &toml::Value,
        problems: &mut Vec<Problem>,
    ) {
        let origin = Origin::File(path.to_owned());
        match Value::from_toml(setting.kind, value) {
            Ok(Value::Path(named)) => {
                let base = path.parent().unwrap_or(Path::new(""));
                self.put(setting, Value::Path(base.join(named)), origin);
            }
            Ok(value) => self.put(setting, value, origin),
            Err(reason) => {
                problems.push(Problem::BadValue { setting: setting.name(), origin, reason });
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag --{flag}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::setting::{HTTPS_CERT, NODE_DATA_DIR, RAFT_HEARTBEAT};

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn file(text: &str) -> Sources {
        Sources { file: Some(("/etc/rdb/rdb.toml".into(), text.to_owned())), ..Sources::default() }
    }

    fn heartbeat(sources: &Sources) -> (Option<Value>, Option<Origin>) {
        let merged = Merged::from_sources(sources).unwrap();
        (merged.value(&RAFT_HEARTBEAT).cloned(), merged.origin(&RAFT_HEARTBEAT).cloned())
    }

    fn millis(millis: u64) -> Option<Value> {
        Some(Value::Duration(Duration::from_millis(millis)))
    }

    #[test]
    fn flag_wins_over_environment_over_file_over_default() {
        let mut sources = Sources::default();
        assert_eq!(heartbeat(&sources), (millis(100), Some(Origin::Default)));

        sources = file("[raft]\nheartbeat = \"50ms\"");
        let origin = Origin::File("/etc/rdb/rdb.toml".into());
        assert_eq!(heartbeat(&sources), (millis(50), Some(origin)));

        sources.environment = pairs(&[("RDB_RAFT_HEARTBEAT", "60ms")]);
        let origin = Origin::Environment("RDB_RAFT_HEARTBEAT".to_owned());
        assert_eq!(heartbeat(&sources), (millis(60), Some(origin)));

        sources.flags = pairs(&[("raft-heartbeat", "70ms")]);
        let origin = Origin::Flag("raft-heartbeat".to_owned());
        assert_eq!(heartbeat(&sources), (millis(70), Some(origin)));
    }

    #[test]
    fn paths_in_a_file_are_relative_to_it() {
        let mut sources = file("[https]\ncert = \"certs/a.crt\"\n[node]\ndata_dir = \"/data\"");
        let merged = Merged::from_sources(&sources).unwrap();
        assert_eq!(merged.value(&HTTPS_CERT), Some(&Value::Path("/etc/rdb/certs/a.crt".into())));
        assert_eq!(merged.value(&NODE_DATA_DIR), Some(&Value::Path("/data".into())));

        sources.flags = pairs(&[("https-cert", "certs/b.crt")]);
        let merged = Merged::from_sources(&sources).unwrap();
        assert_eq!(merged.value(&HTTPS_CERT), Some(&Value::Path("certs/b.crt".into())));
    }

    #[test]
    fn unknown_keys_are_errors_with_a_suggestion() {
        let wrong = file("[raft]\nhartbeat = \"50ms\"\n[rafd]\nx = 1\n[log]\nzzzzzzzz = 1");
        let problems = Merged::from_sources(&wrong).unwrap_err().to_string();
        assert!(problems.contains("unknown key raft.hartbeat"), "{problems}");
        assert!(problems.contains("did you mean raft.heartbeat?"), "{problems}");
        assert!(problems.contains("did you mean [raft]?"), "{problems}");
        assert!(problems.contains("log.format, log.level"), "{problems}");
    }

    #[test]
    fn all_bad_values_are_reported_at_once_with_their_origin() {
        let mut sources = file("[raft]\nheartbeat = 50");
        sources.environment = pairs(&[("RDB_STORAGE_MAP_SIZE", "big")]);
        let Problems(problems) = Merged::from_sources(&sources).unwrap_err();
        let text = Problems(problems).to_string();
        assert!(text.contains("raft.heartbeat (file /etc/rdb/rdb.toml)"), "{text}");
        assert!(text.contains("storage.map_size (environment RDB_STORAGE_MAP_SIZE)"), "{text}");
    }

    #[test]
    fn a_file_that_is_not_toml_is_an_error() {
        let problems = Merged::from_sources(&file("raft = [")).unwrap_err().to_string();
        assert!(problems.contains("/etc/rdb/rdb.toml is not TOML"), "{problems}");
    }
}
