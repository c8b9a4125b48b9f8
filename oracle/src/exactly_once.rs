//! Exactly once: did each write take effect once, and in order?
//!
//! # What it proves
//!
//! Of everything that anyone saw, including reads of replicas:
//!
//! * No value holds a token twice, and no write made two versions.
//! * No value holds a token that nobody wrote to this row.
//! * The tokens of a value stand in an order in which they can have been written: none
//!   before one whose write had returned before its own was called. So those of one
//!   client stand in the order in which it sent them.
//!
//! That an acknowledged token is there at all is [`durability`](crate::durability)'s.
//!
//! # Limits
//!
//! A repetition is missed if nobody read the row before it was overwritten.

use std::collections::{HashMap, HashSet};

use crate::finding::{Finding, Kind};
use crate::row::{Entry, Row, Token};

const CHECKER: &str = "exactly_once";

/// Checks one row.
pub fn check(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let mut reported = HashSet::new();
    for (entry, value) in row.seen() {
        for (kind, token, what) in wrong(row, entry, value) {
            if reported.insert((kind, token)) {
                findings.push(Finding::new(kind, CHECKER, what));
            }
        }
    }
    versions(row, findings);
}

/// What is wrong with one value that was seen.
fn wrong(row: &Row<'_>, entry: &Entry<'_>, value: &[Token]) -> Vec<(Kind, Token, String)> {
    let mut wrong = Vec::new();
    let mut here = HashSet::new();
    let mut last_called: Option<&Entry<'_>> = None;
    for token in value {
        if value.len() > 1 && !here.insert(*token) {
            let text = row.tokens.text(*token);
            wrong.push((Kind::Double, *token, format!("{entry} holds {text:?} twice")));
        }
        let Some(writer) = row.writer(*token) else {
            let text = row.tokens.text(*token);
            let what = format!("{entry} holds {text:?}, which nobody wrote to this row");
            wrong.push((Kind::Violation, *token, what));
            continue;
        };
        if let Some(before) = last_called.filter(|before| writer.ret < before.call) {
            let what = format!("{entry} holds {before} before {writer}, which had returned");
            wrong.push((Kind::Violation, *token, what));
        }
        if last_called.is_none_or(|last| writer.call > last.call) {
            last_called = Some(writer);
        }
    }
    wrong
}

/// Finds writes that made two versions.
fn versions(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let mut made: HashMap<Token, (u64, &Entry<'_>)> = HashMap::new();
    let mut reported = HashSet::new();
    for entry in row.entries.iter().chain(&row.replica_reads) {
        for seen in [&entry.before, &entry.after] {
            let (Some(version), Some(token)) =
                (seen.version(), seen.value().and_then(<[Token]>::last))
            else {
                continue;
            };
            let (first, by) = *made.entry(*token).or_insert((version, entry));
            if first != version && reported.insert(*token) {
                let text = row.tokens.text(*token);
                let what = format!("{text:?} made version {first} in {by} and another in {entry}");
                findings.push(Finding::new(Kind::Double, CHECKER, what));
            }
        }
    }
}
