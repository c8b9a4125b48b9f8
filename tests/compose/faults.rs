//! Faults: what do clients of the proxy see when containers fail?

use std::time::{Duration, Instant};

use tests::compose::Compose;
use tests::deadline::until;
use tests::workload::{Size, Workload};
use tests::{Command, NODES, Protocol};

const PROGRESS_MAX: Duration = Duration::from_secs(30);

/// 32 clients that send each request once, and a few that retry under a key.
const LOAD: Size = Size { writers: 6, soloists: 32, readers: 4, keys: 24 };

fn load(compose: &Compose, collection: &str) -> Workload {
    // Each client has connections of its own, as 42 programs would.
    let clients = (0..LOAD.soloists)
        .map(|n| compose.client(if n % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 }));
    Workload::start(clients.collect(), collection, LOAD)
}

async fn judged(compose: &Compose, load: Workload, failures_allowed: bool) {
    let ledger = load.finish().await;
    let (sent, failed) = ledger.solos();
    let share = format!("{} of {sent} requests failed: {:?}", failed.len(), failed.first());
    eprintln!("       {share}, last {}", ledger.last_failure());
    assert!(failures_allowed || failed.is_empty(), "{share}, last {}", ledger.last_failure());
    assert!(sent > 500, "too little happened: {sent} requests");
    compose.wait_whole().await;
    ledger.judge(&[compose.client(Protocol::Http2)]).await;
}

/// Zero failed requests, whoever dies or is stopped, leaders included.
pub async fn stops_and_kills_fail_no_request(compose: &Compose) {
    let load = load(compose, "kills");
    for n in 0..NODES {
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        let node = match n {
            0 => compose.leader(1).await,
            1 => compose.leader(2).await,
            other => other,
        };
        compose.docker(&["kill", &compose.node(node)]);
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        compose.docker(&["start", &compose.node(node)]);
        compose.wait_whole().await;
    }
    eprintln!("       one after the other killed: {:?}", load.ledger().solos().1.len());
    for first in [0, 1, 2] {
        let pair = [compose.node(first), compose.node(first + 2)];
        compose.docker(&["kill", &pair[0], &pair[1]]);
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        compose.docker(&["start", &pair[0], &pair[1]]);
        compose.wait_whole().await;
    }
    eprintln!("       two at once killed: {:?}", load.ledger().solos().1.len());
    for n in 0..NODES {
        let start = Instant::now();
        compose.docker(&["stop", &compose.node(n)]);
        assert!(start.elapsed() < Duration::from_secs(10), "stopped in {:?}", start.elapsed());
        let exit = ["inspect", "--format", "{{.State.ExitCode}}", &compose.node(n)];
        assert_eq!(compose.docker(&exit).trim(), "0", "a told stop is a clean one");
        load.wait_acknowledged(100, PROGRESS_MAX).await;
        compose.docker(&["start", &compose.node(n)]);
        compose.wait_whole().await;
    }
    eprintln!("       rolling restart: {:?}", load.ledger().solos().1.len());
    judged(compose, load, false).await;
}

/// Requests on a frozen node may end as unknown; nothing is lost or doubled, and
/// the others serve.
pub async fn frozen_and_cut_off_nodes_are_left_behind(compose: &Compose) {
    let load = load(compose, "freezes");
    let network = "rdbtest_cluster";
    for (first, second) in [(compose.leader(1).await, None), (2, Some(4)), (0, Some(3))] {
        let nodes: Vec<_> = [Some(first), second].into_iter().flatten().collect();
        for n in &nodes {
            compose.pause(*n).await;
        }
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        for n in &nodes {
            compose.docker(&["unpause", &compose.node(*n)]);
        }
        compose.wait_whole().await;
        for n in &nodes {
            compose.docker(&["network", "disconnect", network, &compose.node(*n)]);
        }
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        for n in &nodes {
            let alias = format!("rdb_replica_{n}");
            let name = compose.node(*n);
            compose.docker(&["network", "connect", "--alias", &alias, network, &name]);
        }
        compose.wait_whole().await;
    }
    judged(compose, load, true).await;
}

/// Nothing acknowledged is lost, and the proxy may go as well.
pub async fn all_die_and_come_back(compose: &Compose) {
    let load = load(compose, "all");
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    let all: Vec<_> = (0..NODES).map(|n| compose.node(n)).collect();
    let words = |verb: &'static str| [verb].into_iter().chain(all.iter().map(String::as_str));
    compose.docker(&words("kill").collect::<Vec<_>>());
    compose.docker(&words("start").collect::<Vec<_>>());
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    compose.docker(&["restart", &compose.proxy()]);
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    judged(compose, load, true).await;
}

/// No node is ready then, and the proxy finds one all the same.
pub async fn full_disks_leave_reads_and_deletes(compose: &Compose) {
    let client = compose.client(Protocol::Http2);
    client.ok(&Command::put_key("full", "k", "v")).await;
    let up = ["up", "--detach", "--no-build"];
    compose.compose_with("RDB_DISK_RESERVE", "1000000GiB", &up);
    let asked = async |what: &str, command: Command, status: u16, applied: &str| {
        until(what, PROGRESS_MAX, async || match client.send(&command).await {
            Ok(answer) if answer.status == status && answer.header("rdb-applied") == applied => {
                Ok(answer)
            }
            other => Err(format!("{other:?}")),
        })
        .await
    };
    asked("a refused write", Command::put_key("full", "other", "v"), 507, "no").await;
    let row = asked("a read", Command::get_key("full", "k"), 200, "").await.triple();
    assert_eq!(row.value, "v");
    asked("a delete", Command::delete_key("full", "k"), 200, "").await;
    compose.compose_with("RDB_DISK_RESERVE", "512MiB", &up);
    compose.wait_whole().await;
    client.ok(&Command::put_key("full", "k", "again")).await;
}
