//! Tests of the status screen: from nodes' answers to the text.

use client::Error;
use client::status::{
    GroupStatus, NodeStatus, ReplicaState, ReplicaStatus, Seen, SnapshotStatus, Status,
    StorageStatus,
};

use crate::cli::Form;
use crate::status::problem::{LAG_ENTRIES_MAX, problems};
use crate::status::report::Report;
use crate::status::screen::render;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A group of all nodes as `me` sees it, led by `a` if `me` knows.
fn group(me: &str, gid: u32, committed: u64) -> GroupStatus {
    let leads = me == "a";
    let replicas = NAMES.map(|name| ReplicaStatus {
        node: name.to_owned(),
        applied: (leads || name == me).then_some(committed),
        state: if name == "a" { ReplicaState::Leader } else { ReplicaState::Follower },
    });
    GroupStatus {
        gid,
        leader: Some("a".to_owned()),
        term: 2,
        committed,
        applied: committed,
        shards: if gid == 0 { 0 } else { 1024 },
        // Replicas of one state may differ in what they hold for it.
        state_bytes: Some(if leads { 1_300_000 } else { 2 << 20 }),
        snapshot: (gid == 1).then(|| snapshot(if leads { 40 } else { 70 })),
        replicas: replicas.into(),
    }
}

fn snapshot(index: u64) -> SnapshotStatus {
    SnapshotStatus { index, bytes: 5_000, file: format!("state_{index}.gz") }
}

/// What `me` says while it reaches only the nodes of `reached`.
fn status(me: &str, reached: &[&str], committed: u64) -> Status {
    let nodes = NAMES.iter().zip(1..).map(|(name, node_id)| {
        let reachable = *name == me || reached.contains(name);
        NodeStatus { name: (*name).to_owned(), node_id, reachable }
    });
    let place = NAMES.iter().position(|name| *name == me).unwrap();
    Status {
        cluster_id: "c1".to_owned(),
        node: me.to_owned(),
        node_id: place as u64 + 1,
        ready: true,
        reason: None,
        storage: Some(StorageStatus {
            log_bytes: Some(70 << 20),
            free_bytes: 5 << 30,
            reserve_bytes: 512 << 20,
        }),
        nodes: nodes.collect(),
        groups: vec![group(me, 0, 10), group(me, 1, committed)],
    }
}

fn seen(status: Status) -> Seen {
    Seen { endpoint: format!("https://{}:1", status.node), status: Ok(status) }
}

fn silent(name: &str) -> Seen {
    let error = Error::NotApplied { code: "unreachable".to_owned(), message: "refused".to_owned() };
    Seen { endpoint: format!("https://{name}:1"), status: Err(error) }
}

fn shown(seen: &[Seen], form: Form) -> String {
    let report = Report::of(seen);
    render(&report, &problems(&report), form)
}

fn wrongs(seen: &[Seen]) -> Vec<String> {
    problems(&Report::of(seen)).into_iter().map(|problem| problem.what).collect()
}

#[test]
fn a_healthy_cluster_is_one_screen() {
    let all = [
        seen(status("a", &NAMES, 99)),
        seen(status("b", &NAMES, 97)),
        seen(status("c", &NAMES, 99)),
    ];
    let expected = "\
cluster c1: 3 nodes, 2 groups, 1024 shards
healthy; tolerates the loss of 1 more node

NODE  ID  READY  REACHABLE  LOG       FREE     LAG 0  LAG 1
a     1   yes    yes        70.0 MiB  5.0 GiB  0      0
b     2   yes    yes        70.0 MiB  5.0 GiB  0      2
c     3   yes    yes        70.0 MiB  5.0 GiB  0      0

GROUP     LEADER  TERM  COMMITTED  APPLIED  SHARDS  REPLICAS  SIZE     SNAPSHOT
0 (meta)  a       2     10         10       0       3 of 3    1.2 MiB  -
1         a       2     99         99       1024    3 of 3    1.2 MiB  40
";
    assert_eq!(shown(&all, Form::Table), expected);
}

