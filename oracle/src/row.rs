//! Row: all operations on one key, with what each tells about the row.
//!
//! A value is a list of *tokens*: what a `put` or `cas` wrote, then what was appended
//! to it, cut after each `;`. Tokens are written once, so the last token of a value
//! names the write that made it, and any token of a value proves that its write took
//! effect. All checkers work on this form.

mod entry;
mod tokens;

use std::collections::BTreeMap;

pub use self::entry::{Entry, Observed};
pub use self::tokens::{Token, Tokens};
use crate::finding::{Finding, Kind};
use crate::history::{History, Op, Phase};

/// The end of what never ended.
pub const FOREVER: u64 = u64::MAX;

const CHECKER: &str = "row";

/// All operations on one key.
#[derive(Clone, Debug)]
pub struct Row<'h> {
    /// The key.
    pub key: &'h str,
    /// Linearizable operations, in the order of the history.
    pub entries: Vec<Entry<'h>>,
    /// Reads of single replicas.
    pub replica_reads: Vec<Entry<'h>>,
    /// What was written.
    pub tokens: Tokens<'h>,
}

impl<'h> Row<'h> {
    /// Takes a history apart, by key. What makes a row impossible to judge is found.
    pub fn all(history: &'h History, findings: &mut Vec<Finding>) -> Vec<Self> {
        let mut by_key: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for recorded in &history.operations {
            by_key.entry(&recorded.operation.key).or_default().push(recorded);
        }
        let rows = by_key.into_iter().map(|(key, recorded)| {
            let mut row =
                Row { key, entries: vec![], replica_reads: vec![], tokens: Tokens::default() };
            for recorded in &recorded {
                row.write(Entry::new(recorded.line, &recorded.operation), findings);
            }
            let Row { entries, replica_reads, tokens, .. } = &mut row;
            for entry in entries.iter_mut().chain(replica_reads) {
                entry.observe(tokens);
            }
            row
        });
        rows.collect()
    }

    /// The write that made a value.
    #[must_use]
    pub fn maker(&self, value: &[Token]) -> Option<&Entry<'h>> {
        self.writer(*value.last()?)
    }

    /// The operation that writes a token.
    #[must_use]
    pub fn writer(&self, token: Token) -> Option<&Entry<'h>> {
        self.entries.get(self.tokens.writer(token)?)
    }

    /// What was seen of the row by anyone: by linearizable operations and by reads of
    /// replicas.
    pub fn seen(&self) -> impl Iterator<Item = (&Entry<'h>, &[Token])> {
        self.entries.iter().chain(&self.replica_reads).flat_map(|entry| {
            let values = [entry.before.value(), entry.after.value()];
            values.into_iter().flatten().map(move |value| (entry, value))
        })
    }

    /// Adds an operation and the token that it writes.
    fn write(&mut self, mut entry: Entry<'h>, findings: &mut Vec<Finding>) {
        if let Some(text) = entry.operation.arg.as_deref() {
            let (token, first) = self.tokens.written(text, self.entries.len());
            entry.wrote = Some(token);
            let first = first.and_then(|first| self.entries.get(first));
            let unjudged = match first {
                Some(first) => Some(format!("{first} writes the same as {entry}")),
                None if entry.operation.op == Op::Append && !text.ends_with(';') => {
                    Some(format!("{entry} does not end with `;`"))
                }
                None => None,
            };
            findings.extend(unjudged.map(|what| {
                let what = format!("{what}: this history cannot be judged");
                Finding::new(Kind::Violation, CHECKER, what)
            }));
        }
        match entry.operation.phase {
            Phase::Run | Phase::Final => self.entries.push(entry),
            Phase::Replica => self.replica_reads.push(entry),
        }
    }
}
