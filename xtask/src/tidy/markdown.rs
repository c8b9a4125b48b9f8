//! Markdown: documents have a title, and their links lead somewhere.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::finding::Finding;
use crate::tree::Text;

/// Checks one document; links are resolved against the files below `root`.
pub(crate) fn check(root: &Path, text: &Text, findings: &mut Vec<Finding>) {
    if !text.text.starts_with("# ") {
        findings.push(Finding::at(&text.path, 1, "a document starts with its title: `# Title`"));
    }
    for (line, target) in links(&text.text) {
        if let Some(why) = broken(root, text, &target) {
            findings.push(Finding::at(&text.path, line, format!("link `{target}`: {why}")));
        }
    }
}

/// Why a link leads nowhere. Links to other hosts are not followed.
fn broken(root: &Path, from: &Text, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(&from.path).parent().unwrap_or(Path::new(""));
    let Some(path) = normal(&folder.join(file)) else {
        return Some("it leaves the repository".to_owned());
    };
    if file.is_empty() {
        return missing_anchor(&from.text, anchor);
    }
    let path = root.join(path);
    if !path.exists() {
        return Some("there is no such file".to_owned());
    }
    match fs::read_to_string(&path) {
        Ok(text) if path.extension().is_some_and(|kind| kind == "md") => {
            missing_anchor(&text, anchor)
        }
        _ => None,
    }
}

fn missing_anchor(text: &str, anchor: &str) -> Option<String> {
    let found = anchor.is_empty()
        || prose(text).any(|(_, line)| line.starts_with('#') && slug(line) == anchor);
    (!found).then(|| "there is no such heading".to_owned())
}

/// A heading's anchor, as code hosts make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Resolves `.` and `..`; `None` if that leads above the root.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            Component::Normal(name) => normal.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}

/// The targets of `[text](target)`, with their lines; code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            let target = line.get(at + 2..).and_then(|rest| rest.split(')').next());
            links.extend(target.map(|target| (number, target.trim().to_owned())));
        }
    }
    links
}

/// The lines outside fenced code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(before, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((before + 1, line))
    })
}

/// The line with every `code span` blanked out.
fn without_code(line: &str) -> String {
    line.split('`').enumerate().map(|(n, part)| if n % 2 == 0 { part } else { "code" }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let text = Text { path: path.to_owned(), text: text.to_owned() };
        check(&tree::root(), &text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_document_without_a_title_is_found() {
        assert_eq!(messages("docs/a.md", "Hello.\n").len(), 1);
        assert_eq!(messages("docs/a.md", "# Hello\n").len(), 0);
    }

    #[test]
    fn links_to_files_resolve_from_the_documents_folder() {
        assert_eq!(messages("docs/a.md", "# A\n[m](../Cargo.toml)\n").len(), 0);
        assert_eq!(messages("docs/a.md", "# A\n[m](Cargo.toml)\n").len(), 1);
        assert_eq!(messages("docs/a.md", "# A\n[m](../../x)\n").len(), 1);
        assert_eq!(messages("docs/a.md", "# A\n[m](https://example.org/x)\n").len(), 0);
    }

    #[test]
    fn links_to_headings_resolve() {
        assert_eq!(messages("a.md", "# A\n## Lose a node\n[x](#lose-a-node)\n").len(), 0);
        assert_eq!(messages("a.md", "# A\n[x](#lose-a-node)\n").len(), 1);
    }

    #[test]
    fn code_has_no_links() {
        assert_eq!(messages("a.md", "# A\n```\n[x](nowhere)\n```\n`[x](nowhere)`\n").len(), 0);
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(slug("## What is `not` there, yet?"), "what-is-not-there-yet");
    }
}
