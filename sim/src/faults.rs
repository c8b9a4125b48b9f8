//! Faults: what breaks, when, and for how long.
//!
//! Three lanes, each with one fault after the other: one for the links and two for
//! the nodes. A node has one fault at a time, so that each ends as it was planned and
//! what a plan promises is what a run must reach.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use wal::store::Failure;

/// How often a fault is thrown again whose nodes have another one.
const THROWS_MAX: usize = 20;

/// How long a node is left alone after a fault: it starts again meanwhile.
pub const REST: Duration = Duration::from_secs(1);

/// A fault, at work for a while.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// These nodes die and come back at its end.
    Kill(Vec<usize>),
    /// These nodes lose their power and come back at its end.
    PowerLoss(Vec<usize>),
    /// This node stops as if told to, and comes back at the end.
    Stop(usize),
    /// Nothing passes between the two sides. Whoever is in neither hears both.
    Partition(Vec<usize>, Vec<usize>),
    /// Nothing passes from the first to the others; the other way it does.
    OneWay(usize, Vec<usize>),
    /// What is sent between the first and the others waits until its end.
    Hold(usize, Vec<usize>),
    /// Nothing passes between the node and any client.
    CutOff(usize),
    /// Connections break this often, by message.
    Loss(f64),
    /// Messages take up to this long.
    Delay(Duration),
    /// The node's log takes this long to sync.
    SlowDisk(usize, Duration),
    /// The node starts again, and this batch of its log fails.
    BrokenLog(usize, u64, Failure),
    /// The node starts again, and this write of its states fails.
    BrokenState(usize, u64, Failure),
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

/// What faults are called in histories.
pub const KINDS: [&str; 17] = [
    "kill",
    "kill-all",
    "power-loss",
    "power-loss-all",
    "stop",
    "partition",
    "bridge",
    "one-way",
    "hold",
    "cut-off",
    "loss",
    "delay",
    "slow-disk",
    "broken-log",
    "broken-state",
    "full-disk",
    "clock",
];

impl Fault {
    /// What it is called in histories.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(nodes) if nodes.len() > 2 => "kill-all",
            Self::Kill(_) => "kill",
            Self::PowerLoss(nodes) if nodes.len() > 2 => "power-loss-all",
            Self::PowerLoss(_) => "power-loss",
            Self::Stop(_) => "stop",
            Self::Partition(one, other) if one.len() == other.len() => "bridge",
            Self::Partition(..) => "partition",
            Self::OneWay(..) => "one-way",
            Self::Hold(..) => "hold",
            Self::CutOff(_) => "cut-off",
            Self::Loss(_) => "loss",
            Self::Delay(_) => "delay",
            Self::SlowDisk(..) => "slow-disk",
            Self::BrokenLog(..) => "broken-log",
            Self::BrokenState(..) => "broken-state",
            Self::FullDisk(_) => "full-disk",
            Self::Clock(..) => "clock",
        }
    }

    /// Whether it takes effect whatever the node does: a write that is to fail may
    /// not come.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::BrokenLog(..) | Self::BrokenState(..))
    }

    /// The nodes that have no other fault meanwhile.
    fn nodes(&self) -> &[usize] {
        match self {
            Self::Kill(nodes) | Self::PowerLoss(nodes) => nodes,
            Self::Stop(node)
            | Self::SlowDisk(node, _)
            | Self::BrokenLog(node, ..)
            | Self::BrokenState(node, ..)
            | Self::FullDisk(node)
            | Self::Clock(node, _) => std::slice::from_ref(node),
            Self::Partition(..)
            | Self::OneWay(..)
            | Self::Hold(..)
            | Self::CutOff(_)
            | Self::Loss(_)
            | Self::Delay(_) => &[],
        }
    }
}

