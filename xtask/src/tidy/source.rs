//! Source: headers, sizes, names and words of the files we write.

use crate::finding::Finding;
use crate::tree::Text;

/// The most production lines of one file. Over 400 one already looks for the split.
const LINES_MAX: usize = 500;

/// The longest line, in characters. rustfmt does not break strings and comments.
const WIDTH_MAX: usize = 100;

/// File names that say what kind of code is in a file, not what it is about.
const BANNED_NAMES: [&str; 10] = [
    "common", "helper", "helpers", "manager", "misc", "service", "types", "util", "utils", "stuff",
];

/// Files whose banned name is what they are about.
const NAMED_RIGHTLY: [&str; 1] = ["api/src/service.rs"];

/// Leftovers. Spelled in parts, so that this file does not find itself.
const LEFTOVERS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("TB", "D"),
    concat!("db", "g!"),
];

/// The comment that justifies a character outside ASCII in production code.
const JUSTIFICATION: &str = concat!("non-", "ASCII:");

const IGNORED_TEST: &str = concat!("#[ig", "nore");

/// Checks one file of any kind.
pub(crate) fn check(text: &Text, findings: &mut Vec<Finding>) {
    leftovers(text, findings);
    if text.is("rs") {
        name(text, findings);
        header(text, findings);
        width(text, findings);
        ignored_tests(text, findings);
        if !is_test_file(text) {
            let production = production_lines(&text.text);
            size(text, production.len(), findings);
            ascii(text, &production, findings);
        }
    }
}

/// Whether the whole file exists for tests only.
fn is_test_file(text: &Text) -> bool {
    text.is_under("tests") || text.is_under("scripts") || text.name() == "tests.rs"
}

fn name(text: &Text, findings: &mut Vec<Finding>) {
    let stem = text.name().trim_end_matches(".rs");
    if BANNED_NAMES.contains(&stem) && !NAMED_RIGHTLY.contains(&text.path.as_str()) {
        let message = format!("`{stem}` is a kind of code; name the file after what it is about");
        findings.push(Finding::in_file(&text.path, message));
    }
}

fn header(text: &Text, findings: &mut Vec<Finding>) {
    let first = text.text.lines().next().unwrap_or_default();
    let sentence = first.strip_prefix("//! ").unwrap_or_default();
    if sentence.trim().is_empty() {
        let message = "the first line must be `//! <Noun>: <the question this file answers>`";
        findings.push(Finding::at(&text.path, 1, message));
    }
}

fn width(text: &Text, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(&text.text) {
        let width = line.chars().count();
        // An address cannot be broken.
        if width > WIDTH_MAX && !line.contains("://") {
            let message = format!("{width} characters; the limit is {WIDTH_MAX}");
            findings.push(Finding::at(&text.path, number, message));
        }
    }
}

fn leftovers(text: &Text, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(&text.text) {
        for word in LEFTOVERS {
            if has_word(line, word) {
                let message = format!("`{word}`: do it, or write an issue");
                findings.push(Finding::at(&text.path, number, message));
            }
        }
    }
}

fn ignored_tests(text: &Text, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(&text.text) {
        if line.trim_start().starts_with(IGNORED_TEST) {
            let message = "an ignored test rots; assert what happens now and say why it is wrong";
            findings.push(Finding::at(&text.path, number, message));
        }
    }
}

fn size(text: &Text, lines: usize, findings: &mut Vec<Finding>) {
    if lines > LINES_MAX {
        let message = format!("{lines} production lines; the limit is {LINES_MAX}: split the file");
        findings.push(Finding::in_file(&text.path, message));
    }
}

fn ascii(text: &Text, production: &[(usize, &str)], findings: &mut Vec<Finding>) {
    let mut justified = false;
    for (number, line) in production {
        let justifies = line.contains(JUSTIFICATION);
        if !line.is_ascii() && !justified && !justifies {
            let message = format!("not ASCII; a comment `{JUSTIFICATION} <why>` may justify it");
            findings.push(Finding::at(&text.path, *number, message));
        }
        justified = justifies;
    }
}

