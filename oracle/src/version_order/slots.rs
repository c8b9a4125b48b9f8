//! Slots: the versions of a row, each with all that is known of it.

use std::collections::{BTreeMap, HashMap};

use super::violation;
use crate::finding::{Finding, Kind};
use crate::history::{Op, Outcome};
use crate::row::{Entry, FOREVER, Observed, Row, Token};

/// One version of a row.
pub(super) struct Slot<'r> {
    /// The write that made it, if known.
    pub(super) maker: Option<&'r Entry<'r>>,
    /// Who showed it first.
    pub(super) shown_by: &'r Entry<'r>,
    /// Its value, if anyone showed it.
    pub(super) value: Option<&'r [Token]>,
    /// What saw it and left it alone.
    pub(super) reads: Vec<&'r Entry<'r>>,
    /// What removed it: one at most, if all is well.
    pub(super) deletes: Vec<&'r Entry<'r>>,
    acknowledged: bool,
}

/// All versions of a row.
pub(super) struct Slots<'r> {
    /// From when on a delete without a place here may have removed the row.
    pub(super) deleting: u64,
    slots: BTreeMap<u64, Slot<'r>>,
    // By the last token of the value.
    versions: HashMap<Token, u64>,
}

impl<'r> Slot<'r> {
    /// When its change had happened at the latest, by its own answer.
    pub(super) fn ret(&self) -> u64 {
        // Nothing but its own answer ends a write.
        self.maker.filter(|_| self.acknowledged).map_or(FOREVER, |maker| maker.ret)
    }

    /// When its change had happened at the latest, by all answers.
    pub(super) fn first_ret(&self) -> u64 {
        let seen = self.reads.iter().chain(&self.deletes).map(|entry| entry.ret);
        seen.fold(self.ret(), u64::min)
    }
}

impl<'r> Slots<'r> {
    /// Sorts a row's operations by version.
    pub(super) fn new(row: &'r Row<'_>, findings: &mut Vec<Finding>) -> Self {
        let (slots, versions) = Default::default();
        let mut slots = Self { deleting: FOREVER, slots, versions };
        for entry in &row.entries {
            slots.change(entry, findings);
        }
        for entry in row.entries.iter().filter(|entry| entry.after.version().is_none()) {
            slots.sight(entry, findings);
        }
        slots.name(row, findings);
        for entry in row.entries.iter().filter(|entry| entry.operation.op == Op::Delete) {
            slots.remove(entry, findings);
        }
        for slot in slots.slots.values_mut() {
            slot.reads.sort_by_key(|read| read.call);
        }
        slots
    }

    /// In the order of versions.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<'r>> {
        self.slots.values()
    }

    /// The last one before a version.
    pub(super) fn before(&self, version: u64) -> Option<(u64, &Slot<'r>)> {
        self.slots.range(..version).next_back().map(|(version, slot)| (*version, slot))
    }

    /// The value of a version, if anyone showed it.
    pub(super) fn value(&self, version: u64) -> Option<&'r [Token]> {
        self.slots.get(&version)?.value
    }

    /// Writes without a version here that a version builds on.
    pub(super) fn unseen(
        &self,
        row: &'r Row<'_>,
        slot: &Slot<'r>,
    ) -> impl Iterator<Item = &'r Entry<'r>> {
        let expected = slot.maker.and_then(|maker| maker.expected.value());
        let tokens = expected.into_iter().chain(slot.value).flatten();
        let tokens = tokens.filter(|token| !self.versions.contains_key(token));
        tokens.filter_map(|token| row.writer(*token))
    }

    /// The one with a value.
    pub(super) fn of_value(&self, value: &[Token]) -> Option<(u64, &Slot<'r>)> {
        let version = *self.versions.get(value.last()?)?;
        Some((version, self.slots.get(&version)?))
    }

    /// Enters an acknowledged change.
    fn change(&mut self, entry: &'r Entry<'r>, findings: &mut Vec<Finding>) {
        let Some(version) = entry.after.version() else { return };
        if let Some(value) = entry.after.value() {
            let whole = entry.operation.op == Op::Append || value.len() == 1;
            if value.last() != entry.wrote.as_ref() || !whole {
                findings.push(violation(format!("{entry} did not leave what it wrote")));
            }
        }
        let slot = self.show(version, entry, &entry.after, findings);
        if let Some(maker) = slot.maker {
            findings.push(violation(format!("{maker} and {entry} made one version")));
        }
        slot.maker = Some(entry);
        slot.acknowledged = true;
    }

    /// Enters what saw a version.
    fn sight(&mut self, entry: &'r Entry<'r>, findings: &mut Vec<Finding>) {
        let Some(version) = entry.before.version() else { return };
        let slot = self.show(version, entry, &entry.before, findings);
        if entry.operation.op != Op::Delete {
            slot.reads.push(entry);
        }
    }

    fn show(
        &mut self,
        version: u64,
        entry: &'r Entry<'r>,
        seen: &'r Observed,
        findings: &mut Vec<Finding>,
    ) -> &mut Slot<'r> {
        let slot = self.slots.entry(version).or_insert_with(|| Slot {
            maker: None,
            shown_by: entry,
            value: None,
            reads: vec![],
            deletes: vec![],
            acknowledged: false,
        });
        match (slot.value, seen.value()) {
            (None, value) => slot.value = value,
            (Some(before), Some(value)) if before != value => {
                let what = format!("{} and {entry} show one version differently", slot.shown_by);
                findings.push(violation(what));
            }
            _ => {}
        }
        slot
    }

    /// Finds the makers of versions that were seen and not acknowledged.
    fn name(&mut self, row: &'r Row<'_>, findings: &mut Vec<Finding>) {
        let unknown = |entry: &&Entry<'_>| entry.operation.outcome == Outcome::Unknown;
        let writes = row.entries.iter().filter(|entry| entry.wrote.is_some());
        let could_explain = writes.filter(unknown).map(|entry| entry.call).min();
        for (version, slot) in &mut self.slots {
            if slot.maker.is_none() {
                slot.maker = slot.value.and_then(|value| row.maker(value));
            }
            let hidden = slot.value.is_none() && could_explain.is_some();
            if slot.maker.is_none() && !hidden {
                let what = format!("{} shows version {version}, nobody's write", slot.shown_by);
                findings.push(violation(what));
            }
            if let Some(token) = slot.value.and_then(<[Token]>::last) {
                self.versions.entry(*token).or_insert(*version);
            }
        }
    }

    /// Enters a delete at the version that it removed.
    fn remove(&mut self, entry: &'r Entry<'r>, findings: &mut Vec<Finding>) {
        if !entry.may_change() || entry.before == Observed::Absent {
            return;
        }
        let known = entry.before.value().and_then(|value| value.last());
        let by_value = known.and_then(|token| self.versions.get(token)).copied();
        let version = entry.before.version().or(by_value);
        let Some((version, slot)) = version.and_then(|v| Some((v, self.slots.get_mut(&v)?))) else {
            self.deleting = self.deleting.min(entry.call);
            return;
        };
        if let Some(first) = slot.deletes.first() {
            let what = format!("{first} and {entry} both removed version {version}");
            findings.push(Finding::new(Kind::Double, super::CHECKER, what));
        }
        slot.deletes.push(entry);
    }
}