/// Faults within `span`, chosen by `dice`, in the order of their beginnings.
#[must_use]
pub fn plan(dice: &mut SmallRng, nodes: usize, span: Range<Duration>) -> Vec<Planned> {
    let third = (span.end.saturating_sub(span.start)) / 3;
    let later = span.start + third..span.end;
    let mut planned = Vec::new();
    lane(dice, span.clone(), &mut planned, |dice| of_links(dice, nodes));
    lane(dice, span, &mut planned, |dice| of_nodes(dice, nodes));
    lane(dice, later, &mut planned, |dice| of_nodes(dice, nodes));
    planned.sort_by_key(|fault| fault.begin);
    planned
}

fn lane(
    dice: &mut SmallRng,
    span: Range<Duration>,
    planned: &mut Vec<Planned>,
    choose: impl Fn(&mut SmallRng) -> Fault,
) {
    let mut cursor = span.start;
    loop {
        let begin = cursor + between(dice, 200, 2_000);
        let end = begin + between(dice, 300, 3_000);
        if end >= span.end {
            return;
        }
        let mut thrown = (0..THROWS_MAX).map(|_| choose(dice));
        if let Some(fault) = thrown.find(|fault| are_free(fault.nodes(), begin..end, planned)) {
            planned.push(Planned { fault, begin, end });
        }
        cursor = end;
    }
}

fn are_free(nodes: &[usize], span: Range<Duration>, planned: &[Planned]) -> bool {
    let meets = |other: &&Planned| other.begin < span.end + REST && span.start < other.end + REST;
    let mut others = planned.iter().filter(meets).flat_map(|other| other.fault.nodes());
    !others.any(|node| nodes.contains(node))
}

fn between(dice: &mut SmallRng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(dice.random_range(from_ms..to_ms))
}

fn shuffled(dice: &mut SmallRng, nodes: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(dice);
    order
}

fn of_links(dice: &mut SmallRng, nodes: usize) -> Fault {
    let mut some = shuffled(dice, nodes);
    let few = dice.random_range(1..=2);
    let mut rest = some.split_off(few);
    let one = some.first().copied().unwrap_or_default();
    match dice.random_range(0..100) {
        0..35 => Fault::Partition(some, rest),
        35..47 => {
            rest.truncate(few);
            Fault::Partition(some, rest)
        }
        47..62 => {
            rest.truncate(dice.random_range(1..nodes));
            Fault::OneWay(one, rest)
        }
        62..77 => {
            rest.truncate(dice.random_range(1..nodes));
            Fault::Hold(one, rest)
        }
        77..83 => Fault::CutOff(one),
        83..90 => Fault::Loss(*[0.001, 0.01, 0.05].choose(dice).unwrap_or(&0.01)),
        _ => Fault::Delay(between(dice, 20, 300)),
    }
}

fn of_nodes(dice: &mut SmallRng, nodes: usize) -> Fault {
    let order = shuffled(dice, nodes);
    let one = order.first().copied().unwrap_or_default();
    let few = order.iter().copied().take(dice.random_range(1..=2)).collect();
    let failure = if dice.random() { Failure::Lost } else { Failure::Kept };
    match dice.random_range(0..100) {
        0..22 => Fault::Kill(few),
        22..27 => Fault::Kill(order),
        27..40 => Fault::PowerLoss(few),
        40..45 => Fault::PowerLoss(order),
        45..53 => Fault::Stop(one),
        53..65 => Fault::SlowDisk(one, between(dice, 50, 1_500)),
        65..75 => Fault::BrokenLog(one, dice.random_range(1..100), failure),
        75..85 => Fault::BrokenState(one, dice.random_range(1..100), failure),
        85..92 => Fault::FullDisk(one),
        _ => Fault::Clock(one, dice.random_range(-7_200_000..7_200_000)),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_node_has_one_fault_at_a_time() {
        for seed in 0..200 {
            let mut dice = SmallRng::seed_from_u64(seed);
            let mut planned = plan(&mut dice, 5, Duration::ZERO..Duration::from_secs(60));
            assert!(planned.len() > 20, "{} faults", planned.len());
            while let Some(last) = planned.pop() {
                let free = are_free(last.fault.nodes(), last.begin..last.end, &planned);
                assert!(free, "{last:?} meets another");
            }
        }
    }
}
