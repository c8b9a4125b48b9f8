//! Inspect: can one look into a data directory, and is damage found?

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command as Process, Output};
use std::time::Duration;

use serde_json::Value;
use tests::binary::inspect;
use tests::bulk::Bulk;
use tests::{Cluster, Command, Node, Options};

const READY_MAX: Duration = Duration::from_secs(20);
const BULK: Bulk = Bulk { rows: 2500, value_bytes: 400, writers: 32 };
const STORAGE_FAULT: Option<i32> = Some(20);

fn text(output: &Output) -> String {
    let bytes = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shown(directory: &Path, args: &[&str]) -> String {
    let output = inspect(directory, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

fn json(directory: &Path, what: &str) -> Value {
    let output = inspect(directory, &[what, "-o", "json"]);
    assert!(output.status.success(), "{what}: {}", text(&output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{what}: {error}: {}", text(&output)))
}

fn every_view(node: &Node, cluster: &Cluster) {
    assert!(shown(&node.data, &[]).contains(&cluster.cluster_id));
    for what in ["summary", "log", "votes", "state", "snapshots", "verify"] {
        assert!(!shown(&node.data, &[what]).is_empty(), "{what}");
        let json = json(&node.data, what);
        assert!(!json.is_null(), "{what}: {json}");
    }
    let log = shown(&node.data, &["log", "--group", "1"]);
    assert!(log.lines().count() > 5, "{log}");
    let snapshots = json(&node.data, "snapshots").to_string();
    for path in node.snapshots(1) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(snapshots.contains(name), "{name} in {snapshots}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_and_a_stopped_node_show_log_votes_state_and_snapshots() {
    let cluster = Cluster::start_with(Options::default().small_snapshots()).await;
    BULK.load(&cluster.clients()).await;
    let node = cluster.node(1);
    tests::deadline::until("a snapshot", READY_MAX, async || {
        if node.snapshots(1).is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
    })
    .await;
    every_view(node, &cluster);
    node.client.ok(&Command::put("rows", "after the look")).await;
    node.kill();
    every_view(node, &cluster);
    debian_tools_read(node);
    node.start_ready(READY_MAX).await;
    node.terminate();
    every_view(node, &cluster);
    debian_tools_read(node);
    node.start_ready(READY_MAX).await;
    cluster.wait_caught_up(READY_MAX).await;

    let none = inspect(cluster.root(), &[]);
    assert!(!none.status.success(), "{}", text(&none));
    let none = inspect(Path::new("/nowhere/at/all"), &["verify"]);
    assert!(!none.status.success(), "{}", text(&none));
}

/// Debian's lmdb-utils; `.ci/run` installs them.
fn debian_tools_read(node: &Node) {
    for environment in [node.replication(), node.state(0), node.state(1), node.state(2)] {
        for tool in [["mdb_stat", "-a"], ["mdb_dump", "-a"]] {
            let output = Process::new(tool[0]).arg(tool[1]).arg(&environment).output();
            let output = output
                .unwrap_or_else(|error| panic!("{}: {error}; apt-get install lmdb-utils", tool[0]));
            assert!(
                output.status.success(),
                "{tool:?} {}: {}",
                environment.display(),
                text(&output)
            );
            let lines = text(&output).lines().count();
            assert!(lines > 10, "{tool:?} {}: {}", environment.display(), text(&output));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_in_log_state_or_snapshot_is_found() {
    let cluster = Cluster::start_with(Options::default().small_snapshots()).await;
    BULK.load(&cluster.clients()).await;
    let marker = "a value that is easily found in a file ".repeat(4);
    cluster.node(0).client.ok(&Command::put_key("rows", "marked", &marker)).await;
    cluster.wait_caught_up(READY_MAX).await;
    let node = cluster.node(2);
    tests::deadline::until("a snapshot", READY_MAX, async || {
        if node.snapshots(1).is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
    })
    .await;
    node.terminate();
    shown(&node.data, &["verify"]);
    let of_group = [1, 2].map(|gid| node.state(gid).join("data.mdb"));
    let state = of_group.iter().find(|path| !positions(path, &marker).is_empty());
    let state = state.expect("one of the groups has the row").clone();
    found_when_flipped(node, &state, &positions(&state, &marker));
    let log = node.replication().join("data.mdb");
    let entry = positions(&log, &marker);
    assert!(!entry.is_empty(), "the log lacks the entry");
    found_when_flipped(node, &log, &entry);
    let snapshot = node.snapshots(1).pop().unwrap();
    let middle = fs::metadata(&snapshot).unwrap().len() / 2;
    found_when_flipped(node, &snapshot, &[middle]);
    shown(&node.data, &["verify"]);
    node.start_ready(READY_MAX).await;
}

/// Where `words` stand in the file: in the page in use, and in ones it replaced.
fn positions(path: &Path, words: &str) -> Vec<u64> {
    let bytes = fs::read(path).unwrap();
    let windows = bytes.windows(words.len()).enumerate();
    let found = windows.filter(|(_, window)| *window == words.as_bytes());
    found.map(|(at, _)| at as u64).collect()
}

/// Flips a bit, expects that verifying finds it, and flips it back.
fn found_when_flipped(node: &Node, path: &Path, at: &[u64]) {
    at.iter().for_each(|&at| flip(path, at));
    let output = inspect(&node.data, &["verify"]);
    assert_eq!(output.status.code(), STORAGE_FAULT, "{}: {}", path.display(), text(&output));
    let output = inspect(&node.data, &["verify", "-o", "json"]);
    assert_eq!(output.status.code(), STORAGE_FAULT, "{}: {}", path.display(), text(&output));
    at.iter().for_each(|&at| flip(path, at));
}

fn flip(path: &Path, at: u64) {
    let mut file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x10]).unwrap();
}

/// A node must not go on with a log that is not what it wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_damaged_value_never_shows_it() {
    let cluster = Cluster::start().await;
    let marker = "this value is going to be damaged on one disk ".repeat(4);
    cluster.node(0).client.ok(&Command::put_key("rows", "marked", &marker)).await;
    cluster.wait_caught_up(READY_MAX).await;
    let node = cluster.node(3);
    node.terminate();
    for gid in [1, 2] {
        let state = node.state(gid).join("data.mdb");
        positions(&state, &marker).into_iter().for_each(|at| flip(&state, at));
    }
    node.start();
    tests::deadline::until("an end or the true value", READY_MAX, async || {
        if node.ended().is_some() {
            return Ok(());
        }
        let get = Command::get_key("rows", "marked").stale();
        let answer = node.send(&get).await.map_err(|none| none.why)?;
        if answer.status != 200 {
            return Err(format!("{}: {}", answer.status, answer.text()));
        }
        assert_eq!(answer.triple().value, marker, "it shows the damaged value");
        Ok(())
    })
    .await;
    for other in cluster.nodes.iter().filter(|other| other.index != 3) {
        let found = other.client.ok(&Command::get_key("rows", "marked")).await.triple();
        assert_eq!(found.value, marker);
    }
}
