//! Run: one cluster, one seed, from founding to the last read.
//!
//! First things break while clients write. Then everything is healed, and the
//! cluster has a bounded time to serve again and to make its replicas equal. Then
//! every row is read, through the cluster and from every replica, and every replica's
//! whole state is checked and compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oracle::{Header, History};

use crate::breaking::break_things;
use crate::client::Client;
use crate::plan::Plan;
use crate::replicas;
use crate::stand::Stand;

/// How long a healed cluster may take until it serves and its replicas are equal.
const HEALING: Duration = Duration::from_secs(30);
/// Writes that the healed cluster must acknowledge.
const HEALED_WRITES: usize = 20;
/// How long the last reads may take.
const READING: Duration = Duration::from_secs(120);

/// What came of a run.
pub struct Ran {
    /// What happened.
    pub history: History,
    /// What did not hold, tick by tick and at the end.
    pub violations: Vec<String>,
    /// What happened, to the letter.
    pub trace: Vec<String>,
    /// Simulated time in all.
    pub simulated: Duration,
}

/// Runs the plan in `data`, which is empty.
#[must_use]
pub fn run(plan: &Plan, data: &Path) -> Ran {
    disk::blocking::inline_on_this_thread();
    raft::runtime::seed_this_thread(plan.seed);
    let mut stand = Stand::new(plan, data);
    break_things(&mut stand);
    heal(&mut stand);
    read_back(&mut stand);
    replicas::compare(&mut stand);
    into_ran(stand)
}

/// Nothing breaks any more: the cluster must serve and its replicas become equal.
fn heal(stand: &mut Stand<'_>) {
    stand.start_all();
    wait(stand, HEALING, "every group has one leader for everyone", |stand| {
        are_equal(stand).is_some()
    });
    let before = stand.stage.acknowledged();
    wait(stand, HEALING, "the healed cluster acknowledges writes", |stand| {
        stand.stage.acknowledged() > before + HEALED_WRITES
    });
    stand.stage.end_run();
    wait_clients(stand, HEALING, "the clients end");
    wait(stand, HEALING, "the replicas become equal", |stand| are_equal(stand) == Some(true));
}

/// Reads every row, through the cluster and from every replica.
fn read_back(stand: &mut Stand<'_>) {
    let reader = Client::new(Arc::clone(&stand.stage), stand.plan.seed);
    stand.sim.client("reader", reader.read_all());
    wait_clients(stand, READING, "every row is read");
    let reader = Client::new(Arc::clone(&stand.stage), stand.plan.seed);
    stand.sim.client("replica-reader", reader.read_replicas());
    wait_clients(stand, READING, "every replica is read");
    wait(stand, HEALING, "the replicas are still equal", |stand| are_equal(stand) == Some(true));
}

/// Steps until `reached`; too late is a violation.
fn wait(stand: &mut Stand<'_>, most: Duration, what: &str, reached: impl Fn(&Stand<'_>) -> bool) {
    let deadline = stand.sim.elapsed() + most;
    while !reached(stand) && !is_over(stand, deadline, what) {
        stand.step();
    }
}

/// Steps until every client is done; too late is a violation.
fn wait_clients(stand: &mut Stand<'_>, most: Duration, what: &str) {
    let deadline = stand.sim.elapsed() + most;
    while !stand.step() && !is_over(stand, deadline, what) {}
}

fn is_over(stand: &mut Stand<'_>, deadline: Duration, what: &str) -> bool {
    let at = stand.sim.elapsed();
    if at >= deadline && !stand.ended {
        stand.violations.push(format!("not in time, at {at:?}: {what}"));
        // What comes next would be late for the same reason.
        stand.ended = true;
    }
    stand.ended
}

/// Whether every group's replicas have applied the same, if every group has one
/// leader on whom all agree.
fn are_equal(stand: &Stand<'_>) -> Option<bool> {
    let mut equal = true;
    let mut seen = BTreeMap::new();
    for node in &stand.nodes {
        let running = node.running()?.running().ok()?;
        for group in running.groups.values() {
            let leader = group.leadership.borrow().leader?;
            let last = group.applied.borrow().last;
            let (first_leader, first_last) = *seen.entry(group.gid).or_insert((leader, last));
            if first_leader != leader {
                return None;
            }
            equal &= first_last == last;
        }
    }
    Some(equal)
}

fn into_ran(mut stand: Stand<'_>) -> Ran {
    let header = Header {
        format: oracle::history::FORMAT,
        seed: stand.plan.seed,
        made_by: "sim".to_owned(),
        plan: stand.plan.goal(),
    };
    let mut violations = stand.take_violations();
    let mut history = History::new(header);
    for line in stand.stage.take_lines() {
        if let Err(wrong) = history.push(line.clone()) {
            violations.push(format!("{wrong}: {line:?}"));
        }
    }
    let trace = stand.stage.trace.take();
    Ran { history, violations, trace, simulated: stand.sim.elapsed() }
}