/// The numbered lines outside `#[cfg(test)] mod ... { }`. Relies on rustfmt:
/// a module ends at the first `}` that is indented like its start.
fn production_lines(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut rest = numbered(text).peekable();
    while let Some((number, line)) = rest.next() {
        let gated = line.trim() == "#[cfg(test)]";
        let module = rest.peek().is_some_and(|(_, next)| {
            next.trim_start().starts_with("mod ") && next.trim_end().ends_with('{')
        });
        if gated && module {
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            for (_, skipped) in rest.by_ref() {
                if skipped == end {
                    break;
                }
            }
        } else {
            lines.push((number, line));
        }
    }
    lines
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(before, line)| (before + 1, line))
}

/// Whether `word` stands in `line` on its own, not inside a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&Text { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert_eq!(messages("wal/src/log.rs", "//! Log: what was agreed?\n"), [""; 0]);
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        for text in ["use std::fmt;\n", "//!\n", "// Log.\n//! Log: what?\n", ""] {
            let found = messages("wal/src/log.rs", text);
            assert_eq!(found.len(), 1, "{text:?}");
            assert!(found[0].starts_with("wal/src/log.rs:1: the first line"), "{}", found[0]);
        }
    }

    #[test]
    fn names_of_kinds_are_found_and_the_service_trait_is_not() {
        assert_eq!(messages("raft/src/utils.rs", "//! A: b\n").len(), 1);
        assert_eq!(messages("raft/src/types.rs", "//! A: b\n").len(), 1);
        assert_eq!(messages("raft/src/service.rs", "//! A: b\n").len(), 1);
        assert_eq!(messages("api/src/service.rs", "//! A: b\n").len(), 0);
    }

    #[test]
    fn long_lines_are_found_and_addresses_are_not() {
        let long = "x".repeat(101);
        assert_eq!(messages("a/src/b.rs", &format!("//! A: b\n// {long}\n")).len(), 1);
        assert_eq!(messages("a/src/b.rs", &format!("//! A: b\n// https://{long}\n")).len(), 0);
    }

    #[test]
    fn leftovers_are_found_as_whole_words() {
        for word in LEFTOVERS {
            assert_eq!(messages("a/b.md", &format!("# T\n{word} this\n")).len(), 1, "{word}");
        }
        assert_eq!(messages("a/b.md", concat!("# T\nTO", "DOS and myTO", "DO\n")).len(), 0);
    }

    #[test]
    fn only_production_lines_count() {
        let line = "fn f() {}\n";
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(600));
        let text = format!("//! A: b\n{}{tests}", line.repeat(499));
        assert_eq!(messages("a/src/b.rs", &text).len(), 0);
        let text = format!("//! A: b\n{tests}{}", line.repeat(500));
        assert_eq!(messages("a/src/b.rs", &text).len(), 1);
        let text = format!("//! A: b\n{}", line.repeat(600));
        assert_eq!(messages("a/src/b/tests.rs", &text).len(), 0);
    }

    #[test]
    fn production_code_is_ascii_unless_justified() {
        let name = "\u{e4}";
        assert_eq!(messages("a/src/b.rs", &format!("//! A: b\n// {name}\n")).len(), 1);
        let tests = format!("//! A: b\n#[cfg(test)]\nmod tests {{\n    // {name}\n}}\n");
        assert_eq!(messages("a/src/b.rs", &tests).len(), 0);
        let justified = format!("//! A: b\n// {JUSTIFICATION} a name\n// {name}\n");
        assert_eq!(messages("a/src/b.rs", &justified).len(), 0);
    }

    #[test]
    fn ignored_tests_are_found() {
        let text = format!("//! A: b\n#[test]\n{IGNORED_TEST}]\nfn f() {{}}\n");
        assert_eq!(messages("a/src/b.rs", &text).len(), 1);
    }
}
