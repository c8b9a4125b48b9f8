//! Trace: did two runs of one seed do the same?
//!
//! All that happened, in its order and with its times: what clients saw, what broke,
//! and what became of each node. Two runs of a seed have the same trace, to the letter.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3Default;

/// What happened so far.
#[derive(Default)]
pub struct Trace(Mutex<Vec<String>>);

impl Trace {
    /// Takes down what happened.
    pub fn add(&self, what: impl fmt::Display) {
        self.0.lock().push(what.to_string());
    }

    /// Takes down what became of a node.
    pub fn add_event(&self, at: Duration, node: &str, what: impl fmt::Display) {
        self.add(format_args!("{at:?} {node} {what}"));
    }

    /// All of it, in its order.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// What tells a trace from any other.
#[must_use]
pub fn digest(trace: &[String]) -> u64 {
    let mut hash = Xxh3Default::new();
    for line in trace {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    hash.digest()
}
