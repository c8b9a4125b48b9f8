//! Readme: does every line of the page do what the page says?

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use tests::{Cluster, NODES, binary, readme};

/// The port of the first node in the page.
const PORT: usize = 8443;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_true_from_every_action_to_the_end_of_the_tour() {
    let cluster = Cluster::start().await;
    // The reader's place: the cluster, the binary and the ports as the page names them.
    let place = cluster.root().join("place");
    fs::create_dir_all(place.join("target/release")).unwrap();
    symlink(cluster.directory(), place.join("rdb-dev")).unwrap();
    symlink(binary::path(), place.join("target/release/rdb")).unwrap();
    let mut curl = String::new();
    for n in 0..NODES {
        let base = cluster.node(n).client.base();
        let address = base.strip_prefix("https://").unwrap();
        writeln!(curl, "connect-to = \"localhost:{}:{address}\"", PORT + n).unwrap();
    }
    fs::write(place.join(".curlrc"), curl).unwrap();
    let lines = readme::lines("## Every action", "## Limits");
    assert!(lines.len() > 30, "{lines:?}");
    let mut shell = Command::new("bash");
    shell.current_dir(&place).env("HOME", &place).env_remove("CURL_HOME");
    tokio::task::block_in_place(|| readme::check(&lines, &mut shell, cluster.root(), ""));
}
