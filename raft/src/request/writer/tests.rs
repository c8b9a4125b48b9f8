//! Tests: what rides together, and what may a caller that gives up say?

use std::sync::atomic::{AtomicBool, AtomicUsize};

use api::{Outcome, Verdict};
use tokio::sync::Semaphore;

use super::*;

/// Commands of this length and more take room.
const GREEDY_BYTES: usize = 100;

/// Answers every command with its own length as version, when it may.
struct Log {
    gate: Arc<Semaphore>,
    leads: AtomicBool,
    disk_full: AtomicBool,
    batches: Mutex<Vec<(usize, bool)>>,
    submitted: AtomicUsize,
}

impl Log {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            gate: Arc::new(Semaphore::new(permits)),
            leads: AtomicBool::new(true),
            disk_full: AtomicBool::new(false),
            batches: Mutex::default(),
            submitted: AtomicUsize::new(0),
        })
    }
}

impl Propose for Log {
    fn propose(
        &self,
        commands: Vec<Bytes>,
        may_forward: bool,
        _: Instant,
    ) -> BoxFuture<'static, Result<Vec<Answer>, Refusal>> {
        if self.disk_full.load(Ordering::SeqCst) && self.takes_room(&commands) {
            let refusal = Refusal::DiskFull { free_bytes: 1, reserve_bytes: 2 };
            return Box::pin(async { Err(refusal) });
        }
        self.batches.lock().push((commands.len(), may_forward));
        self.submitted.fetch_add(commands.len(), Ordering::SeqCst);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            let answer = |command: &Bytes| Answer::Executed {
                outcome: Outcome::bare(Verdict::Done, command.len() as u64),
                replay: false,
            };
            Ok(commands.iter().map(answer).collect())
        })
    }

    fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    fn takes_room(&self, commands: &[Bytes]) -> bool {
        commands.iter().any(|command| command.len() >= GREEDY_BYTES)
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn command(bytes: usize) -> Vec<Bytes> {
    vec![Bytes::from(vec![0; bytes])]
}

fn version(answers: &[Answer]) -> u64 {
    match answers {
        [Answer::Executed { outcome, .. }] => outcome.version,
        other => panic!("{other:?}"),
    }
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_caller_gets_its_own_answer() {
    let log = Log::new(1000);
    let writer = Writer::new(GroupId(1), log.clone());
    let calls = (1..=100).map(|bytes| {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move {
            (bytes, writer.write(command(bytes), Origin::Here, SECOND).await.unwrap())
        })
    });
    for call in futures::future::join_all(calls).await {
        let (bytes, answers) = call.unwrap();
        assert_eq!(version(&answers), bytes as u64);
    }
}

#[tokio::test]
async fn what_waits_during_a_batch_rides_on_the_next_one() {
    let log = Log::new(0);
    let writer = Writer::new(GroupId(1), log.clone());
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.write(command(1), Origin::Here, SECOND).await })
        })
        .collect();
    until(|| writer.queue.lock().waiting.len() == 49).await;
    assert_eq!(writer.pending(), 49);
    log.gate.add_permits(2);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(*log.batches.lock(), [(1, true), (49, true)]);
    assert_eq!((writer.pending(), writer.failed.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_command_that_expires_was_not_proposed_and_a_taken_one_is_unknown() {
    let log = Log::new(0);
    let writer = Writer::new(GroupId(1), log.clone());
    let first = {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { writer.write(command(1), Origin::Here, SECOND).await })
    };
    until(|| log.submitted.load(Ordering::SeqCst) == 1).await;
    let second = writer.write(command(1), Origin::Here, SECOND / 2).await;
    assert!(matches!(second, Err(Refusal::Expired { .. })), "{second:?}");
    assert!(matches!(first.await.unwrap(), Err(Refusal::Unknown { .. })));
    log.gate.add_permits(10);
    writer.write(command(7), Origin::Here, 10 * SECOND).await.unwrap();
    assert_eq!(log.submitted.load(Ordering::SeqCst), 2, "the expired command was never sent");
}

#[tokio::test]
async fn callers_that_go_away_leave_the_slot_free() {
    let log = Log::new(0);
    let writer = Writer::new(GroupId(1), log.clone());
    for _ in 0..20 {
        let writer = Arc::clone(&writer);
        let call =
            tokio::spawn(async move { writer.write(command(1), Origin::Here, SECOND).await });
        tokio::task::yield_now().await;
        call.abort();
    }
    log.gate.add_permits(1000);
    let answers = writer.write(command(3), Origin::Here, SECOND).await.unwrap();
    assert_eq!(version(&answers), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_an_answer_does_not_hold_the_next_one_for_ever() {
    let log = Log::new(0);
    let writer = Writer::new(GroupId(1), log.clone());
    let stuck = {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { writer.write(command(1), Origin::Here, 9 * SECOND).await })
    };
    until(|| log.submitted.load(Ordering::SeqCst) == 1).await;
    let next = {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { writer.write(command(1), Origin::Here, 9 * SECOND).await })
    };
    tokio::time::sleep(SLOT_HELD_MAX + SECOND).await;
    assert_eq!(log.submitted.load(Ordering::SeqCst), 2);
    log.gate.add_permits(2);
    stuck.await.unwrap().unwrap();
    next.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_queue_is_busy_and_proposes_nothing_of_it() {
    let log = Log::new(0);
    let writer = Writer::new(GroupId(1), log.clone());
    let big = QUEUE_BYTES_MAX / 2;
    let mut calls = Vec::new();
    for waiting in 0..3 {
        let writer_ = Arc::clone(&writer);
        calls.push(tokio::spawn(
            async move { writer_.write(command(big), Origin::Here, SECOND).await },
        ));
        until(|| writer.queue.lock().waiting.len() == waiting || waiting == 0).await;
        until(|| log.submitted.load(Ordering::SeqCst) == 1).await;
    }
    until(|| writer.queue.lock().waiting.len() == 2).await;
    let refused = writer.write(command(big), Origin::Here, SECOND).await;
    assert!(matches!(refused, Err(Refusal::Busy { .. })), "{refused:?}");
    log.gate.add_permits(1000);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(log.submitted.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn forwarded_commands_are_refused_by_a_node_that_does_not_lead() {
    let log = Log::new(1000);
    log.leads.store(false, Ordering::SeqCst);
    let writer = Writer::new(GroupId(1), log.clone());
    let refused = writer.write(command(1), Origin::Peer, SECOND).await;
    assert!(matches!(refused, Err(Refusal::NotLeader { .. })), "{refused:?}");
    assert_eq!(log.submitted.load(Ordering::SeqCst), 0);
    writer.write(command(1), Origin::Here, SECOND).await.unwrap();
    assert_eq!(*log.batches.lock(), [(1, true)]);
}

#[tokio::test]
async fn what_takes_no_room_is_not_refused_with_what_does() {
    let log = Log::new(0);
    let writer = Writer::new(GroupId(1), log.clone());
    let write = |bytes| {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { writer.write(command(bytes), Origin::Here, SECOND).await })
    };
    let first = write(1);
    until(|| log.submitted.load(Ordering::SeqCst) == 1).await;
    let (greedy, frugal) = (write(GREEDY_BYTES), write(2));
    until(|| writer.pending() == 2).await;
    log.disk_full.store(true, Ordering::SeqCst);
    log.gate.add_permits(1000);
    first.await.unwrap().unwrap();
    let refused = greedy.await.unwrap();
    assert!(matches!(refused, Err(Refusal::DiskFull { .. })), "{refused:?}");
    assert_eq!(version(&frugal.await.unwrap().unwrap()), 2);
    assert_eq!(*log.batches.lock(), [(1, true), (1, true)]);
}
