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
//! Given the versions, puts, appends, compare-and-sets, and reads and deletes that
//! found a row are linearizable exactly if they are accepted. Also found: two changes
//! with one version, one version with two values, a change that acted on another row
//! than its answer says, a version nobody wrote.
//!
//! # Limits
//!
//! A delete has no version of its own, but its answer shows the row it removed: it
//! comes after all that saw that row and before the next change. Only these are placed.
//! What found *no* row is compared with the time in which there can have been none,
//! each by itself; a contradiction among several of them, or with a delete whose
//! outcome is unknown, is left to [`wgl`](crate::wgl).
//!
//! A row takes O(n log n) time.

mod slots;

use self::slots::{Slot, Slots};
use crate::finding::{Finding, Kind};
use crate::history::{Op, Outcome};
use crate::row::{Entry, FOREVER, Observed, Row};

const CHECKER: &str = "version_order";

/// Checks one row.
pub fn check(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let slots = Slots::new(row, findings);
    acted_on(row, &slots, findings);
    missed(row, &slots, findings);
    if let Some(gaps) = place(row, &slots, findings) {
        absences(row, &gaps, findings);
    }
}

fn violation(what: String) -> Finding {
    Finding::new(Kind::Violation, CHECKER, what)
}

/// Checks that each change acted on the row that was there.
fn acted_on(row: &Row<'_>, slots: &Slots<'_>, findings: &mut Vec<Finding>) {
    let deleting = unknown_delete(row);
    let changes = row.entries.iter().filter(|entry| entry.acknowledged());
    for entry in changes {
        let Some(version) = entry.after.version() else { continue };
        let wrong = match &entry.before {
            Observed::Nothing => None,
            Observed::Absent if deleting <= entry.ret => None,
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

/// A time in which there can have been no row.
struct Gap {
    /// The earliest that it can have begun.
    begin: u64,
    /// The latest that it can have ended.
    end: u64,
}

/// The earliest time at which the next operation can have happened, and what forbids
/// an earlier one.
#[derive(Clone, Copy)]
struct Now<'r, 'h> {
    at: u64,
    because: Option<&'r Entry<'h>>,
}

impl<'r, 'h> Now<'r, 'h> {
    /// Puts an operation at the earliest time, which must not be over.
    fn place(self, entry: &'r Entry<'h>, ret: u64) -> Result<Self, String> {
        let placed = match entry.call > self.at {
            true => Self { at: entry.call, because: Some(entry) },
            false => self,
        };
        match (placed.at > ret, placed.because) {
            (true, Some(because)) => Err(format!(
                "{entry} comes after {because} by version, but had ended before that began"
            )),
            _ => Ok(placed),
        }
    }
}

/// Puts all that has a version in order; `None` if that is impossible.
fn place(row: &Row<'_>, slots: &Slots<'_>, findings: &mut Vec<Finding>) -> Option<Vec<Gap>> {
    match gaps(slots) {
        Ok(gaps) => Some(gaps),
        Err(why) => {
            findings.push(violation(format!("row {:?}: {why}", row.key)));
            None
        }
    }
}

fn gaps(slots: &Slots<'_>) -> Result<Vec<Gap>, String> {
    let latest = latest(slots);
    let mut ends = latest.iter().skip(1).copied().chain([FOREVER]);
    let mut gaps = vec![Gap { begin: 0, end: latest.first().copied().unwrap_or(FOREVER) }];
    let mut now = Now { at: 0, because: None };
    for slot in slots.iter() {
        if let Some(maker) = slot.maker {
            now = now.place(maker, slot.ret())?;
        }
        let mut next = now;
        for read in &slot.reads {
            let placed = now.place(read, read.ret)?;
            next = if placed.at > next.at { placed } else { next };
        }
        now = next;
        for delete in &slot.deletes {
            now = now.place(delete, delete.ret)?;
        }
        let end = ends.next().unwrap_or(FOREVER);
        if !slot.deletes.is_empty() {
            gaps.push(Gap { begin: now.at, end });
        }
    }
    Ok(gaps)
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

/// Checks that whatever found no row ran while there can have been none.
fn absences(row: &Row<'_>, gaps: &[Gap], findings: &mut Vec<Finding>) {
    let deleting = unknown_delete(row);
    let absent = row.entries.iter().filter(|entry| entry.before == Observed::Absent);
    // Changes that found no row have a version and were judged by it.
    for entry in absent.filter(|entry| entry.after.version().is_none() && entry.ret < deleting) {
        // Gaps begin and end in one order, so the last that had begun is the best.
        let begun = gaps.partition_point(|gap| gap.begin <= entry.ret);
        let fits = gaps.get(begun.wrapping_sub(1)).is_some_and(|gap| gap.end >= entry.call);
        if !fits {
            let what = format!("{entry} found no row, but there was one all the time");
            findings.push(violation(what));
        }
    }
}

/// From when on a delete whose outcome is unknown may have removed the row.
fn unknown_delete(row: &Row<'_>) -> u64 {
    let operations = row.entries.iter().map(|entry| entry.operation);
    let unknown = operations.filter(|op| op.op == Op::Delete && op.outcome == Outcome::Unknown);
    unknown.map(|operation| operation.call_ns).min().unwrap_or(FOREVER)
}
