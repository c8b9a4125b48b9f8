//! Tests: what is one batch, in which order is it completed, and what after a fault?

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::flushed::{Flushed, Reached, Waited};
use crate::options::Options;
use crate::store::{FailingStore, Failure, MemoryStore, Visit};

/// A writer without a thread, and what its callbacks said, in order.
struct Bench {
    writer: Writer,
    shared: Arc<Shared>,
    heard: Arc<Mutex<Vec<String>>>,
    faults: Arc<AtomicUsize>,
}

impl Bench {
    fn new(store: impl Store, options: Options) -> Self {
        let faults = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&faults);
        let shared = Arc::new(Shared {
            store: Box::new(store),
            queue: Queue::new(&options),
            marks: Mutex::default(),
            meter: Meter::default(),
            on_fault: Box::new(move |_fault| {
                let _earlier = counted.fetch_add(1, Ordering::SeqCst);
            }),
        });
        let writer = Writer::new(Arc::clone(&shared), options.purge_slice);
        Self { writer, shared, heard: Arc::default(), faults }
    }

    fn owner(&self, gid: u32) -> Arc<Owner> {
        let gid = GroupId(gid);
        let mark = Arc::clone(self.shared.marks.lock().entry(gid).or_default());
        Arc::new(Owner { gid, mark })
    }

    /// Pushes an entry whose callback says where all marks are.
    fn push(&self, owner: &Arc<Owner>, index: u64) {
        let heard = Arc::clone(&self.heard);
        let shared = Arc::clone(&self.shared);
        let gid = owner.gid;
        let done = move |result: std::io::Result<()>| {
            let marks: Vec<_> = shared.marks.lock().values().map(|mark| mark.index()).collect();
            let verdict = if result.is_ok() { "ok" } else { "failed" };
            heard.lock().push(format!("{gid}:{index} {verdict} {marks:?}"));
        };
        let key = Key::entry(gid, index);
        self.shared.queue.push(Op {
            owner: Arc::clone(owner),
            changes: vec![Change::Put { table: Table::Log, key, record: Bytes::new() }],
            bytes: 10,
            reached: Some(Reached { epoch: 0, index: Some(index) }),
            sweep: None,
            done: Some(Box::new(done)),
            place: None,
        });
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock())
    }
}

#[test]
fn w2_callbacks_come_in_order_after_all_marks_of_their_batch() {
    let mut bench = Bench::new(MemoryStore::new(), Options { batch_ops: 3, ..Options::default() });
    let (one, two) = (bench.owner(1), bench.owner(2));
    bench.push(&one, 0);
    bench.push(&two, 0);
    bench.push(&one, 1);
    bench.push(&two, 1);
    assert_eq!(bench.writer.turn(false), Turn::Worked);
    let marks = "[Some(1), Some(0)]";
    assert_eq!(bench.heard(), ["1:0 ok", "2:0 ok", "1:1 ok"].map(|it| format!("{it} {marks}")));
    assert_eq!(bench.writer.turn(false), Turn::Worked);
    assert_eq!(bench.heard(), ["2:1 ok [Some(1), Some(1)]"]);
    assert_eq!(bench.writer.turn(false), Turn::Idle);
    let Meter { sync, entries } = &bench.shared.meter;
    assert_eq!((sync.read().count, entries.read().count), (2, 2));
    assert_eq!(entries.read().sum, 4.0, "three entries and one");
}

#[test]
fn w6_a_failed_batch_fails_itself_and_all_that_follows_once() {
    for failure in [Failure::Lost, Failure::Kept] {
        let store = FailingStore::new(MemoryStore::new(), 2, failure);
        let mut bench = Bench::new(store, Options { batch_ops: 2, ..Options::default() });
        let owner = bench.owner(1);
        (0..5).for_each(|index| bench.push(&owner, index));
        while bench.writer.turn(false) != Turn::Over {}
        bench.push(&owner, 5);
        let verdicts = ["0 ok", "1 ok", "2 failed", "3 failed", "4 failed", "5 failed"];
        let heard = verdicts.map(|verdict| format!("1:{verdict} [Some(1)]"));
        assert_eq!(bench.heard(), heard, "{failure:?}");
        assert_eq!(bench.faults.load(Ordering::SeqCst), 1);
        let flushed = Flushed::new(Arc::clone(&owner.mark));
        assert_eq!(flushed.wait_until(2, Duration::from_secs(60)), Waited::Stopped);
    }
}

