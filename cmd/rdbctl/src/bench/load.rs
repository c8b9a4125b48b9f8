//! Load: the calls of a bench, from several clients at once.
//!
//! Each client does one thing after another. A read of a row that is there
//! must find a value that was written under its key, or it counts as failed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Error};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::bench::tally::{Operation, Tally};
use crate::cli::Bench;
use crate::output::Progress;

/// The row by which a bench knows a collection that a bench made.
const MARK: (&str, &str) = ("rdbctl-bench", "made by rdbctl bench, which drops it when it ends");

/// How often a terminal hears how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Whether the collection exists and no bench made it.
pub(crate) async fn is_foreign(client: &Client, collection: &str) -> Result<bool, Error> {
    let names = client.list_collections().await?;
    if !names.iter().any(|name| name == collection) {
        return Ok(false);
    }
    Ok(client.get(collection, MARK.0).await?.is_none())
}

/// Makes the collection a bench's own.
pub(crate) async fn mark(client: &Client, collection: &str) -> Result<(), Error> {
    client.put(collection, MARK.0, MARK.1).await.map(drop)
}

/// Makes calls until the time is over, or Ctrl-C. Returns how long it took.
pub(crate) async fn run(
    client: &Client,
    bench: &Bench,
    progress: &mut Progress,
) -> (Tally, Duration) {
    let started = Instant::now();
    let load = Arc::new(Load {
        bench: bench.clone(),
        ends: started + Duration::from_secs(bench.seconds.into()),
        stopped: AtomicBool::new(false),
        done: AtomicU64::new(0),
    });
    let mut clients = JoinSet::new();
    for _ in 0..bench.clients {
        clients.spawn(work(client.clone(), Arc::clone(&load)));
    }
    let mut tally = Tally::default();
    let mut ticks = interval(PROGRESS_INTERVAL);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            ended = clients.join_next() => match ended {
                Some(counted) => tally.merge(counted.expect("no client panics or is cancelled")),
                None => return (tally, started.elapsed()),
            },
            _ = &mut interrupt, if !load.stopped.load(Ordering::Relaxed) => {
                load.stopped.store(true, Ordering::Relaxed);
            }
            // Lines that cannot be replaced would say nothing but that time passes.
            _ = ticks.tick(), if progress.passes() => progress.tell(&load.progress(started)),
        }
    }
}

/// What the clients share.
struct Load {
    bench: Bench,
    ends: Instant,
    stopped: AtomicBool,
    done: AtomicU64,
}

impl Load {
    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || Instant::now() >= self.ends
    }

    fn progress(&self, started: Instant) -> String {
        let (seconds, of) = (started.elapsed().as_secs(), self.bench.seconds);
        format!("{seconds} of {of} s, {} calls", self.done.load(Ordering::Relaxed))
    }
}

async fn work(client: Client, load: Arc<Load>) -> Tally {
    let Bench { keys, value_bytes, reads, collection, .. } = &load.bench;
    let mut tally = Tally::default();
    while !load.is_over() {
        let row = rand::random_range(0..*keys);
        let key = format!("key-{row:08}");
        let started = Instant::now();
        let (operation, done) = if rand::random_range(0..100) < *reads {
            let found = client.get(collection, &key).await;
            (Operation::Get, found.and_then(|found| check(row, found)))
        } else {
            let put = client.put(collection, &key, &value_of(row, *value_bytes)).await;
            (Operation::Put, put.map(drop))
        };
        tally.record(operation, started.elapsed(), done);
        load.done.fetch_add(1, Ordering::Relaxed);
    }
    tally
}

fn check(row: u32, found: Option<client::Row>) -> Result<(), Error> {
    match found.and_then(|found| found.value) {
        Some(value) if value != value_of(row, value.len()) => {
            Err(Error::Garbled { message: format!("key-{row:08} has a value nobody wrote") })
        }
        _ => Ok(()),
    }
}

/// The row's number over and over. An earlier run may have left another length.
fn value_of(row: u32, bytes: usize) -> String {
    format!("{row:08x}").chars().cycle().take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use client::Row;

    use super::*;

    fn found(value: &str) -> Option<Row> {
        Some(Row { key: "k".to_owned(), value: Some(value.to_owned()), version: Some(1) })
    }

    #[test]
    fn a_value_is_as_long_as_asked_and_belongs_to_its_row() {
        assert_eq!(value_of(0xab, 1), "0");
        assert_eq!(value_of(0xab, 18), "000000ab000000ab00");
        assert!(check(0xab, None).is_ok());
        assert!(check(0xab, found("000000ab0")).is_ok());
        assert!(check(0xac, found("000000ab0")).is_err());
        assert!(check(0xab, found("nobody wrote this")).is_err());
    }
}
