//! Applying: one transaction, behind the log, visible before answered.

use std::sync::Arc;
use std::time::Duration;

use api::{Payload, Verdict};
use bytes::Bytes;
use openraft::EntryPayload;

use super::lab::{FakeLog, Lab, THIS_BOOT, applied, entry, expected, log_to, membership, shown};
use crate::store::Entry;

#[test]
fn applied_entries_are_visible_with_their_position() {
    let lab = Lab::new();
    let store = lab.open();
    assert_eq!(applied(&store), None);
    let answers = lab.apply(&store, &log_to(9));
    assert_eq!(answers.len(), 10);
    assert_eq!(answers[0].0, vec![]);
    let api::Answer::Executed { outcome, replay: false } = &answers[2].0[0] else { panic!() };
    assert_eq!((outcome.verdict, outcome.version), (Verdict::Done, 1));
    assert_eq!(applied(&store), Some(9));
    let (last, stored) = store.position();
    assert_eq!(last, Some(entry(9).log_id));
    assert_eq!(stored.log_id(), &Some(entry(0).log_id));
    assert_eq!(stored.membership(), &membership());
    assert_eq!(store.applied().borrow().group_time_ms, 1_000_009);
    assert_eq!(shown(&store).collections.len(), 7);
}

#[test]
fn a_reopened_state_goes_on_where_it_was() {
    let lab = Lab::new();
    let log = log_to(30);
    for chunk in log.chunks(4) {
        let store = lab.open();
        lab.apply(&store, chunk);
        store.close().unwrap();
    }
    let store = lab.open();
    assert_eq!(applied(&store), Some(30));
    assert_eq!(shown(&store), expected(&log));
}

#[test]
fn nothing_is_committed_before_the_log_is_flushed() {
    let mut lab = Lab::new();
    lab.log = FakeLog::flushed_to(3);
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let pending = {
        let store = store.clone();
        lab.spawn(async move { store.apply(vec![entry(4), entry(5)]).await })
    };
    std::thread::sleep(Duration::from_millis(100));
    assert!(!pending.is_finished());
    assert_eq!(applied(&store), Some(3));
    assert_eq!(shown(&store), expected(&log_to(3)));
    lab.log.flush(5);
    lab.wait(pending).unwrap().unwrap();
    assert_eq!(applied(&store), Some(5));
}

#[test]
fn a_close_does_not_wait_for_the_log_and_leaves_a_clean_state() {
    let mut lab = Lab::new();
    lab.log = FakeLog::flushed_to(3);
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let pending = {
        let store = store.clone();
        lab.spawn(async move { store.apply(vec![entry(4)]).await })
    };
    std::thread::sleep(Duration::from_millis(50));
    store.close().unwrap();
    assert!(lab.wait(pending).unwrap().is_err());
    assert_eq!(*lab.faults.lock(), Vec::<String>::new());
    assert!(store.view().is_err());
    assert!(store.close().is_err());

    let store = lab.open();
    assert_eq!(applied(&store), Some(3));
    lab.log.flush(4);
    lab.apply(&store, &[entry(4)]);
    assert_eq!(shown(&store), expected(&log_to(4)));
}

#[test]
fn after_a_fault_nothing_is_served_and_nothing_is_marked_clean() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let unknown = Payload(Bytes::from_static(b"\xff of a later release"));
    let bad = Entry { payload: EntryPayload::Normal(unknown), ..entry(4) };
    let fault = lab.wait(store.apply(vec![bad])).unwrap_err();
    assert!(fault.to_string().contains("unknown payload version"), "{fault}");
    assert_eq!(lab.faults.lock().len(), 1);

    assert!(lab.wait(store.apply(vec![entry(4)])).is_err());
    assert!(store.view().is_err());
    assert!(store.build_snapshot().is_err());
    assert!(store.close().is_err());
    assert_eq!(lab.faults.lock().len(), 1, "the owner is told once");

    // The machine goes down before the node starts again: the state goes too.
    let copy = Lab::on_copy_of(&lab.path());
    assert_eq!(applied(&copy.open_on("next boot").unwrap()), None);
    let copy = Lab::on_copy_of(&lab.path());
    assert_eq!(applied(&copy.open_on(THIS_BOOT).unwrap()), Some(3));
}

#[test]
fn a_panic_of_the_machine_is_a_fault() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    // Out of order: openraft never does this.
    assert!(lab.wait(store.apply(vec![entry(2)])).is_err());
    assert!(store.view().is_err());
    assert!(lab.wait(store.apply(vec![entry(4)])).is_err());
    let faults = lab.faults.lock().clone();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("panicked"), "{faults:?}");
}

#[test]
fn the_last_handle_ends_the_thread_and_leaves_the_state_dirty() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let shared = Arc::downgrade(&store.shared);
    drop(store);
    let ended = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        shared.upgrade().is_none()
    });
    assert!(ended);
    assert_eq!(applied(&lab.open()), Some(3));
}
