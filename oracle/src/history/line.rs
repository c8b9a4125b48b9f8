//! Line: one record of a history, field by field.
//!
//! The format is described for readers outside this crate in `docs/testing.md`;
//! a change here is a new [`FORMAT`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first line, and only that.
    Header(Header),
    /// What a client asked and was answered.
    Op(Operation),
    /// What was broken on purpose.
    Fault(Fault),
    /// What a replica held at the end.
    Digest(Digest),
    /// A process that ended.
    Exit(Exit),
}

/// What made the history and what it had to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The seed of everything random in the run.
    pub seed: u64,
    /// The program that recorded it, with whatever names its version.
    pub made_by: String,
    /// What the run had to reach to count.
    pub plan: Plan,
}

/// What a run had to reach to count. Empty: nothing is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The fewest operations.
    pub ops: u64,
    /// The fewest faults installed, of all kinds together.
    pub faults: u64,
    /// The fewest faults installed, by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Outcomes that must have occurred.
    pub outcomes: BTreeSet<Outcome>,
}

/// What a client asked and was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Names the operation; unique in the history.
    pub id: u64,
    /// The client, which has one operation in flight at a time.
    pub proc: u64,
    /// The request id or idempotency key, if the client chose one.
    pub req: Option<String>,
    /// The node that was asked; the last one, if several were.
    pub node: String,
    /// The part of the run.
    pub phase: Phase,
    /// What was asked.
    pub op: Op,
    /// The row, with its collection if there are several.
    pub key: String,
    /// What `put` and `cas` write and `append` adds.
    pub arg: Option<String>,
    /// What `cas` expects in the row; none: no row.
    pub expected: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether the condition of a `cas` did not hold.
    pub mismatch: bool,
    /// The value in the answer: of the row after the operation, or of the row that a
    /// `delete` removed.
    pub out: Option<String>,
    /// The version in the answer; 0: there was no row.
    pub ver: Option<u64>,
    /// Before the first byte was sent.
    pub call_ns: u64,
    /// After the last byte was read.
    pub ret_ns: Option<u64>,
}

/// The part of a run to which an operation belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// While things broke.
    Run,
    /// A linearizable read after all was healed and no client wrote any more.
    Final,
    /// A read of one replica's own copy, after all replicas had applied the same.
    Replica,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Write a value.
    Put,
    /// Read the row.
    Get,
    /// Remove the row.
    Delete,
    /// Write a value if the row holds what is expected.
    Cas,
    /// Add to the end of the value.
    Append,
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered.
    Ok,
    /// It was certainly not applied and never will be.
    Fail,
    /// It may have been applied, or may yet be.
    Unknown,
}

/// What was broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Such as `kill`.
    pub kind: String,
    /// What it was done to.
    pub target: String,
    /// When it began.
    pub begin_ns: u64,
    /// When it ended; none: it did not, or has no duration.
    pub end_ns: Option<u64>,
    /// Whether it was seen to take effect. One that was not does not count.
    pub installed: bool,
}

/// What a replica held at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// Whose replica.
    pub node: String,
    /// Of which group.
    pub group: u64,
    /// The last log index in it.
    pub applied: u64,
    /// A digest of its rows, the same for the same rows.
    pub digest: String,
}

/// A process that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Which node.
    pub node: String,
    /// When.
    pub at_ns: u64,
    /// How: signal, status, panic.
    pub how: String,
    /// Whether the driver meant it to, or the fault at work allows it.
    pub explained: bool,
}

/// Why a line contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The format is not the one this program knows.
    #[error("format {found}, but this program knows format {FORMAT}")]
    Format {
        /// The one of the file.
        found: u32,
    },
    /// A header that is not the first line.
    #[error("a second header")]
    SecondHeader,
    /// A write without what it writes, or a read or delete with it.
    #[error("`arg` must be there for put, cas and append, and only for them")]
    Arg,
    /// A text to write that is not one token.
    #[error("`arg` must not be empty, and have `;` at most as its last character")]
    Token,
    /// Something that only a `cas` may have.
    #[error("`expected` and `mismatch` are for cas; only an answered one can mismatch")]
    Condition,
    /// An answer without a version, or a version that its kind cannot have.
    #[error("an answer has `ver`, above 0 if the row was written or `out` is not null")]
    Version,
    /// Something other than an answer with a value or version.
    #[error("`out` and `ver` are for outcome ok only")]
    Unanswered,
    /// An end before the beginning, or none.
    #[error("`ret_ns` must be there unless the outcome is unknown, and not before `call_ns`")]
    Time,
    /// Something other than a read in the last phases.
    #[error("phases final and replica are for get only")]
    Phase,
    /// A fault that ended before it began.
    #[error("`end_ns` before `begin_ns`")]
    FaultTime,
}

impl Line {
    /// Checks what must hold of one line by itself.
    ///
    /// # Errors
    ///
    /// If something does not.
    pub fn validate(&self) -> Result<(), Wrong> {
        match self {
            Self::Header(header) => match header.format {
                FORMAT => Ok(()),
                found => Err(Wrong::Format { found }),
            },
            Self::Op(operation) => operation.validate(),
            Self::Fault(fault) => match fault.end_ns {
                Some(end) if end < fault.begin_ns => Err(Wrong::FaultTime),
                _ => Ok(()),
            },
            Self::Digest(_) | Self::Exit(_) => Ok(()),
        }
    }
}

impl Operation {
    /// Whether it took effect on the row, as its client was told.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.outcome == Outcome::Ok && !self.mismatch && self.op != Op::Get
    }

    fn validate(&self) -> Result<(), Wrong> {
        let ok = self.outcome == Outcome::Ok;
        let writes = matches!(self.op, Op::Put | Op::Cas | Op::Append);
        if writes != self.arg.is_some() {
            return Err(Wrong::Arg);
        }
        if self.arg.as_deref().is_some_and(|arg| !is_token(arg)) {
            return Err(Wrong::Token);
        }
        let is_cas = self.op == Op::Cas;
        if (self.expected.is_some() && !is_cas) || (self.mismatch && !(is_cas && ok)) {
            return Err(Wrong::Condition);
        }
        if !ok && (self.out.is_some() || self.ver.is_some()) {
            return Err(Wrong::Unanswered);
        }
        // A delete may leave open which version it removed.
        let has_row = (writes && !self.mismatch) || (self.out.is_some() && self.op != Op::Delete);
        if ok && (self.ver.is_none() || (has_row && self.ver == Some(0))) {
            return Err(Wrong::Version);
        }
        match self.ret_ns {
            None if self.outcome != Outcome::Unknown => return Err(Wrong::Time),
            Some(ret) if ret < self.call_ns => return Err(Wrong::Time),
            _ => {}
        }
        if self.phase != Phase::Run && self.op != Op::Get {
            return Err(Wrong::Phase);
        }
        Ok(())
    }
}

fn is_token(text: &str) -> bool {
    let inner = text.strip_suffix(';').unwrap_or(text);
    !inner.is_empty() && !inner.contains(';')
}
