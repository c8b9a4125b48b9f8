//! Faults: what breaks, when, and for how long.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use wal::store::Failure;

/// A fault, at work for a while.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// These nodes die and come back at its end.
    Kill(Vec<usize>),
    /// These nodes lose their power and come back at its end.
    PowerLoss(Vec<usize>),
    /// Nothing passes between the two sides.
    Partition(Vec<usize>, Vec<usize>),
    /// Nothing passes from the first to the others; the other way it does.
    OneWay(usize, Vec<usize>),
    /// What is sent between the two waits until its end.
    Hold(usize, usize),
    /// Connections between nodes break this often, by message.
    Loss(f64),
    /// Messages between nodes take up to this long.
    Delay(Duration),
    /// The node's log takes this long to sync.
    SlowDisk(usize, Duration),
    /// The node's log breaks at this batch after the node's next start; it is
    /// started now.
    BrokenDisk(usize, u64, Failure),
    /// The node's disk has no room for writes.
    FullDisk(usize),
    /// The node's wall clock jumps, by milliseconds.
    Clock(usize, i64),
}

/// A fault and when it is at work, from the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What breaks.
    pub fault: Fault,
    /// From when.
    pub begin: Duration,
    /// Until when.
    pub end: Duration,
}

impl Fault {
    /// What it is called in histories.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(nodes) if nodes.len() > 2 => "kill-all",
            Self::Kill(_) => "kill",
            Self::PowerLoss(nodes) if nodes.len() > 2 => "power-loss-all",
            Self::PowerLoss(_) => "power-loss",
            Self::Partition(..) => "partition",
            Self::OneWay(..) => "one-way",
            Self::Hold(..) => "hold",
            Self::Loss(_) => "loss",
            Self::Delay(_) => "delay",
            Self::SlowDisk(..) => "slow-disk",
            Self::BrokenDisk(..) => "broken-disk",
            Self::FullDisk(_) => "full-disk",
            Self::Clock(..) => "clock",
        }
    }
}

/// Faults from `begin` to `end`, one or two at a time, chosen by `dice`.
#[must_use]
pub fn plan(dice: &mut SmallRng, nodes: usize, begin: Duration, end: Duration) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut cursors = [begin, begin + (end - begin) / 3];
    for cursor in &mut cursors {
        loop {
            let from = *cursor + between(dice, 200, 2_000);
            let to = from + between(dice, 300, 3_000);
            if to >= end {
                break;
            }
            planned.push(Planned { fault: choose(dice, nodes), begin: from, end: to });
            *cursor = to;
        }
    }
    planned.sort_by_key(|fault| fault.begin);
    planned
}

fn between(dice: &mut SmallRng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(dice.random_range(from_ms..to_ms))
}

fn choose(dice: &mut SmallRng, nodes: usize) -> Fault {
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(dice);
    let some = |count: usize| order.iter().copied().take(count).collect::<Vec<_>>();
    let rest = |count: usize| order.iter().copied().skip(count).collect::<Vec<_>>();
    let few = dice.random_range(1..=2);
    let one = order.first().copied().unwrap_or_default();
    let other = order.get(1).copied().unwrap_or_default();
    match dice.random_range(0..100) {
        0..16 => Fault::Kill(some(few)),
        16..19 => Fault::Kill(some(nodes)),
        19..29 => Fault::PowerLoss(some(few)),
        29..32 => Fault::PowerLoss(some(nodes)),
        32..46 => Fault::Partition(some(few), rest(few)),
        46..50 => Fault::Partition(some(1), rest(1)),
        50..58 => Fault::OneWay(one, rest(dice.random_range(1..nodes))),
        58..66 => Fault::Hold(one, other),
        66..70 => Fault::Loss(*[0.001, 0.01, 0.05].choose(dice).unwrap_or(&0.01)),
        70..76 => Fault::Delay(between(dice, 20, 300)),
        76..84 => Fault::SlowDisk(one, between(dice, 50, 1_500)),
        84..90 => {
            let failure = if dice.random() { Failure::Lost } else { Failure::Kept };
            Fault::BrokenDisk(one, dice.random_range(1..200), failure)
        }
        90..94 => Fault::FullDisk(one),
        _ => Fault::Clock(one, dice.random_range(-7_200_000..7_200_000)),
    }
}
