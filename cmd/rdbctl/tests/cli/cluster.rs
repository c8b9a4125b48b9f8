//! Cluster: the verbs that look at nodes and groups, against doors that answer.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use serde_json::Value;

use crate::doors::{Doors, whole};
use crate::process::{nobody, ran, started};

/// Sends the signal of a Ctrl-C.
fn interrupt(process: u32) {
    // The shell's own: not every machine has another.
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {process}")]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn nodes_and_groups_are_lists_of_their_own() {
    let doors = Doors::open(1);
    doors.knows(whole());
    let (code, out, err) = ran(&["nodes", "-e", &doors.endpoints], b"");
    let expected = "\
NODE  ID  READY      REACHABLE  LEADS  LAG  LOG      FREE     WHY NOT
n0    1   yes        yes        0,1    0    3.0 MiB  5.0 GiB
n1    2   not asked  yes        -      0    -        -
n2    3   not asked  yes        -      0    -        -
";
    assert_eq!((code, &*out, &*err), (0, expected, ""));
    let (code, out, _) = ran(&["groups", "-o", "plain", "-e", &doors.endpoints], b"");
    let expected = "\
0 (meta)\tn0\t1\t9\t9\t0\t3 of 3\t4194304\t-
1\tn0\t1\t9\t9\t1024\t3 of 3\t4194304\t7
";
    assert_eq!((code, &*out), (0, expected));
    for (verb, field, values) in [("nodes", "name", ["n0", "n1"]), ("groups", "leader", ["n0"; 2])]
    {
        let (_, out, _) = ran(&[verb, "-o", "ndjson", "-e", &doors.endpoints], b"");
        for (line, value) in out.lines().zip(values) {
            let object: Value = serde_json::from_str(line).unwrap();
            assert_eq!(object[field], value, "{line}");
        }
    }
    let (code, out, err) = ran(&["nodes", "-e", &nobody()], b"");
    assert_eq!((code, &*out), (4, ""), "{err}");
}

#[test]
fn health_is_a_code_and_a_reason() {
    let doors = Doors::open(2);
    let ask = |flags: &[&str], endpoints: &str| {
        ran(&[&["health", "-e", endpoints][..], flags].concat(), b"")
    };
    let (code, out, err) = ask(&["-o", "plain"], &doors.endpoints);
    let two = doors.endpoints.replace(',', "\tyes\t\n") + "\tyes\t\n";
    assert_eq!((code, &*out, &*err), (0, &*two, ""));
    assert_eq!(ask(&["-q"], &doors.endpoints), (0, String::new(), String::new()));

    *doors.fake.unready.lock() = Some("disk is full".to_owned());
    let (code, out, err) = ask(&[], &doors.endpoints);
    assert!(code == 10 && err.starts_with("hint: "), "{out}{err}");
    let (code, out, _) = ask(&["-q"], &doors.endpoints);
    assert!(code == 10 && out.contains("no     storage: disk is full\n"), "{out}");
    assert_eq!(ask(&["--live"], &doors.endpoints).0, 0);

    let one_is_gone = format!("{},{}", doors.endpoints, nobody());
    let (code, out, _) = ask(&["--live", "-o", "plain"], &one_is_gone);
    assert!(code == 10 && out.contains("\tno\tno answer: "), "{out}");
    let (code, out, err) = ask(&["-q"], &nobody());
    assert!(code == 4 && out.is_empty(), "{out}");
    assert!(err.starts_with("error: no endpoint says how it is:\n  http://"), "{err}");
}

#[test]
fn a_wait_ends_when_the_cluster_is_whole() {
    let doors = Doors::open(1);
    let mut founding = whole();
    founding.groups.truncate(1);
    doors.knows(founding);
    let mut waits = started(&["wait", "-o", "json", "-e", &doors.endpoints]);
    // The reason is there before the cluster is.
    let mut reasons = BufReader::new(waits.stderr.take().unwrap()).lines();
    assert_eq!(reasons.next().unwrap().unwrap(), "groups own 0 of 1024 shards yet");
    doors.knows(whole());
    let output = waits.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ready"], &json["groups"]), (&3.into(), &2.into()));
    assert!(reasons.next().is_none());
}

#[test]
fn a_wait_that_is_over_says_what_is_missing() {
    let doors = Doors::open(1);
    let mut halved = whole();
    halved.nodes[2].reachable = false;
    doors.knows(halved);
    let wait = |flags: &[&str]| {
        ran(&[&["wait", "-q", "--for", "300ms", "-e", &*doors.endpoints], flags].concat(), b"")
    };
    let (code, out, err) = wait(&[]);
    assert_eq!((code, &*out), (5, ""));
    let expected = "error: after 300ms: 2 of 3 nodes are ready; n2 is not reachable\nhint: ";
    assert!(err.starts_with(expected), "{err}");
    assert_eq!(wait(&["--nodes", "2"]).0, 0);
    let (code, _, err) = ran(&["wait", "-q", "--for", "200ms", "-e", &nobody()], b"");
    assert!(code == 5 && err.contains("no endpoint answers"), "{err}");
}

#[test]
fn a_row_has_a_place_and_replicas() {
    let doors = Doors::open(2);
    doors.knows(whole());
    doors.fake.plant("c", b"k", b"value");
    let args = ["inspect-key", "c", "k", "--replicas", "-o", "json", "-e", &doors.endpoints];
    let (code, out, err) = ran(&args, b"");
    assert_eq!((code, &*err), (0, ""));
    let place: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&place["group"], &place["leader"]), (&1.into(), &"n0".into()), "{out}");
    assert_eq!((&place["version"], &place["bytes"]), (&1.into(), &5.into()), "{out}");
    for (n, replica) in place["replicas"].as_array().unwrap().iter().enumerate() {
        assert_eq!(replica["state"], "same", "{out}");
        assert_eq!(replica["node"], format!("n{n}"), "{out}");
    }
    let (code, out, _) = ran(&["inspect-key", "c", "other", "-e", &doors.endpoints], b"");
    assert!(code == 3 && out.contains("version      -\n"), "{out}");
    let args = ["inspect-key", "c", "k", "--timeout", "300ms", "-e", &nobody()];
    let (code, out, err) = ran(&args, b"");
    assert_eq!((code, &*out), (4, ""), "{err}");
}

#[test]
fn who_watches_sees_changes_until_an_interrupt() {
    let doors = Doors::open(1);
    let args = ["status", "--watch", "--interval", "10ms", "-o", "ndjson", "-e", &doors.endpoints];
    doors.knows(whole());
    let mut watch = started(&args);
    let mut screens = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let sees = |line: &str, id: &str| line.contains(&format!("\"cluster_id\":\"{id}\""));
    assert!(sees(&screens.next().unwrap(), "c1"));
    let mut other = whole();
    other.cluster_id = "c2".to_owned();
    doors.knows(other);
    assert!(screens.any(|line| sees(&line, "c2")));
    interrupt(watch.id());
    assert!(screens.all(|line| line.is_empty() || sees(&line, "c2")));
    let mut err = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((watch.wait().unwrap().code(), &*err), (Some(0), ""));
}

#[test]
fn a_watch_ends_when_nobody_reads_it() {
    let doors = Doors::open(1);
    let args = ["status", "--watch", "--interval", "10ms", "-e", &doors.endpoints];
    let mut watch = started(&args);
    drop(watch.stdout.take());
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}
