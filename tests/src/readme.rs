//! Readme: the commands that a reader pastes, and what the page says they answer.
//!
//! The page is the test: a line in a block is run as it stands, and the comment
//! beside or below it must be true. What a comment may claim:
//!
//! * `# {"key":...}` or `# some words: {...}`: the answer, with `...` for what differs;
//! * `# the same answer`: as the command before;
//! * `# 409, ...`: this HTTP status; without braces, the words are the body's;
//! * a header in backticks.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::compose::root;

/// What stands before a command's number in the output of all.
const MARK: &str = "@@ readme";

/// A command, and what the page says of its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    command: String,
    claims: Vec<String>,
}

/// The commands in the blocks of the README between two headings.
///
/// # Panics
///
/// If the headings are not there.
#[must_use]
pub fn lines(from: &str, to: &str) -> Vec<Line> {
    let page = fs::read_to_string(root().join("README.md")).expect("the page is in the repository");
    let (_, after) = page.split_once(from).unwrap_or_else(|| panic!("no '{from}' in the page"));
    let (section, _) = after.split_once(to).unwrap_or_else(|| panic!("no '{to}' behind '{from}'"));
    parse(section)
}

/// Runs the commands in one shell, one after the other, and checks every claim.
///
/// # Panics
///
/// If a command fails or a claim is not true.
pub fn check(lines: &[Line], shell: &mut Command, directory: &Path, prelude: &str) {
    let mut script = format!("{prelude}\n");
    for (n, line) in lines.iter().enumerate() {
        let Line { command, .. } = line;
        script.push_str(&format!("echo '{MARK} {n}'\n{}\necho \"{MARK} exit $?\"\n", asked(line)));
        assert!(!command.contains(MARK));
    }
    // A file, not a pipe: what a command leaves running may hold it open.
    let path = directory.join("readme.out");
    let output = File::create(&path).expect("create the output");
    let errors = output.try_clone().expect("share the output");
    let shell = shell.arg("-c").arg(&script).stdin(Stdio::null()).stdout(output).stderr(errors);
    let status = shell.status().expect("start the shell");
    let output = fs::read_to_string(&path).expect("read the output");
    assert!(status.success(), "{status}: {output}");
    let mut answer_before = String::new();
    for (n, line) in lines.iter().enumerate() {
        let (said, exit) = result(&output, n);
        assert_eq!(exit, "0", "{}: {said}", line.command);
        for claim in &line.claims {
            judge(line, claim, said, &mut answer_before);
        }
    }
}

/// The command, which must show headers if a status is claimed.
fn asked(line: &Line) -> String {
    let claims_status = line.claims.iter().any(|claim| status(claim).is_some());
    let shows = line.command.contains("--include");
    let include = if claims_status && !shows { " --include" } else { "" };
    format!("{}{include}", line.command)
}

fn judge(line: &Line, claim: &str, said: &str, answer_before: &mut String) {
    let wrong = || format!("{}\nis said to give: {claim}\nand gives: {said}", line.command);
    if let Some((status, _)) = status(claim) {
        let first = said.lines().next().unwrap_or_default();
        assert!(first.starts_with("HTTP/") && first.contains(status), "{}", wrong());
    }
    if claim.starts_with("the same answer") {
        assert!(!answer_before.is_empty() && contains(said, answer_before), "{}", wrong());
    }
    for header in claim.split('`').skip(1).step_by(2) {
        assert!(said.contains(header), "{}", wrong());
    }
    let answer = match (claim.find('{'), status(claim)) {
        (Some(start), _) => &claim[start..],
        (None, Some((_, words))) => words,
        (None, None) => return,
    };
    assert!(contains(said, answer), "{}", wrong());
    answer.clone_into(answer_before);
}

/// A claimed status, and the words behind it.
fn status(claim: &str) -> Option<(&str, &str)> {
    let (status, words) = claim.split_once(", ")?;
    (status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())).then_some((status, words))
}

/// Whether the parts of `pattern` between its `...` stand in `text`, in their order.
fn contains(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split("...").all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// What the `n`th command wrote, and its exit code.
fn result(output: &str, n: usize) -> (&str, &str) {
    let start = format!("{MARK} {n}\n");
    let (_, after) = output.split_once(&start).unwrap_or_else(|| panic!("no {n} in {output}"));
    let end = format!("{MARK} exit ");
    let (said, rest) =
        after.split_once(&end).unwrap_or_else(|| panic!("{n} does not end: {after}"));
    (said, rest.lines().next().unwrap_or_default())
}

fn parse(section: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut in_block = false;
    let mut goes_on = false;
    for line in section.lines().map(str::trim) {
        if line.starts_with("```") {
            in_block = line == "```sh";
        } else if !in_block || line.is_empty() {
        } else if let Some(claim) = line.strip_prefix("# ") {
            let last = lines.last_mut().expect("a claim stands below a command");
            last.claims.push(claim.to_owned());
        } else if goes_on {
            let last = lines.last_mut().expect("it goes on from a line");
            last.command = format!("{}\n{line}", last.command);
            goes_on = line.ends_with('\\');
        } else {
            let (command, claim) = line.split_once(" # ").unwrap_or((line, ""));
            let claims = Some(claim.to_owned()).filter(|claim| !claim.is_empty());
            let command = command.trim_end().to_owned();
            lines.push(Line { command, claims: claims.into_iter().collect() });
            goes_on = line.ends_with('\\');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &str, claims: &[&str]) -> Line {
        let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
        Line { command: command.to_owned(), claims }
    }

    #[test]
    fn commands_and_claims_are_told_apart() {
        let section =
            "words\n```sh\na \\\n  b\n# {1}\nc  # 400, no\n```\n1. x\n\n   ```sh\n   d\n   ```\n";
        let expected = [line("a \\\nb", &["{1}"]), line("c", &["400, no"]), line("d", &[])];
        assert_eq!(parse(section), expected);
    }

    #[test]
    fn a_claim_that_is_false_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let judged = |command: &str, claims: &[&str]| {
            let lines = [line("echo '{\"a\":1}'", &["{...1}"]), line(command, claims)];
            std::panic::catch_unwind(|| check(&lines, &mut Command::new("bash"), folder.path(), ""))
                .is_ok()
        };
        assert!(judged("echo '{\"a\":1}'", &["the same answer"]));
        assert!(!judged("echo '{\"a\":2}'", &["the same answer"]));
        assert!(judged("echo 'HTTP/2 409'; echo x: 1 #", &["409, x", "with `x: 1`"]));
        assert!(!judged("echo 'HTTP/2 409'; echo x: 1 #", &["408, x"]));
        assert!(!judged("echo 'HTTP/2 409'; echo x: 1 #", &["with `x: 2`"]));
        assert!(!judged("false", &[]));
    }
}
