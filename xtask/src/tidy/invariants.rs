//! Invariants: every numbered property is in code, in the list, and in a test.
//!
//! The list is docs/invariants.md: table rows `| id | property | asserted in |
//! tests |`; a test is a function's name or a golden script's path. A module
//! header names the properties it keeps under a heading `# Invariants`, as items
//! that start `* W1: `. The two must agree.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::tree::Text;

const LIST: &str = "docs/invariants.md";

/// One row of the list.
struct Listed {
    id: String,
    line: usize,
    /// Files named as the place of the assertion.
    places: Vec<String>,
    tests: Vec<String>,
}

/// Checks the list against the sources.
pub(crate) fn check(texts: &[Text], findings: &mut Vec<Finding>) {
    let Some(list) = texts.iter().find(|text| text.path == LIST) else {
        findings.push(Finding::in_file(LIST, "the list of invariants is missing"));
        return;
    };
    let listed = rows(&list.text);
    let stated = stated(texts, findings);
    for (id, (path, line)) in &stated {
        if !listed.iter().any(|row| row.id == *id) {
            let message = format!("invariant {id} is not in {LIST}");
            findings.push(Finding::at(path, *line, message));
        }
    }
    for row in &listed {
        if !stated.contains_key(&row.id) {
            let message = format!("no module header states {}", row.id);
            findings.push(Finding::at(LIST, row.line, message));
        }
        places(row, texts, findings);
        tests(row, texts, findings);
    }
}

fn places(row: &Listed, texts: &[Text], findings: &mut Vec<Finding>) {
    for place in &row.places {
        if !texts.iter().any(|text| text.path == *place) {
            let message = format!("{}: there is no file `{place}`", row.id);
            findings.push(Finding::at(LIST, row.line, message));
        }
    }
}

fn tests(row: &Listed, texts: &[Text], findings: &mut Vec<Finding>) {
    if row.tests.is_empty() {
        findings.push(Finding::at(LIST, row.line, format!("{} names no test", row.id)));
    }
    for test in &row.tests {
        let function = format!("fn {test}(");
        let found = texts
            .iter()
            .any(|text| text.path == *test || (text.is("rs") && text.text.contains(&function)));
        if !found {
            let message = format!("{}: there is no test `{test}`", row.id);
            findings.push(Finding::at(LIST, row.line, message));
        }
    }
}

/// Every id that a module header states, and where. Twice is a finding.
fn stated(texts: &[Text], findings: &mut Vec<Finding>) -> BTreeMap<String, (String, usize)> {
    let mut stated = BTreeMap::<String, (String, usize)>::new();
    for text in texts.iter().filter(|text| text.is("rs")) {
        for (line, id) in header_ids(&text.text) {
            if let Some((path, _)) = stated.get(&id) {
                let message = format!("invariant {id} is stated in {path} already");
                findings.push(Finding::at(&text.path, line, message));
            } else {
                stated.insert(id, (text.path.clone(), line));
            }
        }
    }
    stated
}

/// The ids under `# Invariants` in a module header, with their lines.
fn header_ids(text: &str) -> Vec<(usize, String)> {
    let mut within = false;
    let mut ids = Vec::new();
    for (before, line) in text.lines().enumerate() {
        let Some(doc) = line.strip_prefix("//!") else { break };
        let doc = doc.trim();
        if doc.starts_with('#') {
            within = doc == "# Invariants";
        }
        let item = doc.strip_prefix("* ").or_else(|| doc.strip_prefix("- "));
        let id = item.and_then(|item| item.split_once(':')).map(|(id, _)| id.trim_matches('*'));
        if let Some(id) = id.filter(|id| within && is_id(id)) {
            ids.push((before + 1, id.to_owned()));
        }
    }
    ids
}

fn rows(text: &str) -> Vec<Listed> {
    let rows = text.lines().enumerate().filter_map(|(before, line)| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let id = cells.next().filter(|cell| is_id(cell))?.to_owned();
        let _property = cells.next()?;
        let places = quoted(cells.next().unwrap_or_default());
        let tests = quoted(cells.next().unwrap_or_default());
        Some(Listed { id, line: before + 1, places, tests })
    });
    rows.collect()
}

/// The `code spans` of a cell.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// One to three capitals, then digits.
fn is_id(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let capitals = text.len() - digits.len();
    (1..=3).contains(&capitals) && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "//! Log: what?\n//!\n//! # Invariants\n//!\n//! * W1: it is so.\n\
        //!   More of W2: no item.\n\n#[test]\nfn it_is_so() {}\n";

    fn messages(list: &str, code: &str) -> Vec<String> {
        let file = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
        let mut findings = Vec::new();
        check(&[file(LIST, list), file("wal/src/log.rs", code)], &mut findings);
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_stated_listed_and_tested_invariant_passes() {
        let list = "# I\n\n| id | p | a | t |\n|--|--|--|--|\n\
            | W1 | it is so | `wal/src/log.rs` | `it_is_so` |\n";
        assert_eq!(messages(list, CODE), [""; 0]);
    }

    #[test]
    fn an_unlisted_invariant_is_found() {
        assert_eq!(messages("# I\n", CODE), ["invariant W1 is not in docs/invariants.md"]);
    }

    #[test]
    fn a_row_must_name_what_exists() {
        let list = "| W1 | so | `wal/src/lag.rs` | `it_is_not_so` |\n| W2 | so | - | - |\n";
        let expected = [
            "W1: there is no file `wal/src/lag.rs`",
            "W1: there is no test `it_is_not_so`",
            "no module header states W2",
            "W2 names no test",
        ];
        assert_eq!(messages(list, CODE), expected);
    }

    #[test]
    fn ids_are_capitals_and_digits() {
        assert!(is_id("W1") && is_id("ST12"));
        assert!(!is_id("W") && !is_id("1") && !is_id("Note") && !is_id("id") && !is_id(""));
    }
}
