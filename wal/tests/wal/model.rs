//! Model: whatever happens, a log is one of the states it went through, and
//! not one from before what it reported durable.
//!
//! Random operations run against a log and against a map. A crash may lose
//! what was not reported durable, a failing store may keep or lose the batch
//! it failed; everything else must agree at every step.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use proptest::prelude::*;
use wal::Options;
use wal::inspect::Inspector;
use wal::store::Failure;

use crate::binding::{LogId, entry, log_id, text, vote};
use crate::harness::{Disk, Node, Told, callback, now, options, run};

const GID: u32 = 5;

#[derive(Clone, Debug)]
enum Step {
    Append { entries: u64, bytes: usize, new_term: bool },
    Vote,
    Truncate { back: u64 },
    Purge { ahead: u64 },
    Commit { back: u64 },
    Turn,
    Sync,
    Read { start: u64, length: u64 },
    Reopen,
    Crash { fail: Option<(u64, Failure)> },
}

fn step() -> impl Strategy<Value = Step> {
    let failure = prop_oneof![Just(Failure::Lost), Just(Failure::Kept)];
    prop_oneof![
        8 => (1..5_u64, 0..200_usize, any::<bool>())
            .prop_map(|(entries, bytes, new_term)| Step::Append { entries, bytes, new_term }),
        2 => Just(Step::Vote),
        3 => (0..6_u64).prop_map(|back| Step::Truncate { back }),
        3 => (0..8_u64).prop_map(|ahead| Step::Purge { ahead }),
        2 => (0..4_u64).prop_map(|back| Step::Commit { back }),
        6 => Just(Step::Turn),
        2 => Just(Step::Sync),
        4 => (0..40_u64, 0..20_u64).prop_map(|(start, length)| Step::Read { start, length }),
        1 => Just(Step::Reopen),
        2 => proptest::option::of((1..6_u64, failure)).prop_map(|fail| Step::Crash { fail }),
    ]
}

/// `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_log_in_memory_agrees_with_a_map(steps in prop::collection::vec(step(), 1..60)) {
        Play::new(Disk::memory()).play(&steps);
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn a_log_on_lmdb_agrees_with_a_map(steps in prop::collection::vec(step(), 1..40)) {
        Play::new(Disk::lmdb()).play(&steps);
    }
}

/// All that must survive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Map {
    entries: BTreeMap<u64, (u64, String)>,
    purged: Option<LogId>,
    last: Option<LogId>,
    vote: Option<u64>,
}

struct Play {
    node: Node,
    /// Every state since the last opening; the last is what readers see.
    past: Vec<Map>,
    /// The state that was reported durable.
    durable: usize,
    told: Vec<(usize, Told)>,
    committed: Option<LogId>,
    term: u64,
    appended: u64,
    /// Whether the store has failed.
    dead: bool,
}

impl Play {
    fn new(disk: Disk) -> Self {
        let small = Options { purge_slice: 2, batch_ops: 2, tail_bytes: 300, ..options() };
        Self {
            node: Node::new(disk, small),
            past: vec![Map::default()],
            durable: 0,
            told: Vec::new(),
            committed: None,
            term: 1,
            appended: 0,
            dead: false,
        }
    }

