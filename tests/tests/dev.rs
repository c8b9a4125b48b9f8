//! Dev: does one command make a cluster, mind it and clear it away?

use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::deadline::until;
use tests::process::all_of;
use tests::{Cluster, Command};

const NOTICE_MAX: Duration = Duration::from_secs(5);
const READY_MAX: Duration = Duration::from_secs(20);

async fn says(cluster: &Cluster, words: &[&str]) {
    until(&format!("{words:?} in the output of rdb dev"), NOTICE_MAX, async || {
        let output = cluster.dev_output();
        let found = output.lines().any(|line| words.iter().all(|word| line.contains(word)));
        if found { Ok(()) } else { Err(output) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_says_what_it_made_and_its_curl_line_works_as_pasted() {
    let cluster = Cluster::start().await;
    for path in [&cluster.ca, &cluster.client_cert, &cluster.client_key] {
        assert!(path.is_absolute(), "{}", path.display());
        assert!(path.is_file(), "{}", path.display());
    }
    assert!(!cluster.cluster_id.is_empty());
    for (index, node) in cluster.nodes.iter().enumerate() {
        assert_eq!(node.name, format!("rdb_replica_{index}"));
        assert!(node.data.is_absolute());
        assert!(Path::new(&node.command[0]).is_absolute(), "{:?}", node.command);
        assert!(cluster.directory().join(format!("node-{index}.toml")).is_file());
        let status = node.status().await.unwrap();
        assert_eq!((&*status.node, status.node_id), (&*node.name, node.node_id));
        assert_eq!(status.cluster_id, cluster.cluster_id);
        says(&cluster, &[&node.name, node.client.base()]).await;
    }
    let output = cluster.dev_output();
    let curl = output.lines().map(str::trim).find(|line| line.starts_with("curl "));
    let curl = curl.unwrap_or_else(|| panic!("no curl line in {output}"));
    let answer = Process::new("sh").arg("-c").arg(curl).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_else(|error| {
        panic!("{error}: {curl}: {}", String::from_utf8_lossy(&answer.stderr))
    });
    assert_eq!(json["value"], "hello", "{json}");
    let curl = Process::new("sh").arg("-c").arg(format!("{curl} --http1.1 -sS -i")).output();
    let text = String::from_utf8_lossy(&curl.unwrap().stdout).into_owned();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_reports_a_death_restarts_nothing_and_stops_restarted_nodes() {
    let mut cluster = Cluster::start().await;
    cluster.node(0).client.ok(&Command::put("dev", "kept")).await;
    let node = cluster.node(2);
    node.kill();
    says(&cluster, &[&node.name, "died"]).await;
    cluster.node(0).client.ok(&Command::put("dev", "without it")).await;
    assert!(!node.runs(), "rdb dev restarted it");
    node.start_ready(READY_MAX).await;
    says(&cluster, &[&node.name, "back"]).await;
    node.client.ok(&Command::get("dev", "without it")).await;

    let directory = cluster.directory();
    assert_eq!(cluster.end_dev(Signal::SIGTERM), Some(0), "{}", cluster.dev_output());
    assert_eq!(all_of(&directory), [0; 0], "processes are left");
    for node in &cluster.nodes {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }

    let id = cluster.cluster_id.clone();
    cluster.resume(&[]).await;
    assert_eq!(cluster.cluster_id, id);
    for node in &cluster.nodes {
        assert_eq!(node.client.ok(&Command::get("dev", "kept")).await.triple().value, "kept");
    }
    assert_eq!(cluster.end_dev(Signal::SIGINT), Some(0), "{}", cluster.dev_output());
    assert_eq!(all_of(&directory), [0; 0], "processes are left");

    cluster.resume(&["--fresh"]).await;
    assert_ne!(cluster.cluster_id, id);
    assert_eq!(cluster.node(0).client.ok(&Command::get("dev", "kept")).await.triple().value, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_takes_over_nodes_that_outlived_its_own_death() {
    let mut cluster = Cluster::start().await;
    cluster.node(0).client.ok(&Command::put("dev", "kept")).await;
    let pids: Vec<_> = cluster.nodes.iter().map(tests::Node::pid).collect();
    assert_eq!(cluster.end_dev(Signal::SIGKILL), None);
    cluster.node(1).client.ok(&Command::put("dev", "without dev")).await;
    cluster.resume(&[]).await;
    assert_eq!(cluster.nodes.iter().map(tests::Node::pid).collect::<Vec<_>>(), pids);
    let directory = cluster.directory();
    assert_eq!(cluster.end_dev(Signal::SIGTERM), Some(0), "{}", cluster.dev_output());
    assert_eq!(all_of(&directory), [0; 0], "processes are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_the_start_leaves_nothing() {
    let mut cluster = Cluster::start().await;
    assert_eq!(cluster.end_dev(Signal::SIGTERM), Some(0));
    let directory = cluster.directory();
    let before = cluster.dev_output().len();
    cluster.spawn_dev(&[]);
    until("the first node's start", NOTICE_MAX, async || {
        let output = cluster.dev_output();
        let new = output.get(before..).unwrap_or_default();
        if new.contains("started") { Ok(()) } else { Err(new.to_owned()) }
    })
    .await;
    assert_eq!(cluster.end_dev(Signal::SIGTERM), Some(0), "{}", cluster.dev_output());
    assert_eq!(all_of(&directory), [0; 0], "processes are left");
    cluster.resume(&[]).await;
}
