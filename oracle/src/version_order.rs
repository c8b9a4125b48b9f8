//! Version order: do the versions in the answers give a legal order?
//!
//! Every change of a row has a version, and versions grow; so the order of changes is
//! known, and nothing needs to be searched. For each row, changes are taken by version
//! and put at the earliest time that is possible: not before their call, nor before
//! anything that comes before them. What saw a version is put after the change that
//! made it and before the next one. What cannot be put before its return is wrong.
//!
//! # What it proves
//!
//! Given the versions, the row is linearizable exactly if it is accepted, but for what
//! stands under Limits. Also found: two changes with one version, one version with two
//! values, a change that acted on another row than its answer says, a condition that
//! missed what was there, a version nobody wrote.
//!
//! # Limits
//!
//! A delete has no version of its own, but its answer shows the row it removed: it
//! comes after all that saw that row and before the next change. A delete whose outcome
//! is unknown has no place; what found no row after its call is left to
//! [`wgl`](crate::wgl). So is the place of a write whose outcome is unknown and whose
//! own version nobody saw: here it is only before the values that hold what it wrote.
//!
//! A row takes O(n log n) time.

mod slots;

use std::collections::HashSet;

use self::slots::{Slot, Slots};
use crate::finding::{Finding, Kind};
use crate::row::{Entry, FOREVER, Observed, Row};

const CHECKER: &str = "version_order";

/// Checks one row.
pub fn check(row: &Row<'_>, findings: &mut Vec<Finding>) {
    order(row, findings);
}

/// Checks one row, and gives the order that it found, as lines of the history. It may
/// lack operations whose outcome is unknown, and what these make undetermined.
pub fn order(row: &Row<'_>, findings: &mut Vec<Finding>) -> Option<Vec<usize>> {
    let slots = Slots::new(row, findings);
    acted_on(row, &slots, findings);
    missed(row, &slots, findings);
    // A delete whose outcome is unknown need not have happened, if all fits without.
    let placed = place(row, &slots, FOREVER).or_else(|_| place(row, &slots, slots.deleting));
    match placed {
        Ok(order) => Some(order.into_iter().map(|entry| entry.line).collect()),
        Err(why) => {
            findings.push(violation(why));
            None
        }
    }
}

fn violation(what: String) -> Finding {
    Finding::new(Kind::Violation, CHECKER, what)
}

/// Checks that each change acted on the row that was there.
fn acted_on(row: &Row<'_>, slots: &Slots<'_>, findings: &mut Vec<Finding>) {
    let changes = row.entries.iter().filter(|entry| entry.acknowledged());
    for entry in changes {
        let Some(version) = entry.after.version() else { continue };
        let wrong = match &entry.before {
            Observed::Nothing => None,
            Observed::Absent if slots.deleting <= entry.ret => None,
            Observed::Absent => acted_on_none(slots, entry, version),
            seen @ Observed::Present { .. } => acted_on_row(slots, entry, seen, version),
        };
        findings.extend(wrong.map(violation));
    }
}

fn acted_on_none(slots: &Slots<'_>, entry: &Entry<'_>, at: u64) -> Option<String> {
    let (version, slot) = slots.before(at)?;
    let maker = slot.shown_by;
    slot.deletes.is_empty().then(|| {
        format!("{entry} found no row, but nobody had removed version {version} of {maker}")
    })
}

fn acted_on_row(slots: &Slots<'_>, entry: &Entry<'_>, seen: &Observed, at: u64) -> Option<String> {
    let value = seen.value()?;
    // The version may be unknown: a write whose outcome is, and that nobody read.
    let (version, slot) = slots.of_value(value)?;
    if slot.value.is_some_and(|there| there != value) {
        return Some(format!("{entry} acted on another value than {} shows", slot.shown_by));
    }
    if version >= at {
        return Some(format!("{entry} acted on version {version}, made by {}", slot.shown_by));
    }
    if let Some(delete) = slot.deletes.first() {
        return Some(format!("{entry} acted on version {version}, which {delete} had removed"));
    }
    let (between, other) = slots.before(at).filter(|(before, _)| *before > version)?;
    let other = other.shown_by;
    Some(format!("{entry} acted on version {version}, but {other} had made it {between}"))
}

