//! Script: small histories, written by hand.

use std::ops::Range;

use oracle::row::Row;
use oracle::wgl;
use oracle::{Finding, Header, History, Kind, Limits, Line, Op, Operation, Outcome, Phase, Plan};

pub(crate) const KEY: &str = "k";

pub(crate) fn header() -> Header {
    Header { format: 1, seed: 7, made_by: "test".to_owned(), plan: Plan::default() }
}

/// A history of these operations, which get their names from their places.
pub(crate) fn history(operations: &[Operation]) -> History {
    let mut history = History::new(header());
    for (id, operation) in (1..).zip(operations) {
        let operation = Operation { id, ..operation.clone() };
        history.push(Line::Op(operation.clone())).unwrap_or_else(|e| panic!("{e}: {operation:?}"));
    }
    history
}

/// What a checker of rows finds.
pub(crate) fn found(
    operations: &[Operation],
    check: impl Fn(&Row<'_>, &mut Vec<Finding>),
) -> Vec<Finding> {
    let history = history(operations);
    let mut findings = Vec::new();
    for row in Row::all(&history, &mut findings) {
        check(&row, &mut findings);
    }
    findings
}

/// What the search finds, with the usual limits.
pub(crate) fn wgl(operations: &[Operation]) -> Vec<Finding> {
    found(operations, |row, findings| wgl::check(row, None, &Limits::default(), findings))
}

pub(crate) fn kinds(findings: &[Finding]) -> Vec<Kind> {
    findings.iter().map(|finding| finding.kind).collect()
}

fn operation(op: Op, time: Range<u64>) -> Operation {
    Operation {
        id: 0,
        proc: 0,
        req: None,
        node: "n1".to_owned(),
        phase: Phase::Run,
        op,
        key: KEY.to_owned(),
        arg: None,
        expected: None,
        outcome: Outcome::Ok,
        mismatch: false,
        out: None,
        ver: Some(0),
        call_ns: time.start,
        ret_ns: Some(time.end),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn put(arg: &str, ver: u64, time: Range<u64>) -> Operation {
    Operation { arg: text(arg), ver: Some(ver), ..operation(Op::Put, time) }
}

pub(crate) fn get(out: &str, ver: u64, time: Range<u64>) -> Operation {
    Operation { out: text(out), ver: Some(ver), ..operation(Op::Get, time) }
}

pub(crate) fn get_none(time: Range<u64>) -> Operation {
    operation(Op::Get, time)
}

pub(crate) fn delete(removed: &str, ver: u64, time: Range<u64>) -> Operation {
    Operation { out: text(removed), ver: Some(ver), ..operation(Op::Delete, time) }
}

pub(crate) fn delete_none(time: Range<u64>) -> Operation {
    operation(Op::Delete, time)
}

pub(crate) fn cas(expected: Option<&str>, arg: &str, ver: u64, time: Range<u64>) -> Operation {
    let expected = expected.map(str::to_owned);
    Operation { expected, arg: text(arg), ver: Some(ver), ..operation(Op::Cas, time) }
}

/// A `cas` that expected no row and found this one.
pub(crate) fn mismatch(arg: &str, out: &str, ver: u64, time: Range<u64>) -> Operation {
    Operation { mismatch: true, out: text(out), ..cas(None, arg, ver, time) }
}

pub(crate) fn append(arg: &str, out: &str, ver: u64, time: Range<u64>) -> Operation {
    Operation { arg: text(arg), out: text(out), ver: Some(ver), ..operation(Op::Append, time) }
}

/// The same, but nobody knows what came of it.
pub(crate) fn unknown(operation: Operation) -> Operation {
    Operation { outcome: Outcome::Unknown, out: None, ver: None, ret_ns: None, ..operation }
}

/// The same, but it was refused.
pub(crate) fn failed(operation: Operation) -> Operation {
    Operation { outcome: Outcome::Fail, out: None, ver: None, ..operation }
}

/// The same, at the end of the run.
pub(crate) fn last(operation: Operation) -> Operation {
    Operation { phase: Phase::Final, ..operation }
}

/// The same, of one replica.
pub(crate) fn replica(node: &str, operation: Operation) -> Operation {
    Operation { phase: Phase::Replica, node: node.to_owned(), ..operation }
}
