//! Snapshot: asked for, waited for, and said what is missing.

use std::io::{BufRead, BufReader};
use std::sync::atomic::Ordering;

use api::Refusal;
use api::status::{SnapshotStatus, Status};
use serde_json::Value;

use crate::doors::{Doors, whole};
use crate::process::{nobody, ran, started};

/// A cluster whose first node has a snapshot of each group up to `index`.
fn saved(index: u64) -> Status {
    let mut status = whole();
    for group in &mut status.groups {
        let file = format!("state_{}_{index}.gz", group.gid);
        group.snapshot = Some(SnapshotStatus { index, bytes: 4096, file });
    }
    status
}

#[test]
fn it_ends_when_the_snapshots_are_there() {
    let doors = Doors::open(1);
    doors.knows(saved(8));
    let mut snapshot = started(&["snapshot", "-e", &doors.endpoints]);
    let mut steps = BufReader::new(snapshot.stderr.take().unwrap()).lines().map(Result::unwrap);
    let expected = "0 of 2 snapshots are there; missing: group 0, 1 of n0";
    assert_eq!(steps.next().unwrap(), expected);
    doors.knows(saved(9));
    let output = snapshot.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let expected = "\
NODE  GROUP  INDEX  BYTES    FILE
n0    0      9      4.0 KiB  state_0_9.gz
n0    1      9      4.0 KiB  state_1_9.gz
";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let note = "not asked: n1, n2; --endpoints takes the address of each node";
    assert_eq!(steps.collect::<Vec<_>>(), [note]);
    assert_eq!(doors.fake.snapshots_asked.load(Ordering::SeqCst), 1, "asked once");
}

#[test]
fn what_is_there_already_is_not_waited_for() {
    let doors = Doors::open(2);
    doors.knows(saved(9));
    let args = ["snapshot", "-q", "-o", "ndjson", "-e", &doors.endpoints];
    let (code, out, err) = ran(&args, b"");
    assert_eq!((code, &*err), (0, ""));
    let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2, "two doors, one node: {out}");
    assert_eq!((&objects[1]["node"], &objects[1]["group"]), (&"n0".into(), &1.into()));
    assert_eq!((&objects[1]["wanted"], &objects[1]["index"]), (&9.into(), &9.into()));
    assert_eq!((&objects[1]["bytes"], &objects[1]["file"]), (&4096.into(), &"state_1_9.gz".into()));
}

#[test]
fn out_of_time_it_says_what_is_missing() {
    let doors = Doors::open(1);
    let mut status = saved(9);
    status.groups[1].snapshot = None;
    doors.knows(status);
    let args = ["snapshot", "-q", "--for", "300ms", "-o", "plain", "-e", &doors.endpoints];
    let (code, out, err) = ran(&args, b"");
    assert_eq!((code, &*out), (5, "n0\t0\t9\t4096\tstate_0_9.gz\nn0\t1\t-\t-\t-\n"));
    let expected = "error: 1 of 2 snapshots are there; missing: group 1 of n0\nhint: the nodes go";
    assert!(err.starts_with(expected), "{err}");
}

#[test]
fn behind_a_proxy_another_nodes_snapshots_are_not_taken_for_the_asked_ones() {
    let doors = Doors::open(1);
    doors.knows(saved(8));
    let mut snapshot = started(&["snapshot", "--for", "2s", "-e", &doors.endpoints]);
    let mut steps = BufReader::new(snapshot.stderr.take().unwrap()).lines().map(Result::unwrap);
    // n0 took note and was met; from now on n1 answers, which has what n0 lacks.
    assert!(steps.next().unwrap().ends_with("missing: group 0, 1 of n0"));
    doors.knows(Status { node: "n1".to_owned(), ..saved(9) });
    let output = snapshot.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let steps: Vec<_> = steps.collect();
    let [.., error, hint] = &*steps else { panic!("{steps:?}") };
    let expected =
        "error: 0 of 2 snapshots are there; missing: group 0, 1 of n0, which did not answer";
    assert_eq!(error, expected);
    assert!(hint.starts_with("hint: a proxy leads to one node at a time"), "{hint}");
}

#[test]
fn who_takes_no_note_is_a_failure_with_a_code() {
    let doors = Doors::open(1);
    doors.knows(saved(9));
    let one_is_gone = format!("{},{}", doors.endpoints, nobody());
    let (code, out, err) = ran(&["snapshot", "-q", "-e", &one_is_gone], b"");
    assert!(code == 5 && out.contains("state_1_9.gz"), "{out}{err}");
    assert!(err.contains("; took no note: http://") && err.contains("\nhint: ask again"), "{err}");

    let reason = "waiting for n2".to_owned();
    *doors.fake.snapshots_refused.lock() = Some(Refusal::NotReady { reason }.into());
    let (code, out, err) = ran(&["snapshot", "-e", &doors.endpoints], b"");
    assert_eq!((code, &*out), (5, ""));
    assert!(err.starts_with("error: no endpoint takes a snapshot:\n  http://"), "{err}");
    assert!(err.contains("waiting for n2"), "{err}");

    let (code, out, err) = ran(&["snapshot", "-e", &nobody()], b"");
    assert_eq!((code, &*out), (4, ""), "{err}");
}
