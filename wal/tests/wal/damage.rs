//! Damage: bytes that changed on the disk are found, whoever looks.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use api::GroupId;
use disk::environment::DATA_FILE;
use disk::{Environment, Fault, Sync};
use heed::types::Bytes;
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use parking_lot::Mutex;
use tempfile::TempDir;
use wal::inspect::{Inspector, Wrong};
use wal::key::{Fact, Key};
use wal::{Options, Wal};

use crate::binding::{Plain, entry, log_id, vote};
use crate::harness::{MAP_BYTES, identity, no_fault, options};

const GID: GroupId = GroupId(3);

/// A closed log with entries 0 to 9, each with a text that stands out.
async fn closed_log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), options(), no_fault).unwrap();
    let mut log = wal.group(GID, Plain).unwrap();
    log.save_vote(&vote(1)).await.unwrap();
    let entries = (0..10).map(|index| entry(1, index, &format!("needle-{index}-needle")));
    log.blocking_append(entries.collect::<Vec<_>>()).await.unwrap();
    log.save_committed(Some(log_id(1, 4))).await.unwrap();
    drop(log);
    wal.close().unwrap();
    dir
}

/// Flips a bit of a record the way a stray write through LMDB would.
fn flip_through_lmdb(dir: &Path, table: &str, key: &Key, byte: usize) {
    let options =
        disk::Options { map_bytes: MAP_BYTES, databases: 8, readers: 8, sync: Sync::EveryCommit };
    let environment = Environment::open(dir, &options).unwrap();
    let mut txn = environment.heed().write_txn().unwrap();
    let table =
        environment.heed().open_database::<Bytes, Bytes>(&txn, Some(table)).unwrap().unwrap();
    let mut record = table.get(&txn, key.as_slice()).unwrap().unwrap().to_vec();
    record[byte] ^= 0x10;
    table.put(&mut txn, key.as_slice(), &record).unwrap();
    txn.commit().unwrap();
}

/// Flips a bit of the file, wherever LMDB keeps this text.
fn flip_in_file(dir: &Path, text: &str) {
    let path = dir.join(DATA_FILE);
    let mut file = fs::read(&path).unwrap();
    let hits: Vec<_> =
        (0..file.len()).filter(|at| file[*at..].starts_with(text.as_bytes())).collect();
    assert!(!hits.is_empty(), "{text} is not in the file");
    // Old pages may hold copies; the live one is among them.
    hits.iter().for_each(|at| file[*at] ^= 0x01);
    fs::write(path, file).unwrap();
}

fn open_group(dir: &Path, options: Options) -> Result<(), Fault> {
    let wal = Wal::open(dir, identity(1), options, no_fault).unwrap();
    let opened = wal.group(GID, Plain).map(drop);
    wal.close().unwrap();
    opened
}

#[tokio::test]
async fn w8_a_bit_flipped_through_lmdb_is_found() {
    for byte in [0, 1, 8, 9, 30] {
        let dir = closed_log().await;
        flip_through_lmdb(dir.path(), "log", &Key::entry(GID, 9), byte);
        let fault = open_group(dir.path(), options()).unwrap_err();
        assert!(fault.is_corruption(), "{fault}");
        assert!(fault.to_string().contains("group 3: entry 9"), "{fault}");
    }
}

#[tokio::test]
async fn a_bit_flipped_in_the_file_is_found_when_asked_to_verify() {
    let dir = closed_log().await;
    flip_in_file(dir.path(), "needle-5-needle");
    let fault = open_group(dir.path(), Options { verify: true, ..options() }).unwrap_err();
    assert!(fault.to_string().contains("group 3: entry 5: checksum"), "{fault}");
}

#[tokio::test]
async fn w6_w8_a_bit_flipped_in_the_file_is_found_when_the_entry_is_read() {
    let dir = closed_log().await;
    flip_in_file(dir.path(), "needle-5-needle");
    let faults: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&faults);
    let on_fault = move |fault: &Fault| seen.lock().push(fault.to_string());
    let wal = Wal::open(dir.path(), identity(1), options(), on_fault).unwrap();
    let mut log = wal.group(GID, Plain).unwrap();
    let mut reader = log.get_log_reader().await;

    assert_eq!(reader.try_get_log_entries(0..5).await.unwrap().len(), 5);
    assert!(reader.try_get_log_entries(0..6).await.is_err());
    assert!(reader.limited_get_log_entries(5, 6).await.is_err());
    assert!(faults.lock()[0].contains("entry 5"), "{:?}", faults.lock());
    assert_eq!(faults.lock().len(), 1, "W6: a fault is reported once");

    // W6: whoever met damage writes nothing more.
    assert!(log.save_vote(&vote(9)).await.is_err());
    assert!(wal.close().is_err());
}

#[tokio::test]
async fn damaged_votes_and_marks_are_found_at_opening() {
    for fact in [Fact::Vote, Fact::Committed] {
        let dir = closed_log().await;
        flip_through_lmdb(dir.path(), "groups", &Key::fact(GID, fact), 12);
        let fault = open_group(dir.path(), options()).unwrap_err();
        assert!(fault.to_string().contains(&format!("group 3: {fact}: checksum")), "{fault}");
    }
}

#[tokio::test]
async fn an_inspector_reports_every_bad_record_and_goes_on() {
    let dir = closed_log().await;
    flip_in_file(dir.path(), "needle-2-needle");
    flip_through_lmdb(dir.path(), "log", &Key::entry(GID, 7), 3);
    flip_through_lmdb(dir.path(), "groups", &Key::fact(GID, Fact::Vote), 9);
    let inspector = Inspector::open(dir.path()).unwrap();
    let mut problems = Vec::new();
    let verified = inspector.verify(&mut |problem| problems.push(problem)).unwrap();
    assert_eq!((verified.groups, verified.entries, verified.problems), (1, 10, 3));
    let indices: Vec<_> = problems.iter().map(|problem| problem.index).collect();
    assert_eq!(indices, [None, Some(2), Some(7)]);
    assert!(matches!(problems[0].wrong, Wrong::Fact(Fact::Vote, _)));
    assert!(problems[1].to_string().starts_with("group 3: entry 2: checksum"));
}
