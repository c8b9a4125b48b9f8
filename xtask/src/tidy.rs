//! Tidy: the house rules that no compiler knows.
//!
//! * [`source`]: headers, sizes, names and words of Rust files.
//! * [`markdown`]: titles and links of documents.
//! * [`edges`]: which crate may depend on which.
//! * [`invariants`]: every numbered property is in code and has a test.
//! * [`mirrors`]: what documents repeat from code is what the code says.
//!
//! Every rule is a function of text, tested on small inputs beside it.

mod edges;
mod invariants;
mod markdown;
mod mirrors;
mod source;

use std::path::Path;

use crate::finding::Finding;
use crate::metadata::{self, Scope};
use crate::tree::{self, Text};

/// Checks every rule; the findings are sorted by place.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let texts = tree::read(root)?;
    let mut findings = Vec::new();
    for text in &texts {
        source::check(text, &mut findings);
        if text.is("md") {
            markdown::check(root, text, &mut findings);
        }
    }
    lint_copies(&texts, &mut findings);
    invariants::check(&texts, &mut findings);
    mirrors::check(&texts, &mut findings);
    edges::check(&metadata::query(root, Scope::Members)?, &mut findings);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// A crate's own `clippy.toml` replaces the root's, so it must repeat it.
fn lint_copies(texts: &[Text], findings: &mut Vec<Finding>) {
    let Some(root) = texts.iter().find(|text| text.path == "clippy.toml") else { return };
    for copy in texts.iter().filter(|text| text.path.ends_with("/clippy.toml")) {
        let missing = root
            .text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .find(|line| !copy.text.lines().any(|copied| copied.trim() == line.trim()));
        if let Some(line) = missing {
            let message = format!("it replaces the root's clippy.toml but lacks its line `{line}`");
            findings.push(Finding::in_file(&copy.path, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Text {
        Text { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_lint_file_of_a_crate_repeats_the_roots_lines() {
        let root = file("clippy.toml", "limit = 70\nallow = true\n");
        let mut findings = Vec::new();
        let copy = file("state/clippy.toml", "limit = 70\nallow = true\nmore = 1\n");
        lint_copies(&[file("clippy.toml", &root.text), copy], &mut findings);
        assert_eq!(findings, []);

        lint_copies(&[root, file("state/clippy.toml", "limit = 70\n")], &mut findings);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("allow = true"), "{}", findings[0]);
    }
}
