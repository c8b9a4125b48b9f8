//! Identity: does a node know when a directory is not its own?

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::deadline::until;
use tests::workload::{Size, Workload};
use tests::{Cluster, Command, Effect, Node};

const READY_MAX: Duration = Duration::from_secs(20);
const PROGRESS_MAX: Duration = Duration::from_secs(15);
const REFUSED_MAX: Duration = Duration::from_secs(20);
/// The exit code for a directory that the node must not run on.
const REFUSED: Option<i32> = Some(22);

/// Waits until the node says why it is not ready, in words that say enough.
async fn waits_and_says(node: &Node, words: &[&str]) {
    until(&format!("the reason of {}", node.name), READY_MAX, async || {
        let answer = node.client.page("/readyz?verbose").await.map_err(|none| none.why)?;
        let says = words.iter().all(|word| answer.text().contains(word));
        if answer.status == 503 && says {
            Ok(())
        } else {
            Err(format!("{}: {}", answer.status, answer.text()))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_is_recognised_takes_no_part_and_says_what_to_do() {
    let cluster = Cluster::start().await;
    let before = cluster.node(0).status().await.unwrap();
    let size = Size { writers: 4, soloists: 2, readers: 1, keys: 20 };
    let load = Workload::start(cluster.clients(), "wiped", size);
    load.wait_acknowledged(50, PROGRESS_MAX).await;
    let wiped = cluster.node(3);
    wiped.kill();
    wiped.wipe();
    fs::create_dir_all(&wiped.data).unwrap();
    wiped.start();
    waits_and_says(wiped, &["wiped", &before.cluster_id, "restore"]).await;
    load.wait_acknowledged(100, PROGRESS_MAX).await;

    let own = wiped.status().await.unwrap();
    assert!(!own.ready);
    assert_eq!((own.node_id, &*own.cluster_id), (0, ""));
    assert!(own.groups.is_empty(), "{own:?}");
    let after = cluster.node(0).status().await.unwrap();
    let ids = |status: &api::status::Status| -> Vec<_> {
        status.nodes.iter().map(|node| (node.name.clone(), node.node_id)).collect()
    };
    assert_eq!(ids(&after), ids(&before), "it registered something");
    let refused = wiped.client.ask(&Command::put("wiped", "through the wiped node")).await;
    assert_eq!((refused.status, refused.effect()), (503, Effect::None), "{}", refused.text());
    let ledger = load.finish().await;
    let others: Vec<_> =
        cluster.nodes.iter().filter(|n| n.index != 3).map(|n| n.client.clone()).collect();
    ledger.judge(&others).await;
}

/// Two nodes and the wiped one would be a quorum, if it voted.
#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_never_votes() {
    let cluster = Cluster::start().await;
    cluster.node(0).client.ok(&Command::put_key("votes", "k", "before")).await;
    for node in &cluster.nodes[2..] {
        node.kill();
    }
    let wiped = cluster.node(2);
    wiped.wipe();
    fs::create_dir_all(&wiped.data).unwrap();
    wiped.start();
    waits_and_says(wiped, &["wiped"]).await;
    for _ in 0..2 {
        for node in &cluster.nodes[..2] {
            let answer = node.client.ask(&Command::put_key("votes", "k", "after")).await;
            assert!(matches!(answer.status, 503 | 504), "{}: {}", answer.status, answer.text());
        }
    }
    cluster.node(3).start_ready(READY_MAX).await;
    until("a quorum of three that were never wiped", PROGRESS_MAX, async || {
        let answer = cluster.node(0).send(&Command::put_key("votes", "k", "again")).await;
        let answer = answer.map_err(|none| none.why)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_wiped_nodes_found_nothing_over_the_data_of_the_fifth() {
    let mut cluster = Cluster::start().await;
    cluster.node(0).client.ok(&Command::put("rows", "acknowledged")).await;
    cluster.kill_all();
    for node in &cluster.nodes[1..] {
        node.wipe();
        fs::create_dir_all(&node.data).unwrap();
    }
    // First without the one that has data, then with it.
    cluster.nodes[1..].iter().for_each(Node::start);
    for node in &cluster.nodes[1..] {
        waits_and_says(node, &["no answer yet from", &cluster.node(0).name]).await;
    }
    cluster.node(0).start();
    for node in &cluster.nodes[1..] {
        waits_and_says(node, &["wiped", &cluster.cluster_id]).await;
    }
    for node in &cluster.nodes {
        let put = node.client.ask(&Command::put("rows", "new")).await;
        assert_ne!(put.status, 200, "{} serves", node.name);
        let status = node.status().await.unwrap();
        let own = if node.index == 0 { &*cluster.cluster_id } else { "" };
        assert_eq!(status.cluster_id, own, "{}", node.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_of_others_are_refused() {
    let cluster = Cluster::start().await;
    let [node, other] = [cluster.node(1), cluster.node(2)];
    let kept = cluster.root().join("kept");
    node.kill();
    fs::rename(&node.data, &kept).unwrap();

    fs::create_dir_all(&node.data).unwrap();
    fs::write(node.data.join("thesis.txt"), "not ours").unwrap();
    let ended = node.run_to_end(&[], REFUSED_MAX).await;
    assert_eq!(ended.code, REFUSED, "{}", ended.output);
    assert!(ended.output.contains("identity"), "{}", ended.output);
    assert_eq!(fs::read_to_string(node.data.join("thesis.txt")).unwrap(), "not ours");

    other.kill();
    fs::remove_dir_all(&node.data).unwrap();
    copy_directory(&other.data, &node.data);
    let ended = node.run_to_end(&[], REFUSED_MAX).await;
    assert_eq!(ended.code, REFUSED, "{}", ended.output);
    assert!(ended.output.contains(&other.name), "{}", ended.output);

    fs::remove_dir_all(&node.data).unwrap();
    copy_directory(&kept, &node.data);
    fs::remove_dir_all(node.replication()).unwrap();
    let ended = node.run_to_end(&[], REFUSED_MAX).await;
    assert_eq!(ended.code, REFUSED, "{}", ended.output);
    assert!(ended.output.contains("log"), "{}", ended.output);

    fs::remove_dir_all(&node.data).unwrap();
    fs::rename(&kept, &node.data).unwrap();
    node.start_ready(READY_MAX).await;
    other.start_ready(READY_MAX).await;
    cluster.wait_settled().await;
}

/// Same name, same ports, same certificates: only the cluster is another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_cluster_is_refused() {
    let mut cluster = Cluster::start().await;
    cluster.node(0).client.ok(&Command::put("rows", "of the first cluster")).await;
    assert_eq!(cluster.end_dev(Signal::SIGTERM), Some(0));
    let kept = cluster.root().join("kept");
    copy_directory(&cluster.node(4).data, &kept);
    let first = cluster.cluster_id.clone();
    cluster.resume(&["--fresh"]).await;
    assert_ne!(cluster.cluster_id, first);
    let node = cluster.node(4);
    node.kill();
    fs::remove_dir_all(&node.data).unwrap();
    copy_directory(&kept, &node.data);
    let ended = node.run_to_end(&[], REFUSED_MAX).await;
    assert_eq!(ended.code, REFUSED, "{}", ended.output);
    assert!(ended.output.contains("cluster"), "{}", ended.output);
    cluster.node(0).client.ok(&Command::put("rows", "of the second cluster")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_a_directory_is_refused_and_the_first_goes_on() {
    let cluster = Cluster::start().await;
    let node = cluster.node(0);
    let pid = node.pid().unwrap();
    let [https, peer] = cluster.spare_addresses();
    let elsewhere = ["--https-listen", &https, "--peer-listen", &peer];
    for args in [&[][..], &elsewhere] {
        let ended = node.run_to_end(args, REFUSED_MAX).await;
        assert_eq!(ended.code, REFUSED, "{}", ended.output);
        assert!(ended.output.contains(&pid.to_string()), "{}", ended.output);
    }
    assert_eq!(node.pid(), Some(pid));
    node.client.ok(&Command::put("rows", "still here")).await;
    let dev =
        tests::binary::command().args(["dev", "--data-dir"]).arg(cluster.directory()).output();
    let dev = dev.unwrap();
    assert_eq!(dev.status.code(), REFUSED, "{}", String::from_utf8_lossy(&dev.stderr));
    node.client.ok(&Command::put("rows", "and still")).await;
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
