//! Convergence: do all replicas hold the same?
//!
//! # What it proves
//!
//! * Replicas of a group that applied up to the same index had the same digest.
//! * Whoever was asked at the end, of whichever node or replica, showed the same row.
//!
//! # Limits
//!
//! A group without an index at which all its replicas were compared is undecided. Where
//! a write's outcome is unknown, it may take effect between two reads at the end, so
//! these may differ, if not by the value of one version.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Kind};
use crate::history::{Digest, Outcome, Phase};
use crate::row::{Entry, Row};

const CHECKER: &str = "convergence";

/// Checks what the replicas held.
pub fn check_digests(digests: &[Digest], findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<u64, BTreeMap<u64, Vec<&Digest>>> = BTreeMap::new();
    for digest in digests {
        groups.entry(digest.group).or_default().entry(digest.applied).or_default().push(digest);
    }
    for (group, by_index) in groups {
        let nodes = |digests: &[&Digest]| {
            digests.iter().map(|digest| digest.node.clone()).collect::<BTreeSet<_>>()
        };
        let all = nodes(&by_index.values().flatten().copied().collect::<Vec<_>>());
        if !by_index.values().any(|digests| nodes(digests) == all) {
            let what = format!("group {group}: no index at which all of {all:?} were compared");
            findings.push(Finding::new(Kind::Undecided, CHECKER, what));
        }
        for (index, digests) in by_index {
            for (one, other) in digests.iter().zip(digests.iter().skip(1)) {
                if one.digest != other.digest {
                    let what = format!(
                        "group {group} at index {index}: {} has digest {}, {} has {}",
                        one.node, one.digest, other.node, other.digest
                    );
                    findings.push(Finding::new(Kind::Violation, CHECKER, what));
                }
            }
        }
    }
}

/// Checks the reads of one row at the end.
pub fn check(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let last = row.entries.iter().filter(|entry| entry.operation.phase == Phase::Final);
    let last = last.chain(&row.replica_reads);
    let last: Vec<_> = last.filter(|read| read.operation.outcome == Outcome::Ok).collect();
    let mut unknown =
        row.entries.iter().filter(|entry| entry.operation.outcome == Outcome::Unknown);
    let may_change = unknown.any(Entry::may_change);
    for (one, other) in last.iter().zip(last.iter().skip(1)) {
        let one_version = one.before.version() == other.before.version();
        if one.before != other.before && (one_version || !may_change) {
            let what = format!("{one} of {} and", one.operation.node);
            let what = format!("{what} {other} of {} differ", other.operation.node);
            findings.push(Finding::new(Kind::Violation, CHECKER, what));
        }
    }
}
