//! Crash: what was reported durable is there after a power loss.

use std::fs;
use std::path::Path;

use api::GroupId;
use disk::environment::DATA_FILE;
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use tempfile::TempDir;
use wal::inspect::Inspector;
use wal::store::MemoryStore;
use wal::{Driver, Options, Wal};

use crate::binding::{Plain, entry, log_id, text, vote};
use crate::harness::{Disk, Node, callback, identity, no_fault, now, options};

const GID: GroupId = GroupId(1);

/// The file as a power loss at this moment leaves it.
fn copy_of(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::copy(dir.join(DATA_FILE), copy.path().join(DATA_FILE)).unwrap();
    copy
}

async fn texts_in(dir: &Path) -> (Vec<String>, Option<u64>) {
    let wal = Wal::open(dir, identity(1), options(), no_fault).unwrap();
    let log = wal.group(GID, Plain).unwrap();
    let mut reader = log.reader();
    let entries = reader.try_get_log_entries(..).await.unwrap();
    let vote = reader.read_vote().await.unwrap().map(|vote| vote.leader_id.term);
    (entries.iter().map(|entry| text(entry).to_owned()).collect(), vote)
}

#[tokio::test]
async fn w1_what_was_reported_durable_survives_power_loss() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), options(), no_fault).unwrap();
    let mut log = wal.group(GID, Plain).unwrap();
    let old: Vec<_> = (0..6).map(|index| entry(1, index, &format!("old{index}"))).collect();
    log.blocking_append(old).await.unwrap();
    let appended = copy_of(dir.path());

    log.truncate_after(Some(log_id(1, 1))).await.unwrap();
    let truncated = copy_of(dir.path());

    let new: Vec<_> = (2..4).map(|index| entry(2, index, &format!("new{index}"))).collect();
    log.blocking_append(new).await.unwrap();
    log.save_vote(&vote(3)).await.unwrap();
    let voted = copy_of(dir.path());

    drop(log);
    drop(wal);
    let all = ["old0", "old1", "old2", "old3", "old4", "old5"];
    assert_eq!(texts_in(appended.path()).await, (all.map(str::to_owned).to_vec(), None));
    let cut = ["old0", "old1"];
    assert_eq!(texts_in(truncated.path()).await, (cut.map(str::to_owned).to_vec(), None));
    let new = ["old0", "old1", "new2", "new3"];
    assert_eq!(texts_in(voted.path()).await, (new.map(str::to_owned).to_vec(), Some(3)));
    assert_eq!(texts_in(dir.path()).await, (new.map(str::to_owned).to_vec(), Some(3)));
}

#[test]
fn a_crash_after_any_slice_of_a_purge_is_harmless() {
    let disk = MemoryStore::new();
    let small = Options { purge_slice: 3, ..options() };
    let mut node = Node::new(Disk::Memory(disk.clone()), small);
    let log = node.log(1);
    let (done, _told) = callback();
    now(log.append((0..20).map(|index| entry(1, index, &format!("e{index}"))), done)).unwrap();
    node.drain();
    now(node.log(1).purge(log_id(1, 12))).unwrap();

    let mut leftovers = Vec::new();
    while node.wal().drive() {
        leftovers.push(check_purged(disk.copy(), small));
    }
    assert_eq!(leftovers, [13, 10, 7, 4, 1, 0], "3 entries go with each batch after the mark");
}

/// Opens a crashed copy. Returns how many purged entries it still had.
fn check_purged(disk: MemoryStore, options: Options) -> u64 {
    let inspector = Inspector::on_store(disk.clone());
    let before = inspector.summary(GID).unwrap().entries;
    let wal = Wal::on_store(disk, identity(1), options, Driver::Inline, no_fault).unwrap();
    let mut log = wal.group(GID, Plain).unwrap();
    let state = now(log.get_log_state()).unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(1, 12)));
    assert_eq!(state.last_log_id, Some(log_id(1, 19)));
    let read = now(log.reader().try_get_log_entries(0..99)).unwrap();
    assert_eq!(read.first().map(text), Some("e13"));
    assert_eq!(read.len(), 7);
    while wal.drive() {}
    assert_eq!(inspector.summary(GID).unwrap().entries, 7);
    before - 7
}

#[test]
fn a_group_opens_again_only_when_its_log_is_gone() {
    let mut node = Node::new(Disk::memory(), options());
    let (done, _told) = callback();
    now(node.log(1).append([entry(1, 0, "a")], done)).unwrap();
    let reader = node.log(1).reader();
    assert!(node.wal().group(GroupId(1), Plain).is_err());

    let wal = node.wal().clone();
    node.crash();
    assert!(wal.group(GroupId(1), Plain).is_err(), "a reader is left");
    drop(reader);
    assert!(wal.group(GroupId(1), Plain).is_err(), "an operation waits");
    while wal.drive() {}
    let log = wal.group(GroupId(1), Plain).unwrap();
    assert_eq!(log.flushed().index(), Some(0));
}
