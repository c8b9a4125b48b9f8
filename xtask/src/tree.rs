//! Tree: which files belong to the repository, and what is in them?

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::relative;

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 4] = [".git", "target", "rdb-dev", "node_modules"];

/// The kinds of files that rules look at.
const KINDS: [&str; 6] = ["rs", "md", "toml", "proto", "sh", "yml"];

/// One text file of the repository.
pub(crate) struct Text {
    /// Relative to the root, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl Text {
    /// The file name without its folder.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether the name ends in `.` and `kind`.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, found)| found == kind)
    }

    /// Whether a path segment is `folder`.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        self.path.split('/').rev().skip(1).any(|segment| segment == folder)
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Every text file below `root`, by path.
pub(crate) fn read(root: &Path) -> Result<Vec<Text>, String> {
    let mut texts = Vec::new();
    walk(root, root, &mut texts).map_err(|error| format!("read {}: {error}", root.display()))?;
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(texts)
}

fn walk(root: &Path, folder: &Path, texts: &mut Vec<Text>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !FOREIGN.iter().any(|foreign| name == *foreign) {
                walk(root, &path, texts)?;
            }
        } else if kind.is_file() && (has_known_kind(&path) || is_script(&path)) {
            let bytes = fs::read(&path)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            texts.push(Text { path: relative(root, &path), text });
        }
    }
    Ok(())
}

/// Golden scripts have no extension; their folder tells.
fn is_script(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "scripts")
}

fn has_known_kind(path: &Path) -> bool {
    path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
}
