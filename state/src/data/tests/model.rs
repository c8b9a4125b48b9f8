//! Model: the machine answers as a sorted map in memory does, entry after entry.

use std::collections::BTreeMap;

use api::outcome::Value;
use api::service::{Bounds, Range, Row};
use api::{
    Answer, CollectionId, Command, Condition, ConfigVersion, Content, Epoch, Header, Operation,
    Outcome, Rejection, Verdict,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::harness::{Harness, commands, fingerprint};
use crate::read::ReadRejection;

const SHARDS_USED: u16 = 4;
const BYTES_MAX: u32 = 700;

/// What the tables should add up to.
#[derive(Default)]
struct Model {
    owned: BTreeMap<u16, u64>,
    sequences: BTreeMap<u16, u64>,
    rows: BTreeMap<(u32, Bytes), (u64, Bytes)>,
    fences: BTreeMap<u32, bool>,
    ran: BTreeMap<[u8; 16], (Header, Outcome)>,
}

/// One step of a run.
#[derive(Clone, Debug)]
enum Step {
    Entry(Vec<Work>),
    Assign { epoch: u64, shard: u16 },
    Fence(u32),
    Sweep(u32, u32),
    Reopen,
    Scan { collection: u32, range: Range, limit: usize },
}

/// One command of an entry.
#[derive(Clone, Debug)]
enum Work {
    New(u32, Operation),
    /// An earlier command again, as its router would send it.
    Again(prop::sample::Index),
    /// Another operation under an earlier id.
    Misuse(prop::sample::Index, u32, Operation),
}

fn shard_of(key: &[u8]) -> u16 {
    key.iter().map(|byte| u16::from(*byte)).sum::<u16>() % SHARDS_USED
}

impl Model {
    fn answer(&mut self, command: &Command) -> Answer {
        let Command { header, operation } = command;
        let shard = header.shard.0;
        let Some(_) = self.owned.get(&shard) else {
            return Answer::Rejected(Rejection::NotOwner { epoch: Epoch(0) });
        };
        if let Some((first, outcome)) = self.ran.get(&header.id.0) {
            if first.fingerprint != header.fingerprint {
                return Answer::Rejected(Rejection::IdReused);
            }
            return Answer::Executed { outcome: outcome.clone(), replay: true };
        }
        if self.fences.contains_key(&header.collection.0) {
            return Answer::Rejected(Rejection::Dropping);
        }
        let outcome = self.run(shard, header.collection.0, operation);
        self.ran.insert(header.id.0, (*header, outcome.clone()));
        Answer::Executed { outcome, replay: false }
    }

    fn run(&mut self, shard: u16, collection: u32, operation: &Operation) -> Outcome {
        let place = (collection, operation.key().clone());
        let present = self.rows.get(&place).cloned();
        let version = present.as_ref().map_or(0, |(version, _)| *version);
        let held = present.as_ref().map(|(_, value)| value.clone());
        let bare = |verdict| Outcome::bare(verdict, version);
        let carrying = |verdict| Outcome {
            verdict,
            version,
            value: held.clone().map_or(Value::None, Value::Bytes),
        };
        let met = |condition: &Condition| match condition {
            Condition::Always => true,
            Condition::Absent | Condition::Version(0) => held.is_none(),
            Condition::Version(expected) => version == *expected,
            Condition::Value(expected) => held.as_ref() == Some(expected),
        };
        let mut next = || {
            let sequence = self.sequences.entry(shard).or_default();
            *sequence += 1;
            *sequence
        };
        match operation {
            Operation::Put { condition, .. } | Operation::Delete { condition, .. }
                if !met(condition) =>
            {
                carrying(Verdict::Mismatch)
            }
            Operation::PutValue { value, .. } if held.as_ref() == Some(value) => {
                bare(Verdict::Already)
            }
            Operation::PutValue { .. } if held.is_some() => bare(Verdict::Conflict),
            Operation::Put { value, .. } | Operation::PutValue { value, .. } => {
                let version = next();
                self.rows.insert(place, (version, value.clone()));
                Outcome::bare(Verdict::Done, version)
            }
            Operation::Delete { .. } | Operation::DeleteValue { .. } if held.is_none() => {
                bare(Verdict::NotFound)
            }
            Operation::DeleteValue { value, .. } if held.as_ref() != Some(value) => {
                bare(Verdict::Conflict)
            }
            Operation::Delete { .. } | Operation::DeleteValue { .. } => {
                next();
                self.rows.remove(&place);
                match operation {
                    Operation::Delete { .. } => carrying(Verdict::Done),
                    _ => bare(Verdict::Done),
                }
            }
            Operation::Append { value, bytes_max, .. } => {
                let whole = [held.as_deref().unwrap_or_default(), value].concat();
                if whole.len() > *bytes_max as usize {
                    return bare(Verdict::TooLarge);
                }
                let (version, value) = (next(), Bytes::from(whole));
                self.rows.insert(place, (version, value.clone()));
                Outcome { verdict: Verdict::Done, version, value: Value::Bytes(value) }
            }
        }
    }

    fn rows_of(&self, collection: u32) -> impl Iterator<Item = Row> + '_ {
        let of = self.rows.iter().filter(move |(place, _)| place.0 == collection);
        of.map(|((_, key), (version, value))| Row {
            key: key.clone(),
            value: value.clone(),
            version: *version,
        })
    }

    fn scan(&self, collection: u32, range: &Range) -> Result<Vec<Row>, ReadRejection> {
        if self.fences.contains_key(&collection) {
            return Err(ReadRejection::Dropping);
        }
        let within = |bounds: &Bounds, bytes: &Bytes| {
            bytes >= &bounds.start
                && bounds.end.as_ref().is_none_or(|end| bytes < end)
                && bytes.starts_with(&bounds.prefix)
        };
        let mut rows: Vec<Row> = self.rows_of(collection).collect();
        match range {
            Range::Keys(bounds) => rows.retain(|row| within(bounds, &row.key)),
            Range::Values(bounds) => {
                rows.retain(|row| within(bounds, &row.value));
                rows.sort_by(|a, b| (&a.value, &a.key).cmp(&(&b.value, &b.key)));
            }
            Range::Value(value) => rows.retain(|row| row.value == *value),
        }
        Ok(rows)
    }
}