#[test]
fn a_batch_ends_before_the_operation_that_would_make_it_too_large() {
    let options = Options { batch_bytes: 25, ..Options::default() };
    let mut bench = Bench::new(MemoryStore::new(), options);
    let owner = bench.owner(1);
    (0..3).for_each(|index| bench.push(&owner, index));
    bench.writer.turn(false);
    assert_eq!(bench.heard().len(), 2);
    bench.writer.turn(false);
    assert_eq!(bench.heard().len(), 1);
}

#[test]
fn groups_take_turns_with_their_slices() {
    let store = MemoryStore::new();
    let options = Options { purge_slice: 1, ..Options::default() };
    let mut bench = Bench::new(store.clone(), options);
    for gid in [1, 2] {
        let owner = bench.owner(gid);
        (0..3).for_each(|index| bench.push(&owner, index));
        let op = Op { sweep: Some(0..=1), ..bare(&owner) };
        bench.shared.queue.push(op);
    }
    let left = || {
        let mut left = Vec::new();
        let (from, to) = (Key::entry(GroupId(0), 0), Key::entry(GroupId(9), 0));
        let mut visit = |key: &[u8], _record: &[u8]| {
            left.extend(crate::key::parse_entry(key).map(|(gid, index)| (gid.0, index)));
            ControlFlow::Continue(())
        };
        store.scan(Table::Log, &from, &to, &mut visit).unwrap();
        left
    };
    bench.writer.turn(false);
    assert_eq!(left().len(), 6);
    bench.writer.turn(false);
    bench.writer.turn(false);
    assert_eq!(left(), [(1, 1), (1, 2), (2, 1), (2, 2)]);
    while bench.writer.turn(false) == Turn::Worked {}
    assert_eq!(left(), [(1, 2), (2, 2)]);
}

#[test]
fn a_panic_of_the_writer_is_a_fault_and_nobody_waits_for_ever() {
    let bench = Bench::new(Panics, Options::default());
    let owner = bench.owner(1);
    bench.push(&owner, 0);
    let shared = Arc::clone(&bench.shared);
    let writer = thread::spawn(move || bench.writer.run());
    assert!(writer.join().is_err());
    assert!(matches!(shared.queue.stopped(), Some(Stop::Faulted(_))));
    assert_eq!(bench.faults.load(Ordering::SeqCst), 1);
    let flushed = Flushed::new(Arc::clone(&owner.mark));
    assert_eq!(flushed.wait_until(0, Duration::from_secs(60)), Waited::Stopped);
}

fn bare(owner: &Arc<Owner>) -> Op {
    let owner = Arc::clone(owner);
    Op { owner, changes: vec![], bytes: 0, reached: None, sweep: None, done: None, place: None }
}

/// A store that breaks an invariant.
struct Panics;

impl Store for Panics {
    fn path(&self) -> &Path {
        Path::new("(panics)")
    }

    fn apply(&self, _changes: &[Change]) -> Result<(), Fault> {
        panic!("an invariant is broken")
    }

    fn get(&self, _table: Table, _key: &Key) -> Result<Option<Bytes>, Fault> {
        Ok(None)
    }

    fn scan(&self, _: Table, _: &Key, _: &Key, _: &mut Visit<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn last(&self, _: Table, _: &Key, _: &Key) -> Result<Option<(Bytes, Bytes)>, Fault> {
        Ok(None)
    }

    fn used_bytes(&self) -> Result<u64, Fault> {
        Ok(0)
    }

    fn close(&self, _patience: Duration) -> bool {
        true
    }
}
