//! Faults: what do clients of the proxy see when containers fail?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::compose::Compose;
use tests::deadline::until;
use tests::workload::{Size, Workload};
use tests::{Client, Command, NODES, Protocol};

const PROGRESS_MAX: Duration = Duration::from_secs(30);
/// `tune.bufsize` in deploy/haproxy.cfg.
const PROXY_BUFFER_BYTES: usize = 64 << 10;

/// 32 clients that send each request once, and a few that retry under a key.
const LOAD: Size = Size { writers: 6, soloists: 32, readers: 4, keys: 24 };

fn load(compose: &Compose, collection: &str) -> Workload {
    // Each client has connections of its own, as 42 programs would.
    let clients = (0..LOAD.soloists)
        .map(|n| compose.client(if n % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 }));
    Workload::start(clients.collect(), collection, LOAD)
}

/// Waits for the end of `load` and judges it. At most `failures_max` requests that were
/// sent once may have failed, whatever was known of their outcome.
async fn judged(compose: &Compose, load: Workload, failures_max: usize) {
    let ledger = load.finish().await;
    let (sent, failed) = ledger.solos();
    let share = format!("{} of {sent} requests failed: {:?}", failed.len(), failed.first());
    eprintln!("       {share}, last {}", ledger.last_failure());
    assert!(failed.len() <= failures_max, "{share}, last {}", ledger.last_failure());
    assert!(sent > 500, "too little happened: {sent} requests");
    compose.wait_whole().await;
    ledger.judge(&[compose.client(Protocol::Http2)]).await;
}

/// Zero failed requests, whoever dies or is stopped, leaders included.
pub async fn stops_and_kills_fail_no_request(compose: &Compose, round: u32) {
    let load = load(compose, &format!("kills-{round}"));
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
    for (first, second) in (0..NODES).flat_map(|n| (0..n).map(move |other| (n, other))) {
        let pair = [compose.node(first), compose.node(second)];
        compose.docker(&["kill", &pair[0], &pair[1]]);
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        compose.docker(&["start", &pair[0], &pair[1]]);
        compose.wait_whole().await;
    }
    eprintln!("       two at once killed: {:?}", load.ledger().solos().1.len());
    let restarted = Arc::new(AtomicBool::new(false));
    let client = compose.client(Protocol::Http1);
    let long = tokio::spawn(put_long_values(client, Arc::clone(&restarted)));
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
    restarted.store(true, Ordering::Relaxed);
    let long = long.await.expect("a told stop fails no request that cannot be repeated");
    assert!(long > 20, "too little happened: {long} long values");
    judged(compose, load, 0).await;
}

/// Puts values that are too long for the proxy to repeat, one after the other.
/// Returns how many; each must be acknowledged.
async fn put_long_values(client: Client, enough: Arc<AtomicBool>) -> usize {
    let value = "x".repeat(4 * PROXY_BUFFER_BYTES);
    let mut done = 0;
    while !enough.load(Ordering::Relaxed) {
        client.ok(&Command::put_key("long", "k", &value)).await;
        done += 1;
    }
    done
}

/// What a frozen node had is asked of another one. That takes seconds, and a request
/// may run out of time; but none that came later does.
pub async fn frozen_and_cut_off_nodes_are_left_behind(compose: &Compose) {
    let load = load(compose, "freezes");
    let network = "rdbtest_cluster";
    let frozen = [vec![compose.leader(1).await], vec![2, 4], vec![0, 3]];
    for nodes in &frozen {
        for n in nodes {
            compose.pause(*n).await;
        }
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        for n in nodes {
            compose.docker(&["unpause", &compose.node(*n)]);
        }
        compose.wait_whole().await;
        for n in nodes {
            compose.docker(&["network", "disconnect", network, &compose.node(*n)]);
        }
        load.wait_acknowledged(200, PROGRESS_MAX).await;
        for n in nodes {
            let alias = format!("rdb_replica_{n}");
            let name = compose.node(*n);
            compose.docker(&["network", "connect", "--alias", &alias, network, &name]);
        }
        compose.wait_whole().await;
    }
    let frozen_and_cut_off = 2 * frozen.len();
    judged(compose, load, frozen_and_cut_off * LOAD.soloists as usize).await;
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
    let log = compose.docker_logs(&compose.proxy());
    let ended = |line: &&str| line.contains("Current worker") && line.contains("exited with code");
    let ends: Vec<_> = log.lines().filter(ended).collect();
    assert!(ends.iter().all(|end| end.contains("code 0")) && !ends.is_empty(), "{ends:?}");
    load.wait_acknowledged(200, PROGRESS_MAX).await;
    judged(compose, load, usize::MAX).await;
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