/// What both are put through.
struct Pair {
    harness: Harness,
    model: Model,
    sent: Vec<Command>,
}

impl Pair {
    fn new() -> Self {
        Self { harness: Harness::new(), model: Model::default(), sent: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Entry(works) => self.entry(works),
            Step::Assign { epoch, shard } => {
                self.harness.assign(*epoch, &[*shard]);
                let known = self.model.owned.entry(*shard).or_default();
                *known = (*known).max(*epoch);
            }
            Step::Fence(collection) => {
                let config = ConfigVersion(1);
                let collection_id = CollectionId(*collection);
                self.harness.apply(&Content::Fence { collection: collection_id, config });
                self.model.fences.entry(*collection).or_insert(false);
            }
            Step::Sweep(collection, rows_max) => self.sweep(*collection, *rows_max),
            Step::Reopen => self.harness.reopen(),
            Step::Scan { collection, range, limit } => self.scan(*collection, range, *limit),
        }
        self.compare();
    }

    fn entry(&mut self, works: &[Work]) {
        let first = self.sent.len();
        for work in works {
            let command = match work {
                Work::New(collection, operation) => {
                    let operation = operation.clone();
                    let shard = shard_of(operation.key());
                    let header = self.harness.header(shard, *collection, &operation);
                    Command { header, operation }
                }
                Work::Again(_) | Work::Misuse(..) if self.sent.is_empty() => continue,
                Work::Again(which) => which.get(&self.sent).clone(),
                Work::Misuse(which, collection, operation) => {
                    let mut header = which.get(&self.sent).header;
                    header.shard = api::ShardId(shard_of(operation.key()));
                    header.collection = CollectionId(*collection);
                    header.fingerprint = fingerprint(*collection, operation);
                    Command { header, operation: operation.clone() }
                }
            };
            self.sent.push(command);
        }
        let entry = &self.sent[first..];
        let expected: Vec<Answer> =
            entry.iter().map(|command| self.model.answer(command)).collect();
        assert_eq!(self.harness.apply(&commands(entry)), expected);
    }

    fn sweep(&mut self, collection: u32, rows_max: u32) {
        let before = self.model.rows_of(collection).count();
        let content = Content::Sweep { collection: CollectionId(collection), rows_max };
        self.harness.apply(&content);
        let Some(swept) = self.model.fences.get_mut(&collection) else { return };
        let left = before.saturating_sub(rows_max as usize);
        *swept = left == 0;
        // Which rows go first is the machine's business, how many is not.
        let counts = self.harness.view().counts(CollectionId(collection)).unwrap();
        assert_eq!(counts.rows, left as u64);
        let places: Vec<_> =
            self.model.rows.keys().filter(|(cid, _)| *cid == collection).cloned().collect();
        let dump = self.harness.dump();
        for place in places {
            let row_key = crate::key::row(
                api::ShardId(shard_of(&place.1)),
                CollectionId(collection),
                &place.1,
            );
            if !dump.iter().any(|(name, key, _)| *name == "rows" && *key == row_key) {
                self.model.rows.remove(&place);
            }
        }
        assert_eq!(self.model.rows_of(collection).count(), left);
    }

