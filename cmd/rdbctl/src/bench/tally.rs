//! Tally: what became of a bench's calls? Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use client::Error;

use crate::bench::latency::Latencies;

/// A call of a bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes a row.
    Put,
    /// Reads one.
    Get,
}

/// What became of all calls.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Of the writes.
    pub puts: Calls,
    /// Of the reads.
    pub gets: Calls,
    /// How often which failure was seen.
    pub failures: BTreeMap<String, u64>,
    /// One of the failures, for its hint.
    pub example: Option<Error>,
}

/// What became of the calls of one kind.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    /// How long those took that did what they should.
    pub ok: Latencies,
    /// How many did not.
    pub failed: u64,
}

impl Tally {
    /// One more call has ended.
    pub fn record(&mut self, operation: Operation, took: Duration, done: Result<(), Error>) {
        let calls = match operation {
            Operation::Put => &mut self.puts,
            Operation::Get => &mut self.gets,
        };
        match done {
            Ok(()) => calls.ok.record(took),
            Err(error) => {
                calls.failed += 1;
                *self.failures.entry(kind(&error)).or_default() += 1;
                self.example.get_or_insert(error);
            }
        }
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: Self) {
        for (calls, more) in [(&mut self.puts, other.puts), (&mut self.gets, other.gets)] {
            calls.ok.merge(&more.ok);
            calls.failed += more.failed;
        }
        for (kind, times) in other.failures {
            *self.failures.entry(kind).or_default() += times;
        }
        self.example = self.example.take().or(other.example);
    }

    /// Calls that did what they should.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.puts.ok.count() + self.gets.ok.count()
    }

    /// Calls that did not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.puts.failed + self.gets.failed
    }
}

/// Failures of one kind are counted together.
fn kind(error: &Error) -> String {
    match error {
        Error::Conflict { .. } => "conflict".to_owned(),
        Error::Rejected { code, .. } => format!("{code} (rejected)"),
        Error::NotApplied { code, .. } => format!("{code} (not applied)"),
        Error::Unknown { code, .. } => format!("{code} (outcome unknown)"),
        Error::Garbled { .. } => "wrong answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_kind_and_not_as_times() {
        let took = Duration::from_millis(1);
        let failed =
            |code: &str| Err(Error::NotApplied { code: code.to_owned(), message: "no".to_owned() });
        let mut one = Tally::default();
        one.record(Operation::Put, took, Ok(()));
        one.record(Operation::Put, took, failed("busy"));
        let mut other = Tally::default();
        other.record(Operation::Get, took, failed("busy"));
        other.record(Operation::Get, took, failed("no_leader"));
        one.merge(other);
        assert_eq!((one.ok(), one.failed()), (1, 3));
        assert_eq!((one.puts.ok.count(), one.puts.failed, one.gets.failed), (1, 1, 2));
        let kinds: Vec<_> = one.failures.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        assert_eq!(kinds, ["busy (not applied) 2", "no_leader (not applied) 1"]);
        assert!(one.example.is_some());
    }
}
