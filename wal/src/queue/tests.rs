//! Tests: who may enter the queue, who waits, and what rides along?

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::key::Key;
use crate::store::Table;

fn queue(queue_ops: usize, queue_bytes: usize) -> Queue {
    Queue::new(&Options { queue_ops, queue_bytes, batch_ops: 2, ..Options::default() })
}

fn op(place: Option<Place>) -> Op {
    let owner = Arc::new(Owner { gid: GroupId(1), mark: Arc::default() });
    Op { owner, changes: vec![], bytes: 1, reached: None, sweep: None, done: None, place }
}

fn rider(index: u64) -> Vec<Change> {
    let key = Key::entry(GroupId(1), index);
    vec![Change::Delete { table: Table::Log, from: key, to: key }]
}

fn now<F: Future>(call: F) -> Option<F::Output> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn a_full_queue_makes_callers_wait_until_an_operation_is_done() {
    for (queue, bytes) in [(queue(2, 1000), 1), (queue(10, 100), 50), (queue(10, 100), 1000)] {
        let first = now(queue.reserve(bytes)).unwrap().unwrap();
        let second = now(queue.reserve(bytes)).map(Result::unwrap);
        // One larger than the queue waits until it is alone.
        assert_eq!(second.is_none(), bytes == 1000);
        assert!(now(queue.reserve(bytes)).is_none());
        op(Some(first)).finish(Ok(()));
        assert!(now(queue.reserve(bytes)).is_some());
    }
}

#[test]
fn who_waits_for_a_place_is_told_when_the_queue_stops() {
    let queue = queue(1, 1000);
    let _first = now(queue.reserve(1)).unwrap().unwrap();
    let mut second = pin!(queue.reserve(1));
    let mut context = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert!(queue.stop(Stop::Closed));
    assert!(!queue.stop(Stop::Closed), "only the first stop counts");
    assert!(matches!(second.poll(&mut context), Poll::Ready(Err(Stop::Closed))));
}

#[test]
fn w9_a_rider_waits_for_everything_pushed_before_it() {
    let queue = queue(10, 1000);
    (0..3).for_each(|_| queue.push(op(None)));
    queue.ride(GroupId(1), rider(7));
    let Taken::Batch(ops, riders) = queue.take(false) else { panic!("a batch") };
    assert_eq!((ops.len(), riders.len()), (2, 0), "the third operation is not taken yet");
    let Taken::Batch(ops, riders) = queue.take(false) else { panic!("a batch") };
    assert_eq!((ops.len(), riders.len()), (1, 1));
    assert!(matches!(queue.take(false), Taken::Nothing));
}

#[test]
fn closing_writes_what_waits_and_takes_nothing_new() {
    let queue = queue(10, 1000);
    queue.push(op(None));
    queue.ride(GroupId(1), rider(7));
    queue.ride(GroupId(1), rider(8));
    queue.close();
    queue.push(op(None));
    assert!(matches!(now(queue.reserve(1)), Some(Err(Stop::Closed))));
    let Taken::Batch(ops, riders) = queue.take(true) else { panic!("a batch") };
    assert_eq!((ops.len(), riders.len()), (1, 1));
    queue.ride(GroupId(2), rider(9));
    assert!(matches!(queue.take(true), Taken::Closing(riders) if riders.len() == 1));
}
