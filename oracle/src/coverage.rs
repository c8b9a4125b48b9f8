//! Coverage: was the run hard enough to say anything?
//!
//! # What it proves
//!
//! That what the plan in the header asks for happened: operations, faults that were
//! seen to take effect, in all and by kind, and outcomes.
//!
//! # Limits
//!
//! As good as the plan. Without operations a history proves nothing, whatever its plan.

use crate::finding::{Finding, Kind};
use crate::history::{History, Plan};

const CHECKER: &str = "coverage";

/// Checks a run against its plan.
pub fn check(history: &History, findings: &mut Vec<Finding>) {
    let Plan { ops, faults, kinds, outcomes } = &history.header.plan;
    let mut at_least = |what: &str, planned: u64, found: usize| {
        if (found as u64) < planned {
            let what = format!("{found} {what}, of {planned} planned");
            findings.push(Finding::new(Kind::Violation, CHECKER, what));
        }
    };
    at_least("operations", (*ops).max(1), history.operations.len());
    let installed = || history.faults.iter().filter(|fault| fault.installed);
    at_least("faults installed", *faults, installed().count());
    for (kind, planned) in kinds {
        let found = installed().filter(|fault| fault.kind == *kind).count();
        at_least(&format!("faults `{kind}` installed"), *planned, found);
    }
    for outcome in outcomes {
        let operations = history.operations.iter().map(|recorded| &recorded.operation);
        let found = operations.filter(|operation| operation.outcome == *outcome).count();
        at_least(&format!("operations with outcome {outcome:?}"), 1, found);
    }
}