    fn scan(&self, collection: u32, range: &Range, limit: usize) {
        match self.model.scan(collection, range) {
            Ok(rows) => assert_eq!(self.harness.scan_all(collection, range, limit), rows),
            Err(rejection) => {
                assert_eq!(self.harness.scan(collection, range, None, limit), Err(rejection));
            }
        }
    }

    fn compare(&self) {
        self.harness.assert_sound();
        let view = self.harness.view();
        let owned: Vec<_> = view.owned_shards().unwrap();
        let expected: Vec<_> = self
            .model
            .owned
            .iter()
            .map(|(shard, epoch)| (api::ShardId(*shard), Epoch(*epoch)))
            .collect();
        assert_eq!(owned, expected);
        let fences = view.fences().unwrap();
        let fences: BTreeMap<_, _> =
            fences.into_iter().map(|(collection, fence)| (collection.0, fence.swept)).collect();
        assert_eq!(fences, self.model.fences);
        for ((collection, key), (version, value)) in &self.model.rows {
            let found = self.harness.get(shard_of(key), *collection, key);
            if self.model.fences.contains_key(collection) {
                assert_eq!(found, Err(ReadRejection::Dropping));
            } else {
                let row = Row { key: key.clone(), value: value.clone(), version: *version };
                assert_eq!(found, Ok(Some(row)));
            }
        }
        let total = self.harness.verify().total;
        assert_eq!(total.rows, self.model.rows.len() as u64);
    }
}

fn key() -> impl Strategy<Value = Bytes> {
    let long = (0..3_u8).prop_map(|last| [&[b'k'; 170][..], &[last]].concat());
    prop_oneof![
        4 => (0..6_u8).prop_map(|byte| vec![b'a' + byte]),
        1 => Just(vec![]),
        1 => proptest::collection::vec(0..2_u8, 0..3),
        1 => long,
    ]
    .prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    let long = proptest::collection::vec(0..3_u8, 0..3)
        .prop_map(|last| [&[b'v'; 160][..], &last].concat());
    let zeros = (158..163_usize).prop_map(|length| vec![0; length]);
    prop_oneof![
        3 => (0..4_u8).prop_map(|byte| vec![b'p' + byte]),
        1 => Just(vec![]),
        2 => long,
        1 => zeros,
    ]
    .prop_map(Bytes::from)
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        3 => Just(Condition::Always),
        1 => Just(Condition::Absent),
        1 => (0..8_u64).prop_map(Condition::Version),
        1 => value().prop_map(Condition::Value),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (key(), value(), condition())
            .prop_map(|(key, value, condition)| Operation::Put { key, value, condition }),
        2 => (key(), value()).prop_map(|(key, value)| Operation::PutValue { key, value }),
        2 => (key(), condition()).prop_map(|(key, condition)| Operation::Delete { key, condition }),
        1 => (key(), value()).prop_map(|(key, value)| Operation::DeleteValue { key, value }),
        2 => (key(), value()).prop_map(|(key, value)| Operation::Append {
            key, value, bytes_max: BYTES_MAX
        }),
    ]
}

fn collection() -> impl Strategy<Value = u32> {
    1..4_u32
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        8 => (collection(), operation())
            .prop_map(|(collection, operation)| Work::New(collection, operation)),
        2 => any::<prop::sample::Index>().prop_map(Work::Again),
        1 => (any::<prop::sample::Index>(), collection(), operation())
            .prop_map(|(which, collection, operation)| Work::Misuse(which, collection, operation)),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let bytes = || prop_oneof![2 => Just(Bytes::new()), 1 => key(), 1 => value()];
    (bytes(), proptest::option::of(bytes()), bytes()).prop_map(|(start, end, prefix)| Bounds {
        start,
        end,
        prefix,
    })
}

fn range() -> impl Strategy<Value = Range> {
    prop_oneof![
        bounds().prop_map(Range::Keys),
        bounds().prop_map(Range::Values),
        Just(Range::Values(Bounds::default())),
        value().prop_map(Range::Value),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => proptest::collection::vec(work(), 1..8).prop_map(Step::Entry),
        2 => (1..4_u64, 0..SHARDS_USED).prop_map(|(epoch, shard)| Step::Assign { epoch, shard }),
        1 => collection().prop_map(Step::Fence),
        2 => (collection(), 0..4_u32).prop_map(|(collection, rows)| Step::Sweep(collection, rows)),
        1 => Just(Step::Reopen),
        5 => (collection(), range(), 1..5_usize)
            .prop_map(|(collection, range, limit)| Step::Scan { collection, range, limit }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_machine_answers_as_the_model_does(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut pair = Pair::new();
        pair.step(&Step::Assign { epoch: 1, shard: 1 });
        pair.step(&Step::Assign { epoch: 1, shard: 2 });
        for step in &steps {
            pair.step(step);
        }
    }
}
