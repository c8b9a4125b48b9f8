//! Tests: which round answers which reader?

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::*;

/// Counts rounds; each answers with the number of the round.
struct Leader {
    gate: Arc<Semaphore>,
    rounds: AtomicU64,
}

impl Leader {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { gate: Arc::new(Semaphore::new(permits)), rounds: AtomicU64::new(0) })
    }
}

impl Confirm for Leader {
    fn confirm(&self, _: bool) -> BoxFuture<'static, Result<u64, Refusal>> {
        let round = self.rounds.fetch_add(1, Ordering::SeqCst) + 1;
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(round)
        })
    }
}

const SECOND: Duration = Duration::from_secs(1);

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

fn read(reader: &Arc<Reader>) -> tokio::task::JoinHandle<Result<u64, Refusal>> {
    let reader = Arc::clone(reader);
    tokio::spawn(async move { reader.read_index(false, SECOND).await })
}

#[tokio::test]
async fn a_reader_that_arrives_during_a_round_waits_for_the_next_one() {
    let leader = Leader::new(0);
    let reader = Reader::new(GroupId(1), leader.clone());
    let first = read(&reader);
    until(|| leader.rounds.load(Ordering::SeqCst) == 1).await;
    let later: Vec<_> = (0..10).map(|_| read(&reader)).collect();
    until(|| reader.queue.lock().waiting.len() == 10).await;
    leader.gate.add_permits(2);
    assert_eq!(first.await.unwrap(), Ok(1));
    for read in later {
        assert_eq!(read.await.unwrap(), Ok(2));
    }
    assert_eq!(leader.rounds.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn readers_that_go_away_leave_the_gate_open() {
    let leader = Leader::new(0);
    let reader = Reader::new(GroupId(1), leader.clone());
    for _ in 0..20 {
        let call = read(&reader);
        tokio::task::yield_now().await;
        call.abort();
    }
    leader.gate.add_permits(100);
    assert!(reader.read_index(false, SECOND).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_round_without_an_answer_ends_and_the_next_one_runs() {
    let leader = Leader::new(0);
    let reader = Reader::new(GroupId(1), leader.clone());
    assert!(matches!(reader.read_index(false, SECOND).await, Err(Refusal::Expired { .. })));
    leader.gate.add_permits(100);
    assert!(reader.read_index(false, 10 * SECOND).await.is_ok());
}
