//! Snapshot: does a node that was away too long come back whole? And is there a
//! snapshot when somebody asks for one?

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use api::snapshot::{Goal, Noted};
use api::status::SnapshotStatus;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tests::bulk::Bulk;
use tests::deadline::until;
use tests::scrape::scrape;
use tests::{Cluster, Command, Node, Options};

const READY_MAX: Duration = Duration::from_secs(30);
const BULK: Bulk = Bulk { rows: 3000, value_bytes: 400, writers: 32 };

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_behind_the_purged_log_catches_up_by_snapshot() {
    let mut cluster = Cluster::start_with(Options::default().small_snapshots()).await;
    let leaders = [cluster.leader(1).await.index, cluster.leader(2).await.index];
    let away = cluster.nodes.iter().find(|node| !leaders.contains(&node.index)).unwrap().index;
    cluster.node(away).kill();
    let others: Vec<_> = cluster.running().map(|node| node.client.clone()).collect();
    let ids = Command::append("ids", "k", "once").id("while-it-was-away");
    others[0].ok(&ids).await;
    BULK.load(&others).await;
    others[0].ok(&Command::drop_collection("ids")).await;
    for gid in [1, 2] {
        let leader = cluster.leader(gid).await;
        until(&format!("a snapshot of group {gid}"), READY_MAX, async || {
            let found = leader.snapshots(gid);
            if found.is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
        })
        .await;
    }
    let away_node = cluster.node(away);
    let took = away_node.start_ready(READY_MAX).await;
    cluster.wait_caught_up(READY_MAX).await;
    eprintln!("ready after {took:?}");
    for gid in [1, 2] {
        assert!(!away_node.snapshots(gid).is_empty(), "it caught up without a snapshot of {gid}");
        let count = |what: &str| format!("rdb_snapshot_{what}_seconds_count{{group=\"{gid}\"}}");
        assert!(scrape(away_node).await.value(&count("install_duration")) >= 1.0);
        let leader = scrape(cluster.leader(gid).await).await;
        assert!(leader.value(&count("build_duration")) >= 1.0);
        assert!(leader.value(&format!("rdb_snapshot_bytes{{group=\"{gid}\"}}")) > 0.0);
    }
    has_every_row(away_node).await;
    assert!(away_node.client.ok(&ids).await.is_replay());

    let away_node = cluster.node(away);
    away_node.kill();
    away_node.start_ready(READY_MAX).await;
    cluster.wait_caught_up(READY_MAX).await;
    has_every_row(away_node).await;
    cluster.kill_all();
    cluster.resume(&[]).await;
    BULK.verify(&cluster.clients(), 200).await;
}

/// Asks the node alone.
async fn has_every_row(node: &Node) {
    let alone = [node.client.clone()];
    BULK.verify_stale(&alone, BULK.rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_gzip_named_by_their_hash_and_old_ones_go() {
    let cluster = Cluster::start_with(Options::default().small_snapshots()).await;
    BULK.load(&cluster.clients()).await;
    BULK.load(&cluster.clients()).await;
    for node in &cluster.nodes {
        for gid in [1, 2] {
            until(&format!("a snapshot of group {gid} on {}", node.name), READY_MAX, async || {
                let found = node.snapshots(gid);
                if found.is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
            })
            .await;
        }
    }
    cluster.nodes.iter().for_each(Node::kill);
    for node in &cluster.nodes {
        for gid in [1, 2] {
            let snapshots = node.snapshots(gid);
            assert!(snapshots.len() <= 2, "old ones stay: {snapshots:?}");
            snapshots.iter().for_each(|path| is_whole(path));
        }
    }
}

/// Asks a node for snapshots, which it notes.
async fn ask(node: &Node) -> Noted {
    let answer = node.client.request("POST", "/v1/snapshots", "").await;
    let answer = answer.unwrap_or_else(|none| panic!("{}: {}", node.name, none.why));
    assert_eq!(answer.status, 202, "{}: {}", node.name, answer.text());
    let noted: Noted = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(noted.node, node.name);
    noted
}

/// The snapshots of a node, by group, once they hold what was noted.
async fn taken(node: &Node, noted: &Noted) -> BTreeMap<u32, SnapshotStatus> {
    until(&format!("snapshots of {}", node.name), READY_MAX, async || {
        let status = node.status().await?;
        let enough = |goal: &Goal| {
            let snapshot = status.group(goal.gid)?.snapshot.clone();
            Some((goal.gid, snapshot.filter(|snapshot| snapshot.index >= goal.index)?))
        };
        let all: Option<_> = noted.groups.iter().map(enough).collect();
        all.ok_or_else(|| format!("{noted:?}: {status:?}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_snapshots_gets_them_and_another_only_of_what_is_new() {
    let cluster = Cluster::start().await;
    let node = cluster.node(0);
    let answer = node.client.ok(&Command::put_key("users", "alice", "1")).await;
    let written = answer.group().unwrap();
    cluster.wait_caught_up(READY_MAX).await;
    assert!(cluster.groups().into_iter().all(|gid| node.snapshots(gid).is_empty()));

    let noted = ask(node).await;
    assert!(noted.groups.iter().map(|goal| goal.gid).eq(cluster.groups()), "{noted:?}");
    let first = taken(node, &noted).await;
    for (&gid, snapshot) in &first {
        let path = node.state(gid).join(&snapshot.file);
        assert_eq!(node.snapshots(gid), std::slice::from_ref(&path));
        assert_eq!(fs::metadata(&path).unwrap().len(), snapshot.bytes);
        is_whole(&path);
    }
    let others = cluster.nodes.iter().filter(|other| other.index != node.index);
    for other in others {
        assert!(other.snapshots(written).is_empty(), "{} was not asked", other.name);
    }

    // At once there is nothing new; after another row there is, in its group.
    ask(node).await;
    node.client.ok(&Command::put_key("users", "alice", "2")).await;
    cluster.wait_caught_up(READY_MAX).await;
    let noted = ask(node).await;
    let second = taken(node, &noted).await;
    assert!(second[&written].index > first[&written].index);
    is_whole(&node.state(written).join(&second[&written].file));
    let page = scrape(node).await;
    for Goal { gid, index } in noted.groups {
        let series = format!("rdb_snapshot_build_duration_seconds_count{{group=\"{gid}\"}}");
        // A new leader's first entry is news as well.
        if index <= first[&gid].index {
            assert_eq!((page.value(&series), &second[&gid]), (1.0, &first[&gid]), "group {gid}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_has_sizes() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        until(&format!("sizes of {}", node.name), READY_MAX, async || {
            let status = node.status().await?;
            let storage = status.storage.ok_or("no storage")?;
            let measured = |bytes: Option<u64>| bytes.is_some_and(|bytes| bytes > 0);
            let states = status.groups.iter().all(|group| measured(group.state_bytes));
            let whole = measured(storage.log_bytes) && states && storage.free_bytes > 0;
            whole.then_some(()).ok_or_else(|| format!("{status:?}"))
        })
        .await;
    }
}

fn is_whole(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let hash = name.strip_prefix("state_").unwrap().strip_suffix(".gz").unwrap();
    assert_eq!(hash, hex::encode(Sha256::digest(&bytes)), "{}", path.display());
    let mut state = GzDecoder::new(File::open(path).unwrap());
    let unpacked = io::copy(&mut state.by_ref(), &mut io::sink()).unwrap();
    assert!(unpacked > u64::try_from(bytes.len()).unwrap(), "{}", path.display());
}
