//! Inspection: an inspector sees a running node's logs, and only reads.

use std::ops::ControlFlow;

use api::GroupId;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use wal::Wal;
use wal::identity::Left;
use wal::inspect::{Inspector, Wrong};
use wal::key::Key;
use wal::store::{Change, Table};

use crate::binding::{Plain, entry, log_id, vote};
use crate::harness::{Disk, Node, callback, identity, no_fault, now, options};

#[tokio::test]
async fn a_closed_directory_can_be_read_without_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), options(), no_fault).unwrap();
    let mut one = wal.group(GroupId(1), Plain).unwrap();
    let mut two = wal.group(GroupId(u32::MAX), Plain).unwrap();
    one.save_vote(&vote(4)).await.unwrap();
    let entries: Vec<_> = (0..5000).map(|index| entry(4, index, "text")).collect();
    two.blocking_append(entries).await.unwrap();
    two.purge(log_id(4, 9)).await.unwrap();
    drop((one, two));
    wal.close().unwrap();

    let inspector = Inspector::open(dir.path()).unwrap();
    let system = inspector.system().unwrap().unwrap();
    assert_eq!((system.identity, system.left), (Some(identity(1)), Left::Clean));
    let [one, two] = &inspector.groups().unwrap()[..] else { panic!("two groups") };
    assert_eq!((one.gid, one.entries, one.first), (GroupId(1), 0, None));
    assert!(one.vote.as_ref().unwrap().is_ok());
    assert_eq!((two.gid, two.first, two.last), (GroupId(u32::MAX), Some(10), Some(4999)));
    assert_eq!(two.purged.as_ref().unwrap().as_ref().unwrap().index, 9);

    // More than one look's worth, and a part.
    let mut seen = Vec::new();
    let mut visit = |record: wal::inspect::Record<'_>| {
        assert!(record.body.is_ok());
        seen.push(record.index);
        ControlFlow::Continue(())
    };
    inspector.records(GroupId(u32::MAX), 10..u64::MAX, &mut visit).unwrap();
    assert_eq!(seen, (10..5000).collect::<Vec<_>>());
    let verified = inspector.verify(&mut |problem| panic!("{problem}")).unwrap();
    assert_eq!((verified.groups, verified.problems), (2, 0));
}

#[test]
fn a_hole_is_reported_but_not_one_that_a_purge_explains() {
    let mut node = Node::new(Disk::memory(), options());
    let log = node.log(1);
    let (done, _told) = callback();
    now(log.append((0..4).map(|index| entry(1, index, "a")), done)).unwrap();
    now(log.purge(log_id(2, 9))).unwrap();
    let (done, _told) = callback();
    now(log.append((10..14).map(|index| entry(2, index, "b")), done)).unwrap();
    assert!(node.wal().drive());

    // The purged entries are still there; entries 4 to 9 never were.
    let inspector = Inspector::on_store(node.store().clone());
    assert_eq!(inspector.verify(&mut |problem| panic!("{problem}")).unwrap().entries, 8);

    let key = Key::entry(GroupId(1), 12);
    node.store().apply(&[Change::Delete { table: Table::Log, from: key, to: key }]).unwrap();
    let mut problems = Vec::new();
    inspector.verify(&mut |problem| problems.push(problem.wrong)).unwrap();
    assert_eq!(problems, [Wrong::Hole { from: 12 }]);
}

const CHILD_DIR: &str = "WAL_INSPECT_DIR";

#[tokio::test]
async fn a_running_nodes_logs_can_be_read_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), options(), no_fault).unwrap();
    let mut log = wal.group(GroupId(1), Plain).unwrap();
    let entries: Vec<_> = (0..100).map(|index| entry(1, index, "text")).collect();
    log.blocking_append(entries).await.unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inspection::the_other_process", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert!(String::from_utf8_lossy(&child.stdout).contains("saw 100 entries"));

    // The other process is gone, and the node goes on.
    log.blocking_append([entry(1, 100, "text")]).await.unwrap();
    drop(log);
    wal.close().unwrap();
}

/// The other half of the test above; alone it does nothing.
#[test]
fn the_other_process() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let inspector = Inspector::open(dir.as_ref()).unwrap();
    let verified = inspector.verify(&mut |problem| panic!("{problem}")).unwrap();
    assert_eq!(inspector.system().unwrap().unwrap().left, Left::Unclean);
    println!("saw {} entries", verified.entries);
}
