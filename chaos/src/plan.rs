//! Plan: everything a seed decides before the first process starts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use oracle::{Outcome, Plan as Goal};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::faults::Kind;

/// Nodes of every cluster.
pub const NODES: usize = 5;

/// Operations per second below which a run says too little.
const OPS_PER_SECOND: u64 = 334;

/// What a fault costs besides its own duration: processes that start, leaders that
/// are found. On the careful side, so that a plan fits into its time.
const OVERHEAD: Duration = Duration::from_secs(3);

/// A run that is shorter need not show outcomes besides the ordinary one.
const OUTCOMES_FROM: Duration = Duration::from_secs(60);

/// What a seed decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How long clients write, at least.
    pub run: Duration,
    /// What nodes are told.
    pub settings: Settings,
    /// What clients do.
    pub load: Load,
    /// How many clients.
    pub clients: usize,
    /// What breaks, one after the other.
    pub faults: Vec<Planned>,
}

/// What nodes are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Data groups.
    pub groups: u32,
    /// A group takes a snapshot after this much log.
    pub snapshot_log_bytes: u64,
    /// Entries kept behind a snapshot.
    pub log_keep_entries: u64,
}

/// What is asked of clients.
#[derive(Clone, Debug)]
pub struct Load {
    /// Rows that are written at one time.
    pub keys: usize,
    /// A row is left for a new one after this many requests.
    pub key_requests: u64,
    /// The longest a client waits between requests.
    pub pause: Duration,
    /// The longest a client gives a node.
    pub timeout: Duration,
}

/// A fault in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What breaks.
    pub kind: Kind,
    /// What makes it harder.
    pub beside: Option<Kind>,
    /// How long nothing breaks before.
    pub calm: Duration,
    /// How long it is at work.
    pub hold: Duration,
    /// Decides whom it hits, and how.
    pub seed: u64,
}

impl Plan {
    /// What `seed` decides for a run of some length, of the faults in `kinds`.
    #[must_use]
    pub fn new(seed: u64, run: Duration, kinds: &[Kind]) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let ms = Duration::from_millis;
        let settings = Settings {
            groups: dice.random_range(2..=4),
            snapshot_log_bytes: 1 << dice.random_range(17..=22),
            log_keep_entries: dice.random_range(0..=1_000),
        };
        let load = Load {
            keys: dice.random_range(12..=24),
            key_requests: dice.random_range(300..=1_000),
            pause: ms(dice.random_range(2..=20)),
            timeout: ms(dice.random_range(1_000..=6_000)),
        };
        let clients = dice.random_range(24..=48);
        let faults = faults(&mut dice, run, kinds);
        Self { seed, run, settings, load, clients, faults }
    }

    /// What a run must reach to count: every fault, and operations meanwhile.
    #[must_use]
    pub fn goal(&self) -> Goal {
        let mut kinds = BTreeMap::new();
        for planned in &self.faults {
            *kinds.entry(planned.kind.name().to_owned()).or_default() += 1;
        }
        let outcomes = match self.run >= OUTCOMES_FROM {
            true => BTreeSet::from([Outcome::Ok, Outcome::Fail, Outcome::Unknown]),
            false => BTreeSet::from([Outcome::Ok]),
        };
        let faults = self.faults.len() as u64;
        Goal { ops: self.run.as_secs() * OPS_PER_SECOND, faults, kinds, outcomes }
    }
}

/// Every kind once in an order of its own, then again, as long as there is time.
fn faults(dice: &mut SmallRng, run: Duration, kinds: &[Kind]) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut left = run;
    let mut deck = Vec::new();
    let companions: Vec<_> = kinds.iter().copied().filter(|kind| kind.is_companion()).collect();
    while !kinds.is_empty() {
        if deck.is_empty() {
            deck = kinds.to_vec();
            deck.shuffle(dice);
        }
        let ms = |dice: &mut SmallRng, from, to| Duration::from_millis(dice.random_range(from..to));
        let (calm, hold) = (ms(dice, 500, 3_000), ms(dice, 1_500, 5_000));
        let Some(rest) = left.checked_sub(calm + hold + OVERHEAD) else { break };
        left = rest;
        let Some(kind) = deck.pop() else { break };
        let beside = match dice.random_range(0..3) {
            0 => companions.choose(dice).copied().filter(|beside| *beside != kind),
            _ => None,
        };
        planned.push(Planned { kind, beside, calm, hold, seed: dice.random() });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64, seconds: u64) -> Plan {
        let kinds: Vec<_> = Kind::ALL.iter().map(|(kind, ..)| *kind).collect();
        Plan::new(seed, Duration::from_secs(seconds), &kinds)
    }

    #[test]
    fn a_seed_decides_the_same_twice_and_another_something_else() {
        assert_eq!(plan(7, 60).faults, plan(7, 60).faults);
        assert_ne!(plan(7, 60).faults, plan(8, 60).faults);
    }

    #[test]
    fn five_minutes_are_twenty_faults_of_ten_kinds_and_a_hundred_thousand_operations() {
        for seed in 0..200 {
            let goal = plan(seed, 300).goal();
            assert!(goal.faults >= 20 && goal.kinds.len() >= 10, "{seed}: {goal:?}");
            assert!(goal.ops >= 100_000);
        }
    }

    #[test]
    fn every_kind_comes_before_any_comes_again() {
        let planned = plan(3, 3_600).faults;
        let first: BTreeSet<_> =
            planned.iter().take(Kind::ALL.len()).map(|planned| planned.kind).collect();
        assert_eq!(first.len(), Kind::ALL.len());
    }
}
