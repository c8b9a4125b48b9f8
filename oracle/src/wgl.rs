//! WGL: is there any order of a row's operations that explains all answers?
//!
//! A search for one, by the algorithm of Wing, Gong and Lowe, over each row by
//! itself, as a register that holds a value or nothing. It uses no versions, so it is
//! a second opinion on [`version_order`](crate::version_order), and it judges what
//! that one leaves open: absence, and deletes whose outcome is unknown.
//!
//! # What it proves
//!
//! That values and absence are linearizable, or that they are not. What failed had no
//! effect; what is unknown may take effect at any later time, or never.
//!
//! An order that is guessed, such as the one by versions, is tried first: if it explains
//! everything, nothing needs to be searched, whoever guessed it.
//!
//! # Limits
//!
//! The search explodes with the operations in flight on a row, and with its unknown
//! outcomes. [`undetermined`] removes most of the latter. What is beyond [`Limits`] is
//! undecided, and undecided is failed: a workload must be cut so that it is judged.
//! Each memorised state is a bit for every operation of the row; `ops_max` times
//! `steps_max` bounds the memory, at about 600 MB with the defaults.

pub mod register;
pub mod undetermined;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use porcupine_rs::CheckResult;

use self::register::{Budget, Register, State, Step};
use crate::finding::{Finding, Kind};
use crate::row::{Entry, FOREVER, Row};

const CHECKER: &str = "wgl";

/// How hard a row is searched.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most operations of a row. The memory for one state grows with them.
    pub ops_max: usize,
    /// The most operations of a row in flight at once. Beyond some 20 a search of
    /// a thousand operations does not end.
    pub in_flight_max: usize,
    /// The most steps of the model, which bound time and memory alike on any machine.
    pub steps_max: u64,
    /// The longest that a search may take, should a step be slow.
    pub time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ops_max: 4_000,
            in_flight_max: 24,
            steps_max: 4_000_000,
            time_max: Duration::from_secs(20),
        }
    }
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is an order.
    Legal,
    /// There is none.
    Illegal,
    /// The search was given up.
    Undecided,
}

/// An operation as it is searched.
#[derive(Clone, Debug)]
pub struct Searched<'r, 'h> {
    /// The operation.
    pub entry: &'r Entry<'h>,
    /// Until when it took effect.
    pub ret: u64,
    /// What it did.
    pub step: Step,
}

/// Checks one row. `guess` is an order, as lines of the history, that may explain it.
pub fn check(row: &Row<'_>, guess: Option<&[usize]>, limits: &Limits, findings: &mut Vec<Finding>) {
    let mut searched = undetermined::searched(row);
    if guess.is_some_and(|guess| explains(guess, &searched)) {
        return;
    }
    let (ops, in_flight) = (searched.len(), in_flight(&searched));
    if ops > limits.ops_max || in_flight > limits.in_flight_max {
        let what = format!(
            "row {:?}: {ops} operations, {in_flight} in flight at once; at most {} and {} are \
             searched",
            row.key, limits.ops_max, limits.in_flight_max
        );
        findings.push(Finding::new(Kind::Undecided, CHECKER, what));
        return;
    }
    match search(&searched, limits) {
        Answer::Legal => {}
        Answer::Undecided => {
            let Limits { steps_max, time_max, .. } = limits;
            let what = format!(
                "row {:?}: no answer after {steps_max} steps or {time_max:?}, of {ops} \
                 operations, {in_flight} in flight at once",
                row.key
            );
            findings.push(Finding::new(Kind::Undecided, CHECKER, what));
        }
        Answer::Illegal => {
            searched.sort_by_key(|searched| searched.ret);
            let what = match first_impossible(&searched, limits) {
                Some(entry) => format!("no order explains {entry} and what ended before it"),
                None => format!("row {:?}: no order explains its answers", row.key),
            };
            findings.push(Finding::new(Kind::Violation, CHECKER, what));
        }
    }
}

/// Whether an order explains all answers: it has what is to be explained, none before one
/// that had returned when it was called, and each finds what it says.
#[must_use]
pub fn explains(order: &[usize], searched: &[Searched<'_, '_>]) -> bool {
    let mut left: HashMap<usize, _> = searched.iter().map(|s| (s.entry.line, s)).collect();
    let mut state = State::ABSENT;
    let mut last_call = 0;
    for line in order {
        // What is not searched had no effect that anyone saw.
        let Some(searched) = left.remove(line) else { continue };
        last_call = searched.entry.call.max(last_call);
        match searched.step.from(state) {
            Some(next) if searched.ret >= last_call => state = next,
            _ => return false,
        }
    }
    // What nobody saw and has not returned may be last, or never.
    left.values().all(|searched| searched.ret == FOREVER)
}

/// Searches for an order.
#[must_use]
pub fn search(searched: &[Searched<'_, '_>], limits: &Limits) -> Answer {
    let budget: Budget = Arc::new(AtomicU64::new(limits.steps_max));
    let operations: Vec<_> = searched
        .iter()
        .map(|searched| porcupine_rs::Operation::<Register> {
            client_id: None,
            call_time: time(searched.entry.call),
            return_time: time(searched.ret),
            op: (searched.step, Arc::clone(&budget)),
            metadata: None,
        })
        .collect();
    let result = porcupine_rs::check_operations_timeout(&operations, limits.time_max);
    match result {
        CheckResult::Ok => Answer::Legal,
        // Without budget the model refuses every step, which looks like illegal.
        CheckResult::Illegal if budget.load(Ordering::Relaxed) > 0 => Answer::Illegal,
        CheckResult::Illegal | CheckResult::Unknown => Answer::Undecided,
    }
}

/// The first operation, by return, up to which there is no order.
fn first_impossible<'r, 'h>(
    by_return: &[Searched<'r, 'h>],
    limits: &Limits,
) -> Option<&'r Entry<'h>> {
    let (mut possible, mut impossible) = (0, by_return.len());
    while impossible - possible > 1 {
        let middle = usize::midpoint(possible, impossible);
        match search(&until(by_return, middle), limits) {
            Answer::Illegal => impossible = middle,
            Answer::Legal | Answer::Undecided => possible = middle,
        }
    }
    by_return.get(possible).map(|searched| searched.entry)
}

/// The history as it was when the first `count` operations had returned: of those in
/// flight, writes may have taken effect.
fn until<'r, 'h>(by_return: &[Searched<'r, 'h>], count: usize) -> Vec<Searched<'r, 'h>> {
    let (returned, rest) = by_return.split_at(count);
    let end = returned.last().map_or(0, |last| last.ret);
    let in_flight = rest.iter().filter(|searched| searched.entry.call <= end);
    let in_flight = in_flight.filter(|searched| searched.entry.may_change()).map(|searched| {
        let step = Step { optional: true, ..searched.step };
        Searched { ret: FOREVER, step, ..searched.clone() }
    });
    returned.iter().cloned().chain(in_flight).collect()
}

/// The most operations in flight at once.
fn in_flight(searched: &[Searched<'_, '_>]) -> usize {
    let calls = searched.iter().map(|searched| (searched.entry.call, 0));
    let returns = searched.iter().map(|searched| (searched.ret, 1));
    let mut times: Vec<(u64, u8)> = calls.chain(returns).collect();
    times.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for (_, ends) in times {
        now = if ends == 0 { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}

fn time(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}
