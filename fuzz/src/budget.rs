//! Budget: for how long is a target tried, and from which random seed?
//!
//! `RDB_FUZZ_SECONDS` makes a run long, `RDB_FUZZ_SEED` repeats one.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Random inputs of a plain run: a few milliseconds for most targets.
pub const INPUTS_PLAIN: u64 = 3_000;

/// The seed of a plain run, so that the gate does the same every time.
const SEED_PLAIN: u64 = 1;

/// How many inputs between two looks at the clock.
const STRIDE: u64 = 256;

/// How much of a run is left.
#[derive(Clone, Debug)]
pub struct Budget {
    seconds: Option<u64>,
    start: Instant,
    done: u64,
    /// What all of the run's inputs follow from.
    pub seed: u64,
}

impl Budget {
    /// What the environment asks for.
    ///
    /// # Panics
    ///
    /// If a variable holds no number.
    #[must_use]
    pub fn from_environment() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
        };
        let seconds = number("RDB_FUZZ_SECONDS");
        let fresh = || if seconds.is_some() { RandomState::new().hash_one(0) } else { SEED_PLAIN };
        let seed = number("RDB_FUZZ_SEED").unwrap_or_else(fresh);
        Self { seconds, start: Instant::now(), done: 0, seed }
    }

    /// Whether one more input is to be tried; counts it.
    pub fn take(&mut self) -> bool {
        let more = match self.seconds {
            None => self.done < INPUTS_PLAIN,
            Some(seconds) => {
                !self.done.is_multiple_of(STRIDE) || self.elapsed() < Duration::from_secs(seconds)
            }
        };
        self.done += u64::from(more);
        more
    }

    /// Inputs taken so far.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether somebody waits for a report.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.seconds.is_some()
    }
}
