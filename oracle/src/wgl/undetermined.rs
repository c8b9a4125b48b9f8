//! Undetermined: what is known of writes whose outcome is not?
//!
//! Each of them doubles the search, above all where there is no order to be found.
//! Evidence in other answers removes most, without changing whether there is an order:
//!
//! * U1: a write whose token somebody saw took effect before that answer returned. So
//!   did the write whose value such a `cas` expected.
//! * U2: a write whose token nobody saw is dropped. If an order has it take effect,
//!   nobody looked before the row was overwritten, and the order is as good without
//!   it; if an order has it not, it stands last.
//! * U3: a delete is dropped if nobody found the row absent later, nor a value that
//!   begins with an append, which is what an append to an absent row leaves.
//!
//! U2 and U3 need answers that show what they saw. A row with one that does not (the
//! value of a replayed answer may be omitted) keeps all its writes, as optional.

use std::collections::HashMap;

use super::Searched;
use super::register::{Change, Found, State, Step};
use crate::history::{Op, Outcome};
use crate::row::{Entry, FOREVER, Observed, Row, Token};

/// The operations that matter for the search, with all that is known of them.
#[must_use]
pub fn searched<'r, 'h>(row: &'r Row<'h>) -> Vec<Searched<'r, 'h>> {
    let evidence = Evidence::new(row);
    row.entries.iter().filter_map(|entry| evidence.searched(entry)).collect()
}

/// What the answers of a row prove about its other writes.
struct Evidence {
    /// By token: until when its write took effect.
    seen: HashMap<Token, u64>,
    /// The last return of an answer that shows that there was no row before.
    absent: Option<u64>,
    /// Whether some answer does not show what it saw.
    hidden: bool,
}

impl Evidence {
    fn new(row: &Row<'_>) -> Self {
        let mut evidence = Self { seen: HashMap::new(), absent: None, hidden: false };
        for entry in &row.entries {
            evidence.answer(row, entry);
        }
        while evidence.conditions(row) {}
        evidence
    }

    fn answer(&mut self, row: &Row<'_>, entry: &Entry<'_>) {
        self.sight(row, &entry.before, entry.ret);
        self.sight(row, &entry.after, entry.ret);
        if entry.before == Observed::Absent {
            self.absence(entry.ret);
        }
    }

    /// Adds what unknown conditional writes expected that did take effect; whether
    /// anything was new.
    fn conditions(&mut self, row: &Row<'_>) -> bool {
        let mut news = false;
        let unknown = row.entries.iter().filter(|entry| is_unknown(entry));
        for entry in unknown {
            let Some(ret) = entry.wrote.and_then(|wrote| self.seen.get(&wrote).copied()) else {
                continue;
            };
            news |= self.sight(row, &entry.expected, ret);
            if entry.expected == Observed::Absent {
                self.absence(ret);
            }
        }
        news
    }

    /// Adds what was seen of the row; whether any of it is news.
    fn sight(&mut self, row: &Row<'_>, seen: &Observed, ret: u64) -> bool {
        self.hidden |= matches!(seen, Observed::Present { value: None, .. });
        let value = seen.value().unwrap_or_default();
        let first = value.first().and_then(|token| row.writer(*token));
        if first.is_some_and(|first| first.operation.op == Op::Append) {
            self.absence(ret);
        }
        let mut news = false;
        for token in value {
            let seen = self.seen.entry(*token).or_insert(FOREVER);
            news |= ret < *seen;
            *seen = ret.min(*seen);
        }
        news
    }

    fn absence(&mut self, ret: u64) {
        self.absent = self.absent.max(Some(ret));
    }

    fn searched<'r, 'h>(&self, entry: &'r Entry<'h>) -> Option<Searched<'r, 'h>> {
        let (ret, found, optional) = match entry.operation.outcome {
            Outcome::Ok => (entry.ret, Found::of(&entry.before), false),
            Outcome::Fail => return None,
            Outcome::Unknown => {
                let seen = entry.wrote.and_then(|wrote| self.seen.get(&wrote).copied());
                let matters = seen.is_some() || self.hidden || self.may_have_removed(entry);
                if !entry.may_change() || !matters {
                    return None;
                }
                let found = Found::of(&entry.expected);
                (seen.map_or(FOREVER, |ret| ret.max(entry.call)), found, seen.is_none())
            }
        };
        let missed = State::seen(&entry.expected).filter(|_| entry.operation.mismatch);
        let step = Step { found, missed, change: change(entry), optional };
        Some(Searched { entry, ret, step })
    }

    fn may_have_removed(&self, entry: &Entry<'_>) -> bool {
        entry.operation.op == Op::Delete && self.absent.is_some_and(|ret| ret >= entry.call)
    }
}

fn is_unknown(entry: &Entry<'_>) -> bool {
    entry.operation.outcome == Outcome::Unknown
}

fn change(entry: &Entry<'_>) -> Change {
    match (entry.operation.op, entry.wrote) {
        (Op::Put | Op::Cas, Some(token)) if !entry.operation.mismatch => {
            Change::Set(State::of(&[token]))
        }
        (Op::Append, Some(token)) => Change::Append(token),
        (Op::Delete, _) => Change::Set(State::ABSENT),
        _ => Change::None,
    }
}
