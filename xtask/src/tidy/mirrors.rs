//! Mirrors: where a document repeats the code, do the two still agree?
//!
//! * Settings and their defaults: `cmd/rdb/src/config/setting.rs` and
//!   docs/operations.md.
//! * Exit codes: `cmd/rdb/src/exit.rs` and docs/operations.md.
//! * The test command: README.md marks the block that .ci/run executes.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tree::Text;

const SETTINGS: &str = "cmd/rdb/src/config/setting.rs";
const EXITS: &str = "cmd/rdb/src/exit.rs";
const OPERATIONS: &str = "docs/operations.md";
const README: &str = "README.md";
const TEST_MARK: &str = "<!-- test command -->";

/// Checks every mirror whose code is there.
pub(crate) fn check(texts: &[Text], findings: &mut Vec<Finding>) {
    let text =
        |path: &str| texts.iter().find(|text| text.path == path).map(|text| text.text.as_str());
    let operations = text(OPERATIONS).unwrap_or_default();
    if let Some(code) = text(SETTINGS) {
        compare(&settings(code), &documented_settings(operations), findings);
    }
    if let Some(code) = text(EXITS) {
        compare(&exits(code), &documented_exits(operations), findings);
    }
    if test_command(text(README).unwrap_or_default()).is_none() {
        let message = format!("`{TEST_MARK}` must stand before a block with one command");
        findings.push(Finding::in_file(README, message));
    }
}

fn compare(code: &BTreeSet<String>, documented: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    for missing in code.difference(documented) {
        findings.push(Finding::in_file(OPERATIONS, format!("it lacks {missing}")));
    }
    for extra in documented.difference(code) {
        findings.push(Finding::in_file(OPERATIONS, format!("there is no {extra}")));
    }
}

/// `setting a.b with default c`, from the table of settings:
/// `NAME: "a" "b", Kind::..., Some("c"), ...`.
fn settings(code: &str) -> BTreeSet<String> {
    let table = code.split("settings! {").nth(1).and_then(|rest| rest.split("\n}").next());
    let entries = table.unwrap_or_default().split(";\n").filter_map(|entry| {
        let quoted = quoted(entry);
        let (group, key) = (quoted.first()?, quoted.get(1)?);
        let default = entry.split("Some(\"").nth(1).and_then(|rest| rest.split('"').next());
        Some(setting(group, key, default))
    });
    entries.collect()
}

/// Rows `| `a.b` | `c` | ...`; a default of `-` is none.
fn documented_settings(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix('`')?;
        // A sentence of some other table may name a setting.
        let (group, key) = name.split_once('.').filter(|_| !name.contains(' '))?;
        let default = cells.next()?.trim_matches('`');
        Some(setting(group, key, (default != "-").then_some(default)))
    });
    rows.collect()
}

fn setting(group: &str, key: &str, default: Option<&str>) -> String {
    match default {
        Some(default) => format!("setting {group}.{key} with default {default}"),
        None => format!("setting {group}.{key} without a default"),
    }
}

/// `exit code n`, from arms `Self::Name => n,`.
fn exits(code: &str) -> BTreeSet<String> {
    let numbers = code.lines().filter_map(|line| {
        let number = line.trim().strip_prefix("Self::")?.split_once(" => ")?.1.strip_suffix(',')?;
        number.chars().all(|c| c.is_ascii_digit()).then(|| format!("exit code {number}"))
    });
    numbers.collect()
}

/// Rows `| n | ...`.
fn documented_exits(text: &str) -> BTreeSet<String> {
    let numbers = text.lines().filter_map(|line| {
        let number = line.strip_prefix("| ")?.split(" |").next()?;
        let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        is_number.then(|| format!("exit code {number}"))
    });
    numbers.collect()
}

fn test_command(readme: &str) -> Option<&str> {
    let block = readme.split(TEST_MARK).nth(1)?.trim_start().strip_prefix("```sh\n")?;
    let command = block.split("\n```").next()?;
    (!command.trim().is_empty() && !command.contains('\n')).then_some(command)
}

/// The contents of `"..."` in a text without escapes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "settings! {\n    A: \"raft\" \"beat\", Kind::Text, Some(\"1ms\"), \"\",\n\
        \"Why.\";\n\n    B: \"node\" \"name\", Kind::Text, None, \"x\",\n        \"Who.\";\n}\n";

    #[test]
    fn settings_agree_by_name_and_default() {
        let agreed = "| `raft.beat` | `1ms` | a |\n| `node.name` | - | b |\n| `see b.c` | d |\n";
        assert_eq!(settings(CODE), documented_settings(agreed));

        let mut findings = Vec::new();
        let drifted = documented_settings("| `raft.beat` | `2ms` | a |\n");
        compare(&settings(CODE), &drifted, &mut findings);
        let messages: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
        let expected = [
            "it lacks setting node.name without a default",
            "it lacks setting raft.beat with default 1ms",
            "there is no setting raft.beat with default 2ms",
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn exit_codes_agree() {
        let code = "match self {\n    Self::Success => 0,\n    Self::Fault => 20,\n}\n\
            Self::Success => \"success\",\n";
        assert_eq!(exits(code), documented_exits("| code |\n| 0 | ok |\n| 20 | disk |\n"));
    }

    #[test]
    fn the_test_command_is_one_line_behind_its_mark() {
        let readme = |block: &str| format!("# R\n{TEST_MARK}\n```sh\n{block}\n```\n");
        assert_eq!(test_command(&readme("cargo test")), Some("cargo test"));
        assert_eq!(test_command(&readme("a\nb")), None);
        assert_eq!(test_command("# R\n```sh\ncargo test\n```\n"), None);
    }
}