#[test]
fn a_node_that_is_gone_is_the_first_thing_one_reads() {
    let rest = [seen(status("a", &["b"], 99)), seen(status("b", &["a"], 99)), silent("c")];
    let expected = "\
cluster c1: 3 nodes, 2 groups, 1024 shards
4 problems; tolerates no further loss

NODE  ID  READY      REACHABLE  LOG       FREE     LAG 0  LAG 1
a     1   yes        yes        70.0 MiB  5.0 GiB  0      0
b     2   yes        yes        70.0 MiB  5.0 GiB  0      0
c     3   not asked  no         -         -        0      0

GROUP     LEADER  TERM  COMMITTED  APPLIED  SHARDS  REPLICAS  SIZE     SNAPSHOT
0 (meta)  a       2     10         10       0       2 of 3    1.2 MiB  -
1         a       2     99         99       1024    2 of 3    1.2 MiB  40

problem: group 0 cannot lose one more of its 2 reachable replicas
   hint: start again: c

problem: group 1 cannot lose one more of its 2 reachable replicas
   hint: start again: c

problem: c is not reachable
   hint: is its process up? its log says more

problem: https://c:1 gives no status: refused
   hint: is a node there, and does --cacert name the authority of its certificate?
";
    assert_eq!(shown(&rest, Form::Table), expected);
}

#[test]
fn plain_has_a_line_per_thing() {
    let expected = "\
cluster\tc1
spare\t1
node\ta\t1\tnot asked\tyes\t-\t-
node\tb\t2\tyes\tyes\t73400320\t5368709120
node\tc\t3\tnot asked\tyes\t-\t-
group\t0\ta\t2\t10\t10\t0\t2097152\t-
replica\t0\ta\tleader\t-\t-
replica\t0\tb\tfollower\t10\t0
replica\t0\tc\tfollower\t-\t-
group\t1\ta\t2\t99\t99\t1024\t2097152\t70
replica\t1\ta\tleader\t-\t-
replica\t1\tb\tfollower\t99\t0
replica\t1\tc\tfollower\t-\t-
";
    assert_eq!(shown(&[seen(status("b", &NAMES, 99))], Form::Plain), expected);
}

#[test]
fn json_has_everything_and_what_is_wrong_with_it() {
    let text = shown(&[seen(status("a", &["b"], 99)), silent("c")], Form::Json);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["cluster_id"], "c1");
    assert_eq!(json["spare"], 0);
    assert_eq!(json["nodes"][2]["reachable"], false);
    assert_eq!(json["groups"][1]["replicas"][0]["state"], "leader");
    assert_eq!(json["nodes"][0]["storage"]["free_bytes"], 5_368_709_120_u64);
    assert_eq!(json["nodes"][1]["storage"], serde_json::Value::Null);
    assert_eq!(json["groups"][1]["state_bytes"], 1_300_000);
    assert_eq!(json["groups"][1]["snapshot"]["file"], "state_40.gz");
    assert_eq!(json["endpoints"][1]["node"], serde_json::Value::Null);
    assert_eq!(json["problems"].as_array().unwrap().len(), 4);
}

#[test]
fn a_lost_majority_is_said_before_all_else() {
    let text = shown(&[seen(status("b", &[], 99))], Form::Table);
    assert!(text.contains("problems; a group is without a majority\n"), "{text}");
    let wrongs = wrongs(&[seen(status("b", &[], 99))]);
    assert_eq!(wrongs[0], "group 0 has no majority: 1 of 3 replicas are reachable");
}

#[test]
fn of_two_views_the_higher_term_is_right() {
    let mut new = status("b", &NAMES, 50);
    new.groups[1].term = 3;
    new.groups[1].leader = Some("b".to_owned());
    let report = Report::of(&[seen(status("a", &NAMES, 60)), seen(new)]);
    let group = &report.groups[1];
    assert_eq!((group.leader.as_deref(), group.term, group.committed), (Some("b"), 3, 60));
}

