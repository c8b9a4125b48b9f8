//! Misuse: a caller that breaks the log's invariants is stopped before the
//! disk sees it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use openraft::storage::RaftLogStorage;

use crate::binding::{Log, entry, log_id, vote};
use crate::harness::{Disk, Node, callback, now, options, run};

/// A log with entries 0 to 5 of term 3, purged up to 2, and a vote in term 4.
fn node() -> Node {
    let mut node = Node::new(Disk::memory(), options());
    let log = node.log(1);
    now(log.append((0..6).map(|index| entry(3, index, "a")), callback().0)).unwrap();
    now(log.purge(log_id(3, 2))).unwrap();
    let wal = node.wal().clone();
    run(&wal, node.log(1).save_vote(&vote(4))).unwrap();
    node.drain();
    node
}

fn panics(misuse: impl AsyncFnOnce(&mut Log)) -> String {
    let mut node = node();
    let caught = catch_unwind(AssertUnwindSafe(|| now(misuse(node.log(1)))));
    let panic = caught.expect_err("the misuse was accepted");
    let message = panic.downcast::<String>().unwrap();
    // Nothing of it reached the queue.
    assert!(!node.wal().drive());
    *message
}

#[test]
fn w4_entries_that_leave_a_hole_are_refused() {
    let message = panics(async |log| {
        let _never = log.append([entry(3, 7, "b")], callback().0).await;
    });
    assert!(message.starts_with("W4: entry "), "{message}");
}

#[test]
fn w4_entries_of_an_older_leader_are_refused() {
    let message = panics(async |log| {
        let _never = log.append([entry(2, 6, "b")], callback().0).await;
    });
    assert!(message.contains("is of an older leader than"), "{message}");
}

#[test]
fn w4_a_truncation_into_the_purged_part_is_refused() {
    let message = panics(async |log| {
        let _never = log.truncate_after(Some(log_id(3, 1))).await;
    });
    assert!(message.starts_with("W4: truncated to 2"), "{message}");
}

#[test]
fn w4_a_truncation_after_another_entry_than_the_logs_is_refused() {
    let message = panics(async |log| {
        let _never = log.truncate_after(Some(log_id(2, 4))).await;
    });
    assert!(message.starts_with("W4: truncated after"), "{message}");
}

#[test]
fn w7_a_vote_of_an_older_term_is_refused() {
    let message = panics(async |log| {
        let _never = log.save_vote(&vote(3)).await;
    });
    assert!(message.starts_with("W7: vote"), "{message}");
}
