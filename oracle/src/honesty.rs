//! Honesty: did what was refused stay undone?
//!
//! # What it proves
//!
//! No token of a write that failed, which is a promise that it was not and never will
//! be applied, was seen by anyone, including reads of replicas.
//!
//! # Limits
//!
//! A write that was applied all the same is missed if nobody read the row before it was
//! overwritten. A failed delete leaves no token; it is missed by linearizability.

use std::collections::HashSet;

use crate::finding::{Finding, Kind};
use crate::history::Outcome;
use crate::row::Row;

const CHECKER: &str = "honesty";

/// Checks one row.
pub fn check(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let mut reported = HashSet::new();
    for (entry, value) in row.seen() {
        let writers = value.iter().filter_map(|token| row.writer(*token));
        for writer in writers.filter(|writer| writer.operation.outcome == Outcome::Fail) {
            if reported.insert(writer.line) {
                let what = format!("{writer} was refused as not applied and is in {entry}");
                findings.push(Finding::new(Kind::Violation, CHECKER, what));
            }
        }
    }
}
