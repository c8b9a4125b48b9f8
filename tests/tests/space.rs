//! Space: what does the cluster do when disks are nearly full?

use std::time::Duration;

use tests::deadline::until;
use tests::{Cluster, Command};

const REFUSED_MAX: Duration = Duration::from_secs(30);
const NO_ROOM: [&str; 2] = ["env", "RDB_STORAGE_DISK_RESERVE=1000000GiB"];

/// Whoever leads has no room, and the node that is asked has.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_room_refuses_the_writes_that_others_send_it() {
    let cluster = Cluster::start().await;
    let roomy = &cluster.node(4).client;
    let keys: Vec<_> = (0..60).map(|n| format!("k{n}")).collect();
    for key in &keys {
        roomy.ok(&Command::put_key("rows", key, "v")).await;
    }
    for node in &cluster.nodes {
        node.kill();
    }
    for node in &cluster.nodes[..4] {
        node.start_through(&NO_ROOM.map(str::to_owned));
    }
    for gid in cluster.groups() {
        cluster.leader(gid).await;
    }
    cluster.node(4).start();
    // Told to stop, it hands over whatever it has come to lead.
    until("a node with room that leads nothing", REFUSED_MAX, async || {
        let mut led = Vec::new();
        for gid in cluster.groups() {
            led.push(cluster.leader(gid).await.index);
        }
        if led.contains(&4) {
            cluster.node(4).terminate();
            cluster.node(4).start();
            return Err(format!("{led:?}"));
        }
        Ok(())
    })
    .await;

    let refused = until("a refused write", REFUSED_MAX, async || {
        match roomy.send(&Command::put_key("rows", "new", "v")).await {
            Ok(answer) if answer.status == 507 => Ok(answer),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(refused.header("rdb-applied"), "no");
    let created = roomy.ask(&Command::create_collection("new")).await;
    assert_eq!((created.status, created.header("rdb-applied")), (507, "no"), "{created:?}");

    // Deletes ride in one batch with writes, and must not share their fate.
    let puts = keys.iter().map(|key| (Command::put_key("rows", key, "w"), 507));
    let deletes = keys.iter().map(|key| (Command::delete_key("rows", key), 200));
    let asked = puts.zip(deletes).flat_map(|(put, delete)| [put, delete]);
    let answers = asked.map(async |(command, status)| {
        let answer = roomy.ask(&command).await;
        assert_eq!(answer.status, status, "{command:?}: {answer:?}");
    });
    futures::future::join_all(answers).await;
    for key in &keys {
        let gone = roomy.ok(&Command::get_key("rows", key)).await;
        assert_eq!(gone.version(), Some(0), "{key}: {gone:?}");
    }
    assert_eq!(roomy.ask(&Command::drop_collection("rows")).await.status, 200);
}
