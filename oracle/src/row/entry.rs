//! Entry: one operation and what it tells about its row.

use std::fmt;

use super::{FOREVER, Token, Tokens};
use crate::history::{Op, Operation, Outcome};

/// One operation on a row.
#[derive(Clone, Debug)]
pub struct Entry<'h> {
    /// Where it stands in the history.
    pub line: usize,
    /// The operation.
    pub operation: &'h Operation,
    /// When it was called.
    pub call: u64,
    /// Until when it took effect, if it did; [`FOREVER`] if its outcome is unknown.
    pub ret: u64,
    /// What it writes, if it takes effect.
    pub wrote: Option<Token>,
    /// What a `cas` expects of the row.
    pub expected: Observed,
    /// What its answer tells about the row just before it.
    pub before: Observed,
    /// What its answer tells about the row just after it; for reads, that is `before`.
    pub after: Observed,
}

/// What is known about a row at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Nothing.
    Nothing,
    /// There is no row.
    Absent,
    /// There is a row.
    Present {
        /// Its version, if known.
        version: Option<u64>,
        /// Its value, if shown.
        value: Option<Vec<Token>>,
    },
}

impl Observed {
    /// The value, if there is one and it is shown.
    #[must_use]
    pub fn value(&self) -> Option<&[Token]> {
        match self {
            Self::Present { value, .. } => value.as_deref(),
            Self::Nothing | Self::Absent => None,
        }
    }

    /// The version, if there is one and it is known.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match self {
            Self::Present { version, .. } => *version,
            Self::Nothing | Self::Absent => None,
        }
    }

    fn holds(value: Vec<Token>) -> Self {
        Self::Present { version: None, value: Some(value) }
    }
}

impl<'h> Entry<'h> {
    /// An entry that tells nothing yet.
    pub(super) fn new(line: usize, operation: &'h Operation) -> Self {
        let ret = match (operation.outcome, operation.ret_ns) {
            (Outcome::Ok | Outcome::Fail, Some(ret)) => ret,
            _ => FOREVER,
        };
        let [expected, before, after] = [const { Observed::Nothing }; 3];
        Self { line, operation, call: operation.call_ns, ret, wrote: None, expected, before, after }
    }

    /// Reads the answer.
    pub(super) fn observe(&mut self, tokens: &mut Tokens<'h>) {
        let operation = self.operation;
        if operation.op == Op::Cas {
            self.expected = match operation.expected.as_deref() {
                None => Observed::Absent,
                Some(value) => Observed::holds(tokens.cut(value)),
            };
        }
        if operation.outcome != Outcome::Ok {
            return;
        }
        let shown = answered(operation, tokens);
        match operation.op {
            Op::Get => self.before = shown,
            Op::Cas if operation.mismatch => self.before = shown,
            Op::Put => self.after = self.written(shown),
            Op::Cas => {
                self.before = self.expected.clone();
                self.after = self.written(shown);
            }
            Op::Append => {
                self.before = match shown.value().and_then(<[Token]>::split_last) {
                    Some((_, [])) => Observed::Absent,
                    Some((_, base)) => Observed::holds(base.to_vec()),
                    None => Observed::Nothing,
                };
                self.after = shown;
            }
            Op::Delete => {
                self.before = shown;
                self.after = Observed::Absent;
            }
        }
    }

    /// Whether it changed the row, as far as its client was told.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.operation.acknowledged()
    }

    /// Whether it changed the row or may have.
    #[must_use]
    pub fn may_change(&self) -> bool {
        let unknown = self.operation.outcome == Outcome::Unknown;
        self.acknowledged() || (unknown && self.operation.op != Op::Get)
    }

    // Answers of put and cas need not repeat what was written.
    fn written(&self, shown: Observed) -> Observed {
        match shown {
            Observed::Present { version, value: None } => {
                Observed::Present { version, value: self.wrote.map(|token| vec![token]) }
            }
            shown => shown,
        }
    }
}

fn answered<'h>(operation: &'h Operation, tokens: &mut Tokens<'h>) -> Observed {
    let value = operation.out.as_deref().map(|value| tokens.cut(value));
    match (operation.ver, value) {
        (None | Some(0), None) => Observed::Absent,
        // A delete that does not tell which version it removed.
        (None | Some(0), value) => Observed::Present { version: None, value },
        (version, value) => Observed::Present { version, value },
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { id, op, outcome, key, ver, .. } = self.operation;
        let op = format!("{op:?} {outcome:?}").to_lowercase();
        write!(f, "[line {} id {id}: {op} {key:?}", self.line)?;
        for (name, text) in [("arg", &self.operation.arg), ("out", &self.operation.out)] {
            if let Some(text) = text {
                write!(f, " {name} {}", Brief(text))?;
            }
        }
        if let Some(ver) = ver {
            write!(f, " ver {ver}")?;
        }
        match self.ret {
            FOREVER => write!(f, " at {}..]", self.call),
            ret => write!(f, " at {}..{ret}]", self.call),
        }
    }
}

/// A value, of which a person needs the end only.
struct Brief<'a>(&'a str);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        let length = self.0.chars().count();
        let end: String = self.0.chars().skip(length.saturating_sub(SHOWN)).collect();
        let cut = if length > SHOWN { "..." } else { "" };
        write!(f, "\"{cut}{}\"", end.escape_debug())
    }
}