#[test]
fn a_group_that_elects_is_told_from_one_that_cannot() {
    let mut leaderless = status("b", &NAMES, 50);
    leaderless.groups[1].leader = None;
    let wrongs = wrongs(&[seen(leaderless)]);
    assert_eq!(wrongs, ["group 1 has no leader, though 3 of 3 replicas are reachable"]);
}

#[test]
fn of_sizes_the_leaders_counts_or_else_the_most_that_is_known() {
    let sizes = |seen: &[Seen]| {
        let group = Report::of(seen).groups.remove(1);
        (group.state_bytes.unwrap(), group.snapshot.unwrap().index)
    };
    let [a, b] = ["a", "b"].map(|name| seen(status(name, &NAMES, 99)));
    let mut newer = status("c", &NAMES, 99);
    newer.groups[1].snapshot = Some(snapshot(80));
    assert_eq!(sizes(&[a, b.clone(), seen(newer.clone())]), (1_300_000, 40));
    assert_eq!(sizes(&[b, seen(newer)]), (2 << 20, 80));
}

#[test]
fn a_node_below_its_reserve_is_a_problem() {
    let with_free = |free_bytes| {
        let mut status = status("b", &NAMES, 9);
        status.storage = status.storage.map(|storage| StorageStatus { free_bytes, ..storage });
        wrongs(&[seen(status)])
    };
    assert_eq!(with_free(512 << 20), [""; 0]);
    let expected = "b has 511.9 MiB of free disk, less than its reserve of 512.0 MiB";
    assert_eq!(with_free((512 << 20) - 1), [expected]);
}

#[test]
fn what_an_older_node_does_not_measure_is_a_dash() {
    let mut older = status("a", &NAMES, 9);
    older.storage = None;
    for group in &mut older.groups {
        (group.state_bytes, group.snapshot) = (None, None);
    }
    let text = shown(&[seen(older)], Form::Table);
    assert!(text.contains("\na     1   yes        yes        -    -     0      0\n"), "{text}");
    assert!(text.contains("3 of 3    -     -\n"), "{text}");
}

#[test]
fn a_cut_between_two_nodes_is_seen_from_a_third() {
    let all = [seen(status("a", &["b"], 9)), seen(status("b", &NAMES, 9))];
    assert_eq!(wrongs(&all), ["c is up, but not reachable from a"]);
}

#[test]
fn little_lag_is_no_news() {
    let behind =
        |lag| wrongs(&[seen(status("a", &NAMES, 10_000)), seen(status("b", &NAMES, 10_000 - lag))]);
    assert_eq!(behind(LAG_ENTRIES_MAX), [""; 0]);
    assert_eq!(behind(LAG_ENTRIES_MAX + 1), ["b is 1001 entries behind in group 1"]);
}

#[test]
fn a_node_that_waits_says_why() {
    let mut waiting = status("c", &NAMES, 9);
    waiting.ready = false;
    waiting.reason = Some("catching\nup".to_owned());
    let text = shown(&[seen(waiting)], Form::Table);
    assert!(text.contains("problem: c is not ready: catching\\nup\n"), "{text}");
}

#[test]
fn two_clusters_are_not_mixed() {
    let mut foreign = status("c", &[], 5_000_000);
    foreign.cluster_id = "c2".to_owned();
    let all = [seen(status("a", &NAMES, 9)), seen(foreign), seen(status("b", &NAMES, 9))];
    assert_eq!(wrongs(&all), ["https://c:1 is of another cluster: c2"]);
    assert_eq!(Report::of(&all).groups[1].committed, 9);
}

#[test]
fn before_there_is_a_cluster_that_is_the_news() {
    let empty = Status { node: "a".to_owned(), ..Status::default() };
    let text = shown(&[seen(empty)], Form::Table);
    let start = "cluster (none): 1 nodes, 0 groups, 0 shards\n2 problems\n";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("problem: no node that answered is part of a cluster yet\n"), "{text}");
}
