//! Suggestion: which name was meant?

use std::path::Path;

use crate::config::problem::Problem;
use crate::config::setting;

/// A key that no setting of a known group has.
pub(crate) fn unknown_key(path: &Path, group: &str, key: &str) -> Problem {
    let names = || setting::ALL.iter().map(|setting| (setting.group, setting.key));
    let here = names().filter(|(table, _)| *table == group).map(|(_, name)| name);
    let hint = if let Some(near) = nearest(key, here) {
        format!("did you mean {group}.{near}?")
    } else if let Some((table, name)) = names().find(|(_, name)| *name == key) {
        format!("did you mean {table}.{name}?")
    } else {
        let known = names().filter(|(table, _)| *table == group);
        let known: Vec<_> = known.map(|(table, name)| format!("{table}.{name}")).collect();
        format!("known keys are {}", known.join(", "))
    };
    Problem::Unknown { path: path.to_owned(), what: format!("key {group}.{key}"), hint }
}

/// A top-level name that is not a table of settings.
pub(crate) fn unknown_group(path: &Path, group: &str) -> Problem {
    let mut groups: Vec<_> = setting::ALL.iter().map(|setting| setting.group).collect();
    groups.dedup();
    let owner = setting::ALL.iter().find(|setting| setting.key == group);
    let hint = match (nearest(group, groups.iter().copied()), owner) {
        (Some(near), _) => format!("did you mean [{near}]?"),
        (None, Some(setting)) => format!("did you mean {}?", setting.name()),
        (None, None) => format!("known tables are [{}]", groups.join("], [")),
    };
    Problem::Unknown { path: path.to_owned(), what: format!("table [{group}]"), hint }
}

/// The variable that this one is a near miss of.
pub(crate) fn near_variable(variable: &str) -> Option<String> {
    let variables: Vec<_> = setting::ALL.iter().map(setting::Setting::variable).collect();
    let near = nearest(variable, variables.iter().map(String::as_str))?;
    Some(near.to_owned())
}

/// The candidate that takes the fewest edits, if they are few for its length.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= 1 + candidate.len() / 5)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that turn `from` into `to`.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // The row of distances from the prefix of `from` read so far to each prefix of `to`.
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (read, letter) in from.chars().enumerate() {
        let mut next = vec![read + 1];
        for ((other, above_left), above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let replaced = above_left + usize::from(letter != *other);
            next.push(replaced.min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in
            [("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(edits(from, to), count, "{from} -> {to}");
        }
    }

    #[test]
    fn only_near_misses_are_suggested() {
        let words = ["heartbeat", "election_min"];
        assert_eq!(nearest("hartbeet", words.into_iter()), Some("heartbeat"));
        assert_eq!(nearest("snapshot", words.into_iter()), None);
        assert_eq!(near_variable("RDB_RAFT_HEARBEAT").as_deref(), Some("RDB_RAFT_HEARTBEAT"));
        assert_eq!(near_variable("RDB_HOME"), None);
    }
}