    fn play(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Crash { fail } => self.crash(*fail),
                Step::Reopen => self.reopen(),
                _ if self.dead => continue,
                Step::Append { entries, bytes, new_term } => {
                    self.append(*entries, *bytes, *new_term);
                }
                Step::Vote => self.vote(),
                Step::Truncate { back } => self.truncate(*back),
                Step::Purge { ahead } => self.purge(*ahead),
                Step::Commit { back } => self.commit(*back),
                Step::Turn => drop(self.node.wal().drive()),
                Step::Sync => self.node.drain(),
                Step::Read { start, length } => self.read(*start, *length),
            }
            self.listen();
            if !self.dead {
                self.compare();
            }
        }
        self.crash(None);
    }

    fn map(&self) -> &Map {
        self.past.last().unwrap()
    }

    fn next(&self) -> u64 {
        self.map().last.map_or(0, |last| last.index + 1)
    }

    /// Records a state that was accepted. Returns its number.
    fn accept(&mut self, change: impl FnOnce(&mut Map)) -> usize {
        let mut map = self.map().clone();
        change(&mut map);
        self.past.push(map);
        self.past.len() - 1
    }

    fn append(&mut self, entries: u64, bytes: usize, new_term: bool) {
        self.term += u64::from(new_term);
        let (term, next) = (self.term, self.next());
        let mut batch = Vec::new();
        for index in next..next + entries {
            self.appended += 1;
            batch.push((index, format!("{}{}", self.appended, ".".repeat(bytes))));
        }
        let given: Vec<_> = batch.iter().map(|(index, text)| entry(term, *index, text)).collect();
        let (callback, told) = callback();
        now(self.node.log(GID).append(given, callback)).unwrap();
        let number = self.accept(|map| {
            map.last = Some(log_id(term, next + entries - 1));
            map.entries.extend(batch.into_iter().map(|(index, text)| (index, (term, text))));
        });
        self.told.push((number, told));
    }

    fn vote(&mut self) {
        self.term += 1;
        let term = self.term;
        let number = self.accept(|map| map.vote = Some(term));
        let wal = self.node.wal().clone();
        let saved = run(&wal, self.node.log(GID).save_vote(&vote(term)));
        self.ended(number, saved.is_ok());
    }

    fn truncate(&mut self, back: u64) {
        // Committed entries are never truncated, purged ones cannot be.
        let floor = self.committed.max(self.map().purged).map_or(0, |it| it.index + 1);
        let next = self.next().saturating_sub(back).max(floor);
        if next >= self.next() {
            return;
        }
        let after = self.id_before(next);
        self.term += 1;
        let number = self.accept(|map| {
            map.entries.split_off(&next);
            map.last = after.or(map.purged);
        });
        let wal = self.node.wal().clone();
        let ended = run(&wal, self.node.log(GID).truncate_after(after));
        self.ended(number, ended.is_ok());
    }

    fn purge(&mut self, ahead: u64) {
        let index = self.map().purged.map_or(0, |purged| purged.index) + ahead;
        // At or past the end it is an installed snapshot of the newest term.
        let upto = self.id_before(index + 1).unwrap_or_else(|| log_id(self.term, index));
        if self.map().purged.is_some_and(|purged| purged.index >= index) {
            return;
        }
        now(self.node.log(GID).purge(upto)).unwrap();
        self.accept(|map| {
            map.entries = map.entries.split_off(&(index + 1));
            map.purged = Some(upto);
            map.last = map.last.filter(|last| last.index > index).or(Some(upto));
        });
    }

    fn commit(&mut self, back: u64) {
        let Some(committed) = self.id_before(self.next().saturating_sub(back)) else { return };
        now(self.node.log(GID).save_committed(Some(committed))).unwrap();
        self.committed = self.committed.max(Some(committed));
    }

    fn id_before(&self, next: u64) -> Option<LogId> {
        let index = next.checked_sub(1)?;
        let entry = self.map().entries.get(&index).map(|(term, _)| log_id(*term, index));
        entry.or(self.map().purged.filter(|purged| purged.index == index))
    }

    fn read(&mut self, start: u64, length: u64) {
        let end = start + length;
        let mut reader = self.node.log(GID).reader();
        let all = now(reader.try_get_log_entries(start..end)).unwrap();
        let expected: Vec<_> = self.map().entries.range(start..end).collect();
        let found: Vec<_> = all.iter().map(RaftEntry::index).collect();
        assert_eq!(found, expected.iter().map(|(index, _)| **index).collect::<Vec<_>>());
        for (entry, (_, (term, expected))) in all.iter().zip(expected) {
            assert_eq!((entry.log_id.leader_id.term, text(entry)), (*term, expected.as_str()));
        }
        let some = now(reader.limited_get_log_entries(start, end)).unwrap();
        assert_eq!(some.is_empty(), all.is_empty());
        assert!(all.starts_with(&some));
    }

    /// Hears callbacks and faults. Callbacks come in order.
    fn listen(&mut self) {
        // A slice of a purge may fail without anybody's callback.
        self.dead |= !self.node.faults.lock().is_empty();
        let mut context = Context::from_waker(Waker::noop());
        let mut silent = false;
        for (number, mut told) in std::mem::take(&mut self.told) {
            match pin!(&mut told).poll(&mut context) {
                Poll::Pending => {
                    silent = true;
                    self.told.push((number, told));
                }
                Poll::Ready(result) => {
                    assert!(!silent, "W2: a callback overtook another");
                    self.ended(number, result.unwrap().is_ok());
                }
            }
        }
    }

    fn ended(&mut self, number: usize, durable: bool) {
        if durable {
            self.durable = self.durable.max(number);
        } else {
            self.dead = true;
        }
    }

    fn compare(&mut self) {
        let seen = self.look();
        assert_eq!(seen, *self.map());
    }

    fn look(&mut self) -> Map {
        let log = self.node.log(GID);
        let state = now(log.get_log_state()).unwrap();
        let vote = now(log.reader().read_vote()).unwrap();
        let entries = now(log.reader().try_get_log_entries(..)).unwrap();
        Map {
            entries: entries
                .iter()
                .map(|it| (it.index(), (it.log_id.leader_id.term, text(it).to_owned())))
                .collect(),
            purged: state.last_purged_log_id,
            last: state.last_log_id,
            vote: vote.map(|vote| vote.leader_id.term),
        }
    }

    fn reopen(&mut self) {
        if self.dead {
            return self.crash(None);
        }
        let closed = self.node.close();
        self.listen();
        if closed.is_ok() {
            self.durable = self.past.len() - 1;
        }
        self.start(None, None);
    }

    fn crash(&mut self, fail: Option<(u64, Failure)>) {
        self.listen();
        let flushed = self.node.log(GID).flushed().index();
        self.node.crash();
        self.start(fail, flushed);
    }

    fn start(&mut self, fail: Option<(u64, Failure)>, flushed: Option<u64>) {
        // What the last life refused says so; that must not end this one.
        self.told.clear();
        self.node.faults.lock().clear();
        self.dead = false;
        self.node.start(fail);
        self.recovered(flushed);
    }

    /// The log is one of its past states, not older than what was durable.
    fn recovered(&mut self, flushed: Option<u64>) {
        let seen = self.look();
        let possible = &self.past[self.durable..];
        assert!(possible.contains(&seen), "{seen:?} is none of {possible:?}");
        for (index, entry) in self.map().entries.iter() {
            if Some(*index) <= flushed && Some(*index) > seen.purged.map(|it| it.index) {
                assert_eq!(seen.entries.get(index), Some(entry), "W3: flushed {flushed:?}");
            }
        }
        let verified = Inspector::on_store(self.node.store().clone())
            .verify(&mut |problem| panic!("{problem}"))
            .unwrap();
        assert!(verified.entries >= seen.entries.len() as u64);
        let committed = now(self.node.log(GID).read_committed()).unwrap();
        assert!(committed <= self.committed, "{committed:?} was never saved");
        self.committed = committed;
        self.past = vec![seen];
        self.durable = 0;
    }
}
