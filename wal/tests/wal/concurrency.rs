//! Concurrency: many groups write, read, truncate and purge at once on one
//! thread's syncs, and none sees or waits for another more than it must.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use api::GroupId;
use futures::{StreamExt, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use wal::inspect::Inspector;
use wal::{Options, Waited, Wal};

use crate::binding::{Log, Plain, entry, log_id, text, vote};
use crate::harness::{callback, identity, no_fault, options};

const GROUPS: u32 = 8;
const ROUNDS: u64 = 60;

/// A tail so small that readers go to the disk, slices so small that purges
/// overlap with everything, a queue so small that appends wait.
fn tight() -> Options {
    Options {
        tail_bytes: 2_000,
        purge_slice: 3,
        queue_bytes: 4_000,
        queue_ops: 8,
        batch_ops: 4,
        ..options()
    }
}

fn body(gid: u32, term: u64, index: u64) -> String {
    format!("{gid}/{term}/{index}/{}", ".".repeat(usize::try_from(index % 300).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn groups_share_the_writer_without_mixing() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), tight(), no_fault).unwrap();
    let writers: Vec<_> = (0..GROUPS)
        .map(|gid| {
            let log = wal.group(GroupId(gid), Plain).unwrap();
            tokio::spawn(write(log, gid))
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    wal.close().unwrap();

    let verified = Inspector::open(dir.path()).unwrap();
    verified.verify(&mut |problem| panic!("{problem}")).unwrap();
    drop(verified);
    let wal = Wal::open(dir.path(), identity(1), tight(), no_fault).unwrap();
    for gid in 0..GROUPS {
        let mut log = wal.group(GroupId(gid), Plain).unwrap();
        let last = log.get_log_state().await.unwrap().last_log_id.unwrap();
        let read: Vec<_> = log.reader().entries_stream(..).await.try_collect().await.unwrap();
        assert_eq!(read.last().map(RaftEntry::log_id), Some(last));
        for entry in read {
            let term = entry.log_id.leader_id.term;
            assert_eq!(text(&entry), body(gid, term, entry.index()));
        }
    }
    wal.close().unwrap();
}

/// Appends in rounds; every few rounds a new leader replaces the last entries
/// and the oldest are purged. A reader runs beside it all the time.
async fn write(mut log: Log, gid: u32) {
    let stop = Arc::new(AtomicU64::new(0));
    let reading = tokio::spawn(read(log.reader(), gid, Arc::clone(&stop)));
    let (mut term, mut next) = (1, 0);
    for round in 0..ROUNDS {
        let entries: Vec<_> =
            (next..next + 7).map(|index| entry(term, index, &body(gid, term, index))).collect();
        next += 7;
        if round % 3 == 0 {
            log.blocking_append(entries).await.unwrap();
            assert_eq!(log.flushed().index(), Some(next - 1));
        } else {
            log.append(entries, callback().0).await.unwrap();
        }
        if round % 5 == 4 {
            next -= 4;
            log.truncate_after(Some(log_id(term, next - 1))).await.unwrap();
            assert!(log.flushed().index() <= Some(next - 1));
            term += 1;
            log.save_vote(&vote(term)).await.unwrap();
        }
        if round % 7 == 6 && next > 30 {
            let upto = next - 20;
            let found = log.reader().try_get_log_entries(upto..=upto).await.unwrap();
            log.purge(found[0].log_id()).await.unwrap();
        }
    }
    let flushed = log.flushed();
    assert_eq!(flushed.wait(next - 1).await, Waited::Flushed);
    stop.store(1, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 0);
}

/// Reads all there is, again and again: always consecutive, never mixed.
async fn read(
    mut reader: wal::LogReader<crate::binding::Types, Plain>,
    gid: u32,
    stop: Arc<AtomicU64>,
) -> u64 {
    let mut seen = 0;
    loop {
        let entries = reader.try_get_log_entries(..).await.unwrap();
        for pair in entries.windows(2) {
            assert_eq!(pair[0].index() + 1, pair[1].index());
            assert!(pair[0].log_id() < pair[1].log_id());
        }
        for entry in &entries {
            assert_eq!(text(entry), body(gid, entry.log_id.leader_id.term, entry.index()));
        }
        seen += entries.len() as u64;
        if stop.load(Ordering::Relaxed) == 1 && seen > 0 {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_waits_for_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), options(), no_fault).unwrap();
    let flushed = wal.flushed(GroupId(1));
    assert_eq!(flushed.wait_until(0, Duration::ZERO), Waited::TimedOut);
    let far = flushed.clone();
    let waiting = std::thread::spawn(move || far.wait_until(2, Duration::from_secs(60)));
    let mut log = wal.group(GroupId(1), Plain).unwrap();
    log.append((0..3).map(|index| entry(1, index, "a")), callback().0).await.unwrap();
    assert_eq!(waiting.join().unwrap(), Waited::Flushed);

    let far = flushed.clone();
    let waiting = std::thread::spawn(move || far.wait_until(9, Duration::from_secs(60)));
    drop(log);
    wal.close().unwrap();
    assert_eq!(waiting.join().unwrap(), Waited::Stopped);
}

#[tokio::test]
async fn entries_stream_reads_in_chunks_and_stops_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { tail_bytes: 0, ..options() };
    let wal = Wal::open(dir.path(), identity(1), small, no_fault).unwrap();
    let mut log = wal.group(GroupId(1), Plain).unwrap();
    let large = "x".repeat(400 << 10);
    let entries: Vec<_> = (0..12).map(|index| entry(1, index, &large)).collect();
    log.blocking_append(entries).await.unwrap();
    let mut reader = log.reader();
    assert_eq!(reader.limited_get_log_entries(0, 12).await.unwrap().len(), 2);
    let stream = reader.entries_stream(3..).await;
    let indices: Vec<_> = stream.map(|entry| entry.unwrap().index()).collect().await;
    assert_eq!(indices, (3..12).collect::<Vec<_>>());
    drop((log, reader));
    wal.close().unwrap();
}
