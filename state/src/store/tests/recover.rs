//! Recovery: markers, damaged and foreign folders, lost state.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use api::{ClusterId, GroupId, Incarnation};

use super::lab::{CLUSTER, Lab, NEXT_BOOT, THIS_BOOT, applied, entry, expected, log_to, shown};
use crate::inspect::{self, Depth};
use crate::recovery::{self, Check, OpenError};
use crate::store::{OpenOptions, Store};

#[test]
fn a_clean_state_outlives_the_boot_and_a_dirty_one_does_not() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(5));
    store.close().unwrap();
    assert!(fs::read_to_string(lab.path().join("marker")).unwrap().contains("\"clean\": true"));

    let store = lab.open_on(NEXT_BOOT).unwrap();
    assert_eq!(applied(&store), Some(5));
    assert!(fs::read_to_string(lab.path().join("marker")).unwrap().contains("\"clean\": false"));
    // Not closed: the machine goes down.
    let crashed = Lab::on_copy_of(&lab.path());
    let store = crashed.open_on("a third boot").unwrap();
    assert_eq!(applied(&store), None);
}

#[test]
fn a_torn_environment_of_another_boot_is_never_read() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(5));
    store.build_snapshot().unwrap();
    lab.apply(&store, &log_to(9)[6..]);
    let crashed = Lab::on_copy_of(&lab.path());
    let data = crashed.path().join("data.mdb");
    let mut torn = fs::read(&data).unwrap();
    torn.truncate(torn.len() / 2);
    torn[..4096].fill(0xff);
    fs::write(&data, torn).unwrap();
    let store = crashed.open_on(NEXT_BOOT).unwrap();
    assert_eq!(applied(&store), Some(5));
    assert_eq!(shown(&store), expected(&log_to(5)));
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(5));
    store.build_snapshot().unwrap();
    lab.apply(&store, &log_to(9)[6..]);
    let newest = store.build_snapshot().unwrap();
    let crashed = Lab::on_copy_of(&lab.path());
    let path = crashed.path().join(newest.name());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = crashed.open_on(NEXT_BOOT).unwrap();
    assert_eq!(applied(&store), Some(5));
    assert_eq!(store.newest_snapshot().unwrap().unwrap().header().last_index(), Some(5));
}

#[test]
fn foreign_and_unmarked_state_is_refused() {
    let lab = Lab::new();
    lab.open().close().unwrap();
    let own = lab.options(THIS_BOOT);
    let foreign = [
        OpenOptions { cluster: ClusterId([8; 16]), ..own.clone() },
        OpenOptions { group: GroupId(3), ..own.clone() },
        OpenOptions { incarnation: Incarnation([8; 16]), ..own.clone() },
    ];
    for options in foreign {
        let refused = Store::open(&lab.path(), options).err().unwrap();
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    }
    fs::remove_file(lab.path().join("marker")).unwrap();
    let refused = Store::open(&lab.path(), own.clone()).err().unwrap();
    assert!(matches!(refused, OpenError::Unmarked { .. }), "{refused}");
    fs::write(lab.path().join("marker"), br#"{"format": 9, "shape": "other"}"#).unwrap();
    let refused = Store::open(&lab.path(), own).err().unwrap();
    assert!(matches!(refused, OpenError::Format { found: 9, .. }), "{refused}");
}

#[test]
fn state_under_another_groups_marker_is_refused() {
    let lab = Lab::new();
    lab.open().close().unwrap();
    let other = Lab::new();
    let options = OpenOptions { group: GroupId(3), ..other.options(THIS_BOOT) };
    Store::open(&other.path(), options.clone()).unwrap().close().unwrap();
    fs::copy(lab.path().join("data.mdb"), other.path().join("data.mdb")).unwrap();
    let refused = Store::open(&other.path(), options).err().unwrap();
    assert!(matches!(refused, OpenError::Foreign { what: "cluster or group", .. }), "{refused}");
}

#[test]
fn state_that_its_log_cannot_reach_is_refused_and_rebuilt_from_a_peer() {
    let lab = Lab::new();
    *lab.log.purged.lock() = Some(12);
    let refused = lab.open_on(THIS_BOOT).err().unwrap();
    let OpenError::Lost(lost) = &refused else { panic!("{refused}") };
    assert_eq!((lost.applied, lost.purged), (None, 12));
    assert!(refused.to_string().contains("rdb rebuild-state --config <file> --group 0"));

    let peer = Lab::new();
    let peers = peer.open();
    peer.apply(&peers, &log_to(15));
    let snapshot = peers.build_snapshot().unwrap();
    recovery::rebuild(&lab.path(), CLUSTER, GroupId::META, snapshot.path()).unwrap();
    let store = lab.open();
    assert_eq!(applied(&store), Some(15));
    assert_eq!(shown(&store), expected(&log_to(15)));
    assert_eq!(store.check_log(Some(15)), Check::Ok);
    assert!(matches!(store.check_log(Some(16)), Check::Refuse(_)));
}

#[test]
fn a_foreign_snapshot_rebuilds_nothing() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(5));
    let snapshot = store.build_snapshot().unwrap();
    store.close().unwrap();
    let other = Lab::new();
    other.open().close().unwrap();
    let rebuilt = recovery::rebuild(&other.path(), CLUSTER, GroupId(4), snapshot.path());
    assert!(rebuilt.unwrap_err().to_string().contains("belongs to group 0"));
    assert!(other.path().join("data.mdb").exists());
}

