//! Bench: a small load in a collection of its own.

use api::{GroupId, Refusal};
use serde_json::Value;

use crate::doors::Doors;
use crate::fake::Mishap;
use crate::process::{nobody, ran};

fn bench(doors: &Doors, flags: &[&str]) -> (i32, String, String) {
    let args = ["bench", "--seconds", "1", "--keys", "10", "-o", "json", "-e", &doors.endpoints];
    ran(&[&args[..], flags].concat(), b"")
}

#[test]
fn a_bench_counts_its_calls_and_leaves_nothing() {
    let doors = Doors::open(2);
    let (code, out, err) = bench(&doors, &[]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    let json: Value = serde_json::from_str(&out).unwrap();
    for side in ["puts", "gets"] {
        assert!(json[side]["ok"].as_u64().unwrap() > 0, "{out}");
        assert_eq!(json[side]["failed"], 0, "{out}");
        assert!(json[side]["p50_us"].as_f64() <= json[side]["max_us"].as_f64(), "{out}");
    }
    assert!(!doors.fake.has_collection("rdb-bench"));
}

#[test]
fn a_collection_that_a_bench_kept_is_its_own() {
    let doors = Doors::open(1);
    let (code, out, _) = bench(&doors, &["--reads", "0", "--keep", "--value-bytes", "9"]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(doors.fake.value("rdb-bench", b"key-00000003").unwrap(), "000000030");
    let (code, out, err) = bench(&doors, &["--reads", "100"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!doors.fake.has_collection("rdb-bench"));
}

#[test]
fn a_collection_of_somebody_else_is_not_touched_unasked() {
    let doors = Doors::open(1);
    doors.fake.plant("users", b"alice", b"1");
    let (code, out, err) = bench(&doors, &["--collection", "users"]);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("collection `users`, which no bench made,"), "{err}");
    assert_eq!(doors.fake.value("users", b"alice").unwrap(), "1");
    let (code, _, err) = bench(&doors, &["--collection", "users", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(!doors.fake.has_collection("users"));
}

#[test]
fn a_call_that_fails_is_told_and_makes_the_code() {
    let doors = Doors::open(1);
    let failure = || Mishap::Fail(Refusal::DiskFull { free_bytes: 1, reserve_bytes: 2 }.into());
    // The listing of collections, the mark, and then calls of the load.
    doors.fake.plan([Mishap::Smooth, Mishap::Smooth, failure(), Mishap::Smooth, failure()]);
    let (code, out, err) = bench(&doors, &["--reads", "0"]);
    assert_eq!(code, 10, "{out}{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["puts"]["failed"], 2, "{out}");
    assert_eq!(json["failures"]["disk_full (rejected)"], 2, "{out}");
}

#[test]
fn a_value_that_nobody_wrote_is_a_failure() {
    let doors = Doors::open(1);
    bench(&doors, &["--reads", "0", "--keep"]);
    doors.fake.plant("rdb-bench", b"key-00000003", b"corrupt");
    let (code, out, _) = bench(&doors, &["--reads", "100"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 10 && json["failures"]["wrong answer"].as_u64().unwrap() > 0, "{out}");
}

#[test]
fn without_a_cluster_there_is_no_report() {
    let (code, out, err) = ran(&["bench", "--timeout", "200ms", "-e", &nobody()], b"");
    assert_eq!((code, &*out), (4, ""), "{err}");
    let doors = Doors::open(1);
    let no_leader = || Mishap::Fail(Refusal::NoLeader { group: GroupId(1) }.into());
    doors.fake.plan([Mishap::Smooth, Mishap::Smooth]);
    doors.fake.plan(std::iter::repeat_with(no_leader).take(100_000));
    let (code, out, err) = bench(&doors, &["--timeout", "100ms"]);
    assert_eq!((code, &*out), (5, ""), "{err}");
}
