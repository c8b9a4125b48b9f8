//! Verdict: what do all checkers say of a history?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::finding::{Finding, Kind};
use crate::history::History;
use crate::row::Row;
use crate::{convergence, coverage, durability, exactly_once, honesty, version_order, wgl};

pub use crate::wgl::Limits;

/// How many findings of a kind and checker are kept in words; the rest are counted.
const SHOWN_MAX: usize = 5;

/// What all checkers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Operations in the history.
    pub ops: usize,
    /// Faults that took effect.
    pub faults: usize,
    /// Kinds of them.
    pub kinds: usize,
    /// Things seen that no correct cluster shows, and what the run lacks of its plan.
    pub violations: usize,
    /// Acknowledged changes that are gone.
    pub lost: usize,
    /// Writes that took effect more than once.
    pub double: usize,
    /// Checks that could not tell.
    pub undecided: usize,
    /// Ends of processes that nobody can explain.
    pub unexplained: usize,
    /// The first findings of each kind and checker.
    pub shown: Vec<Finding>,
}

/// Judges a history.
#[must_use]
pub fn judge(history: &History, limits: &Limits) -> Verdict {
    let mut findings = Vec::new();
    ids(history, &mut findings);
    for row in Row::all(history, &mut findings) {
        let order = version_order::order(&row, &mut findings);
        wgl::check(&row, order.as_deref(), limits, &mut findings);
        durability::check(&row, &mut findings);
        exactly_once::check(&row, &mut findings);
        honesty::check(&row, &mut findings);
        convergence::check(&row, &mut findings);
    }
    convergence::check_digests(&history.digests, &mut findings);
    coverage::check(history, &mut findings);
    exits(history, &mut findings);
    Verdict::new(history, findings)
}

impl Verdict {
    /// Whether nothing at all is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { violations, lost, double, undecided, unexplained, .. } = self;
        [violations, lost, double, undecided, unexplained].iter().all(|count| **count == 0)
    }

    fn new(history: &History, findings: Vec<Finding>) -> Self {
        let installed = || history.faults.iter().filter(|fault| fault.installed);
        let mut verdict = Self {
            ops: history.operations.len(),
            faults: installed().count(),
            kinds: installed().map(|fault| &fault.kind).collect::<BTreeSet<_>>().len(),
            ..Self::default()
        };
        let mut seen: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
        for finding in findings {
            *verdict.count(finding.kind) += 1;
            let seen = seen.entry((finding.kind, finding.checker)).or_default();
            *seen += 1;
            if *seen <= SHOWN_MAX {
                verdict.shown.push(finding);
            }
        }
        verdict
    }

    fn count(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Violation => &mut self.violations,
            Kind::Lost => &mut self.lost,
            Kind::Double => &mut self.double,
            Kind::Undecided => &mut self.undecided,
            Kind::Unexplained => &mut self.unexplained,
        }
    }
}

/// One line, in a form that other programs may look for.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ops, faults, kinds, violations, lost, double, undecided, unexplained, .. } =
            self;
        write!(f, "faults={faults} kinds={kinds} ops={ops} violations={violations} lost={lost} ")?;
        write!(f, "double={double} undecided={undecided} unexplained={unexplained}")
    }
}

/// Operations must have names of their own, or findings could not name them.
fn ids(history: &History, findings: &mut Vec<Finding>) {
    let mut ids: Vec<u64> =
        history.operations.iter().map(|recorded| recorded.operation.id).collect();
    ids.sort_unstable();
    for (one, other) in ids.iter().zip(ids.iter().skip(1)) {
        if one == other {
            let what = format!("two operations have id {one}");
            findings.push(Finding::new(Kind::Violation, "ids", what));
        }
    }
}

fn exits(history: &History, findings: &mut Vec<Finding>) {
    for exit in history.exits.iter().filter(|exit| !exit.explained) {
        let what = format!("{} ended at {}: {}", exit.node, exit.at_ns, exit.how);
        findings.push(Finding::new(Kind::Unexplained, "exits", what));
    }
}