/// Checks that what a condition missed was not there.
fn missed(row: &Row<'_>, slots: &Slots<'_>, findings: &mut Vec<Finding>) {
    for entry in row.entries.iter().filter(|entry| entry.operation.mismatch) {
        let by_version = entry.before.version().and_then(|version| slots.value(version));
        let shown = entry.before.value().or(by_version);
        let absent = entry.before == Observed::Absent && entry.expected == Observed::Absent;
        if absent || (shown.is_some() && shown == entry.expected.value()) {
            findings.push(violation(format!("{entry} missed what was there")));
        }
    }
}

/// The earliest time at which the next operation can have happened, and what forbids
/// an earlier one.
#[derive(Clone, Copy)]
struct Now<'r> {
    at: u64,
    because: Option<&'r Entry<'r>>,
}

impl<'r> Now<'r> {
    /// Puts operations that commute at the earliest time, each by itself.
    fn place_all(self, entries: &[&'r Entry<'r>]) -> Result<Self, String> {
        entries.iter().try_fold(self, |latest, entry| {
            let placed = self.place(entry, entry.ret)?;
            Ok(if placed.at > latest.at { placed } else { latest })
        })
    }

    /// Goes on to when an operation was called.
    fn after(self, entry: &'r Entry<'r>) -> Self {
        match entry.call > self.at {
            true => Self { at: entry.call, because: Some(entry) },
            false => self,
        }
    }

    /// Puts an operation at the earliest time, which must not be over.
    fn place(self, entry: &'r Entry<'r>, ret: u64) -> Result<Self, String> {
        let placed = self.after(entry);
        match (placed.at > ret, placed.because) {
            (true, Some(because)) => Err(format!(
                "{entry} comes after {because} by version, but had ended before that began"
            )),
            _ => Ok(placed),
        }
    }
}

/// Puts everything in order, each at the earliest time. What found no row is put into
/// the first gap between rows that can have been open when it was called: in a later
/// one it would only be later. What found none from `deleting` on is left out.
fn place<'r>(
    row: &'r Row<'_>,
    slots: &Slots<'r>,
    deleting: u64,
) -> Result<Vec<&'r Entry<'r>>, String> {
    let latest = latest(slots);
    let mut latest = latest.iter().copied().chain([FOREVER]);
    let mut order = Vec::new();
    let mut absences = absences(row, deleting).into_iter().peekable();
    let mut unseen = HashSet::new();
    let mut now = Now { at: 0, because: None };
    let mut gap_end = latest.next();
    // The first gap is before the first row.
    let mut absent = true;
    for slot in slots.iter().map(Some).chain([None]) {
        let end = gap_end.unwrap_or(FOREVER);
        let mut here = Vec::new();
        while let Some(found_none) = absences.next_if(|entry| absent && entry.call <= end) {
            here.push(found_none);
        }
        if let Some(late) = here.iter().find(|entry| entry.ret < now.at) {
            return Err(there_was_one(late));
        }
        now = now.place_all(&here)?;
        order.extend(here);
        let Some(slot) = slot else { break };
        for writer in slots.unseen(row, slot).filter(|writer| unseen.insert(writer.line)) {
            now = now.after(writer);
            order.push(writer);
        }
        if let Some(maker) = slot.maker {
            now = now.place(maker, slot.ret())?;
            order.push(maker);
        }
        now = now.place_all(&slot.reads)?;
        order.extend(&slot.reads);
        now = slot.deletes.iter().try_fold(now, |now, delete| now.place(delete, delete.ret))?;
        order.extend(&slot.deletes);
        absent = !slot.deletes.is_empty();
        gap_end = latest.next();
    }
    absences.next().map_or(Ok(order), |entry| Err(there_was_one(entry)))
}

fn there_was_one(entry: &Entry<'_>) -> String {
    format!("{entry} found no row, but there was one all the time")
}

/// By slot: the latest time at which its change can have happened.
fn latest(slots: &Slots<'_>) -> Vec<u64> {
    let mut latest: Vec<u64> = slots.iter().map(Slot::first_ret).collect();
    let mut bound = FOREVER;
    for time in latest.iter_mut().rev() {
        bound = bound.min(*time);
        *time = bound;
    }
    latest
}

/// What found no row and has no version, by call, without what a delete whose place is
/// unknown may explain.
fn absences<'r>(row: &'r Row<'_>, deleting: u64) -> Vec<&'r Entry<'r>> {
    let absent = row.entries.iter().filter(|entry| entry.before == Observed::Absent);
    let absent = absent.filter(|entry| entry.after.version().is_none());
    let mut absent: Vec<_> = absent.filter(|entry| entry.ret < deleting).collect();
    absent.sort_by_key(|entry| entry.call);
    absent
}
