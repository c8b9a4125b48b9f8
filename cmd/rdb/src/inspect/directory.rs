//! Directory: where in a data directory is what?

use std::fs;
use std::path::{Path, PathBuf};

use api::GroupId;
use disk::environment::DATA_FILE;
use serde_json::Value;

use crate::dev::process;
use crate::inspect::sheet::{Findings, Sheet};

/// A node's data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory, if anything in it is a node's.
    #[must_use]
    pub fn find(path: &Path) -> Option<Self> {
        let known = ["identity", "replication", "state"];
        let found = known.iter().any(|name| path.join(name).exists());
        found.then(|| Self { path: path.to_owned() })
    }

    /// The folder of the log, if there is a log in it.
    #[must_use]
    pub fn log(&self) -> Option<PathBuf> {
        let folder = self.path.join("replication");
        folder.join(DATA_FILE).exists().then_some(folder)
    }

    /// The folders of the groups' state, by group.
    #[must_use]
    pub fn groups(&self, only: Option<GroupId>) -> Vec<(GroupId, PathBuf)> {
        let entries = fs::read_dir(self.path.join("state")).into_iter().flatten().flatten();
        let mut groups: Vec<_> = entries
            .filter_map(|entry| {
                let group = GroupId(entry.file_name().to_str()?.parse().ok()?);
                Some((group, entry.path()))
            })
            .filter(|(group, _)| only.is_none_or(|only| only == *group))
            .collect();
        groups.sort();
        groups
    }

    /// Shows whose it is, and who runs on it.
    pub fn describe(&self, findings: &mut Findings) {
        let mut sheet = Sheet::new("identity", &["field", "value"]);
        sheet.add(["process".into(), process::holder(&self.path).into()]);
        let path = self.path.join("identity");
        let read = fs::read(&path).map_err(|error| error.to_string());
        let identity = read.and_then(|bytes| {
            serde_json::from_slice::<Value>(&bytes).map_err(|error| error.to_string())
        });
        match identity {
            Ok(identity) => fields("", &identity, &mut sheet),
            Err(_) if !path.exists() => sheet.add(["identity".into(), Value::Null]),
            Err(error) => findings.problem("identity", None, error),
        }
        findings.add(sheet);
    }
}

/// Adds a row per field, those of nested objects under their path.
fn fields(prefix: &str, value: &Value, sheet: &mut Sheet) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path =
                    if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                fields(&path, value, sheet);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                fields(&format!("{prefix}.{n}"), item, sheet);
            }
        }
        simple => sheet.add([prefix.into(), simple.clone()]),
    }
}
