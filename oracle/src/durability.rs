//! Durability: is every acknowledged change there at the end?
//!
//! Compared with every read of the last phases, through every node and of every
//! replica that was read.
//!
//! # What it proves
//!
//! * What an acknowledged write wrote is part of the value at the end, unless another
//!   write or delete may have come after it.
//! * The version at the end is not below one that was acknowledged, nor one that an
//!   acknowledged delete removed.
//!
//! # Limits
//!
//! A row that was changed and not read at the end is undecided. An overwritten value
//! that was lost before it was overwritten is not missed here; where anyone looked
//! meanwhile, linearizability misses it.

use std::collections::HashSet;

use crate::finding::{Finding, Kind};
use crate::history::{Op, Outcome, Phase};
use crate::row::{Entry, Observed, Row};

const CHECKER: &str = "durability";

/// Checks one row.
pub fn check(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let last = row.entries.iter().filter(|entry| entry.operation.phase == Phase::Final);
    let last = last.chain(&row.replica_reads);
    let last: Vec<_> = last.filter(|read| read.operation.outcome == Outcome::Ok).collect();
    let changes = || row.entries.iter().filter(|entry| entry.acknowledged());
    if last.is_empty() && changes().next().is_some() {
        let what = format!("row {:?} was changed, and nobody read it at the end", row.key);
        findings.push(Finding::new(Kind::Undecided, CHECKER, what));
    }
    let mut lost = HashSet::new();
    let mut lose = |change: &Entry<'_>, read: &Entry<'_>| {
        if lost.insert(change.line) {
            let what = format!("{change} is not in {read}");
            findings.push(Finding::new(Kind::Lost, CHECKER, what));
        }
    };
    let overwritten = Overwritten::new(row);
    for change in changes().filter(|change| !overwritten.after(change)) {
        let mut later = last.iter().filter(|read| read.call > change.ret);
        if let Some(read) = later.find(|read| lacks(&read.before, change)) {
            lose(change, read);
        }
    }
    for read in last {
        let before = changes().filter(|change| change.ret < read.call);
        // All between are gone as well, but the last one stands for them.
        if let Some(newest) = before.max_by_key(|change| oldest_after(change))
            && read.before.version().is_some_and(|version| version < oldest_after(newest))
        {
            lose(newest, read);
        }
    }
}

/// The least version that a row can have after a change, if there is a row.
fn oldest_after(change: &Entry<'_>) -> u64 {
    let removed = change.before.version().filter(|_| change.operation.op == Op::Delete);
    change.after.version().or(removed.map(|version| version.saturating_add(1))).unwrap_or(0)
}

/// Whether a row does not hold what was written.
fn lacks(seen: &Observed, change: &Entry<'_>) -> bool {
    let Some(wrote) = change.wrote else { return false };
    match seen {
        Observed::Nothing | Observed::Present { value: None, .. } => false,
        Observed::Absent => true,
        Observed::Present { value: Some(value), .. } => !value.contains(&wrote),
    }
}

/// The two operations that replaced or removed the row last, if they did: of two, one
/// is not the one that is asked about.
struct Overwritten(Vec<(u64, usize)>);

impl Overwritten {
    fn new(row: &Row<'_>) -> Self {
        let replacing = row.entries.iter().filter(|entry| {
            entry.may_change() && matches!(entry.operation.op, Op::Put | Op::Cas | Op::Delete)
        });
        let mut last: Vec<_> = replacing.map(|entry| (entry.ret, entry.line)).collect();
        last.sort_unstable_by(|a, b| b.cmp(a));
        last.truncate(2);
        Self(last)
    }

    /// Whether another operation may have replaced what a change left.
    fn after(&self, change: &Entry<'_>) -> bool {
        self.0.iter().any(|(ret, line)| *line != change.line && *ret >= change.call)
    }
}