#[test]
fn work_in_progress_is_forgotten_and_a_transfer_is_not() {
    let lab = Lab::new();
    lab.open().close().unwrap();
    let (scratch, incoming) = (lab.path().join("scratch"), lab.path().join("incoming"));
    fs::create_dir_all(scratch.join("build")).unwrap();
    fs::write(scratch.join("build/data.mdb"), b"half a copy").unwrap();
    let name = format!("state_{}.gz", "ab".repeat(32));
    fs::write(incoming.join(&name), b"half a file").unwrap();
    let store = lab.open();
    assert!(!scratch.exists());
    assert_eq!(fs::read(store.incoming(&name).unwrap()).unwrap(), b"half a file");
    // Another transfer takes its place.
    let next = format!("state_{}.gz", "cd".repeat(32));
    store.incoming(&next).unwrap();
    assert!(!incoming.join(&name).exists());
}

#[test]
fn a_stopped_nodes_folder_is_described() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(9));
    store.build_snapshot().unwrap();
    store.close().unwrap();
    let report = inspect::look(&lab.path(), Depth::Verify).unwrap();
    assert!(report.marker.unwrap().clean);
    let environment = report.environment.unwrap();
    assert_eq!((environment.cluster, environment.group), (Some(CLUSTER), Some(GroupId::META)));
    assert_eq!(environment.applied.map(|last| last.index), Some(9));
    assert_eq!(*environment.meta.unwrap(), expected(&log_to(9)));
    assert!(environment.scrub.unwrap().is_sound());
    let meta = environment.tables.iter().find(|table| table.name == "meta").unwrap();
    assert!(meta.entries > 1024 && meta.bytes > 0);
    assert_eq!(report.snapshots.len(), 1);
    let snapshot = &report.snapshots[0];
    assert_eq!(snapshot.file.as_ref().unwrap().header().last_index(), Some(9));
    assert!(matches!(snapshot.content, Some(Ok(()))));
    // Looking changed nothing.
    assert_eq!(applied(&lab.open()), Some(9));
}

/// In the child process: the folder that the parent has open.
const LOOK_AT: &str = "RDB_TEST_LOOK_AT";

#[test]
fn a_running_nodes_folder_is_described_from_another_process() {
    if let Some(folder) = std::env::var_os(LOOK_AT) {
        let report = inspect::look(Path::new(&folder), Depth::Verify).unwrap();
        assert!(!report.marker.unwrap().clean);
        let environment = report.environment.unwrap();
        assert!(environment.applied.map(|last| last.index) >= Some(9));
        assert!(environment.scrub.unwrap().is_sound());
        return;
    }
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(9));
    let this_test = std::thread::current().name().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &this_test])
        .env(LOOK_AT, lab.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut next = 10;
    let looked = loop {
        lab.apply(&store, &[entry(next)]);
        next += 1;
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    assert!(looked.success());
    store.close().unwrap();
}

#[test]
fn a_stopped_nodes_folder_is_read_by_the_systems_tools() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(9));
    let snapshot = store.build_snapshot().unwrap();
    store.close().unwrap();
    let run = |tool: &str, arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(tool).args(arguments).output();
        // Not every machine has the tools.
        output.ok().map(|output| (output.status.success(), output.stdout))
    };
    if let Some((succeeded, described)) = run("mdb_stat", &["-a".as_ref(), lab.path().as_ref()]) {
        assert!(succeeded);
        let described = String::from_utf8(described).unwrap();
        assert!(described.contains("Status of meta"), "{described}");
        assert!(described.contains("Entries: 1036"), "{described}");
    }
    if let Some((succeeded, unpacked)) = run("zcat", &[snapshot.path().as_ref()]) {
        assert!(succeeded);
        assert_eq!(unpacked.len() as u64, snapshot.header().raw_bytes);
    }
}
