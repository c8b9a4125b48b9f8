//! Atomic: legal histories, made by letting each operation happen at one moment.

use std::collections::BTreeMap;

use oracle::{Op, Operation, Outcome, Phase};

use crate::script::{get_none, put};

/// What a history is made of. Chances are in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) ops: u64,
    pub(crate) keys: u64,
    pub(crate) procs: u64,
    pub(crate) readers: u64,
    pub(crate) deletes: u64,
    pub(crate) unknown: u64,
    pub(crate) failed: u64,
    /// Answers that do not show the value.
    pub(crate) hidden: u64,
    /// Reads of each row at the end.
    pub(crate) nodes: u64,
}

/// Random numbers from a seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }

    /// One of these, of which there is one.
    pub(crate) fn pick<T, I: ExactSizeIterator<Item = T>>(&mut self, mut of: I) -> T {
        let place = self.below(of.len() as u64);
        let place = usize::try_from(place).expect("a place in memory");
        of.nth(place).expect("the place is among them")
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

type Row = Option<(String, u64)>;

#[derive(Default)]
struct Shard {
    rows: BTreeMap<String, Row>,
    sequence: u64,
}

/// A legal history.
pub(crate) fn history(seed: u64, shape: &Shape) -> Vec<Operation> {
    let mut dice = Dice(seed);
    let mut clocks: BTreeMap<u64, u64> = BTreeMap::new();
    let mut planned: Vec<(u64, bool, Operation)> = Vec::new();
    for number in 0..shape.ops {
        let proc = dice.below(shape.procs);
        let clock = clocks.entry(proc).or_default();
        let call = *clock + 1 + dice.below(20);
        let mut at = call + dice.below(30);
        let ret = at + dice.below(30);
        *clock = ret;
        let mut operation = plan(&mut dice, shape, number);
        (operation.proc, operation.call_ns, operation.ret_ns) = (proc, call, Some(ret));
        let mut happens = true;
        if dice.chance(shape.unknown) {
            operation.outcome = Outcome::Unknown;
            operation.ret_ns = None;
            at = call + dice.below(400);
            happens = dice.chance(60);
        } else if dice.chance(shape.failed) {
            operation.outcome = Outcome::Fail;
            happens = false;
        }
        planned.push((at, happens, operation));
    }
    planned.sort_by_key(|(at, ..)| *at);
    let mut shard = Shard::default();
    let mut end = 0;
    let mut operations = Vec::new();
    for (at, happens, mut operation) in planned {
        shard.run(&mut dice, shape, happens, &mut operation);
        end = end.max(at).max(operation.ret_ns.unwrap_or(0));
        operations.push(operation);
    }
    operations.extend(shard.read_back(shape, end));
    operations
}

fn plan(dice: &mut Dice, shape: &Shape, number: u64) -> Operation {
    let op = match dice.below(100) {
        below if below < shape.readers => Op::Get,
        below if below < shape.readers + shape.deletes => Op::Delete,
        _ => dice.pick([Op::Put, Op::Cas, Op::Append].into_iter()),
    };
    let arg = !matches!(op, Op::Get | Op::Delete);
    Operation {
        op,
        key: format!("k{}", dice.below(shape.keys)),
        arg: arg.then(|| format!("w{number};")),
        ver: None,
        ..put("", 0, 0..0)
    }
}

impl Shard {
    /// Runs an operation at this moment, and answers it.
    fn run(&mut self, dice: &mut Dice, shape: &Shape, happens: bool, operation: &mut Operation) {
        let row = self.rows.entry(operation.key.clone()).or_default();
        let before = row.clone();
        if operation.op == Op::Cas {
            // Some expect what is there, some what is not.
            let present = before.as_ref().map(|(value, _)| value.clone());
            operation.expected = present.filter(|_| dice.chance(70));
        }
        let held = before.as_ref().map(|(value, _)| value.clone()) == operation.expected;
        let mismatch = operation.op == Op::Cas && !held;
        let changes = operation.op != Op::Get && !mismatch;
        if happens && changes && (operation.op != Op::Delete || before.is_some()) {
            self.sequence += 1 + dice.below(3);
            let old = before.clone().map(|(value, _)| value).unwrap_or_default();
            let new = operation.arg.clone().map(|arg| match operation.op {
                Op::Append => old + &arg,
                _ => arg,
            });
            *row = new.map(|new| (new, self.sequence));
        }
        if operation.outcome == Outcome::Ok {
            operation.mismatch = mismatch;
            let shown = if operation.op == Op::Delete { before } else { row.clone() };
            operation.ver = Some(shown.as_ref().map_or(0, |(_, version)| *version));
            let value = shown.map(|(value, _)| value);
            operation.out = value.filter(|_| !dice.chance(shape.hidden));
        }
    }

    fn read_back(self, shape: &Shape, end: u64) -> Vec<Operation> {
        let reads = self.rows.into_iter().flat_map(|(key, row)| {
            (0..shape.nodes).map(move |node| {
                let (out, ver) = row.clone().unzip();
                let (key, ver) = (key.clone(), Some(ver.unwrap_or(0)));
                let node = format!("n{node}");
                let read = get_none(end + 1..end + 2);
                Operation { key, node, out, ver, phase: Phase::Final, ..read }
            })
        });
        reads.collect()
    }
}

/// Has one answer show what another one showed, or nothing. `None` if no answer shows
/// anything.
pub(crate) fn mutate(dice: &mut Dice, operations: &mut [Operation]) -> Option<()> {
    let shown = |o: &Operation| (o.out.clone(), o.ver.unwrap_or(0));
    let answers = operations.iter().filter(|o| o.outcome == Outcome::Ok && o.op != Op::Append);
    let mut seen: Vec<_> =
        answers.filter(|o| o.op != Op::Put || o.out.is_some()).map(shown).collect();
    seen.push((None, 0));
    let reads = |o: &Operation| matches!(o.op, Op::Get | Op::Delete) || o.mismatch;
    let reads: Vec<_> =
        operations.iter_mut().filter(|o| reads(o) && o.outcome == Outcome::Ok).collect();
    if reads.is_empty() {
        return None;
    }
    let (out, version) = dice.pick(seen.into_iter());
    let read = dice.pick(reads.into_iter());
    (read.out, read.ver) = (out, Some(version));
    Some(())
}
