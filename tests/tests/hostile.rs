//! Hostile: what do nodes make of requests that nobody should send?

use std::time::{Duration, Instant};

use futures::future::join_all;
use tests::deadline::until;
use tests::raw::{Raw, Silence, knock, knock_plain, request, tcp};
use tests::{Client, Cluster, Command, Effect, Node, Options, process};
use tokio::io::AsyncWriteExt;

/// What half of the answers take at most, and what none exceeds, on two cores
/// that run ten nodes and their clients.
const FAST_MEDIAN: Duration = Duration::from_millis(250);
const FAST_MAX: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// Longer than a node waits for a head or a body.
const CUT_MAX: Duration = Duration::from_secs(60);
const MEGABYTE: u64 = 1 << 20;

/// The last committed index of each data group, as far as anyone knows.
async fn committed(cluster: &Cluster) -> u64 {
    let statuses = cluster.statuses().await;
    let of = |gid| statuses.iter().filter_map(|s| Some(s.group(gid)?.committed)).max().unwrap_or(0);
    of(1) + of(2)
}

async fn is_writable(cluster: &Cluster, value: &str) {
    let mut pace = Vec::new();
    for node in &cluster.nodes {
        pace.push(node.client.ok(&Command::put("well", value)).await.took);
    }
    is_fast(pace);
}

fn is_fast(mut pace: Vec<Duration>) {
    pace.sort();
    let (median, longest) = (pace[pace.len() / 2], pace[pace.len() - 1]);
    assert!(median <= FAST_MEDIAN, "{median:?} in the middle of {}", pace.len());
    assert!(longest <= FAST_MAX, "{longest:?} at the end of {}", pace.len());
}

/// Whoever slept may have to find out first who leads now.
async fn serves_again(cluster: &Cluster) {
    for node in &cluster.nodes {
        until(&format!("a write through {}", node.name), ANSWER_MAX, async || {
            let answer = node.send(&Command::put("well", "again")).await;
            let answer = answer.map_err(|none| none.why)?;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await;
    }
}

fn nonsense() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| [open.repeat(20_000), close.repeat(20_000)].concat();
    let nested = format!(r#"{{"action":"put","x":{},"payload":null}}"#, deep("[", "]"));
    let put = |payload: &str| format!(r#"{{"action":"put","payload":{payload}}}"#).into_bytes();
    let key = "k".repeat(481);
    let name = "n".repeat(256);
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "[]",
        "1",
        "\"put\"",
        "null",
        "{}",
        "true",
        "{\"action\":1}",
        "{\"action\":null}",
        "{\"action\":\"\"}",
        "{\"action\":[]}",
        "{\"payload\":{}}",
        "{\"action\":\"put\"}",
        "{\"action\":\"put\",\"payload\":[]}",
        "NaN",
        "\u{feff}{}",
        "{\"action\":\"put\",\"action\":\"get\",\"payload\":{\"collection\":\"c\"}}",
        "{\"action\":\"PUT\",\"payload\":{\"collection\":\"c\",\"value\":\"v\"}}",
        "{\"action\":\"put\",\"payload\":{\"collection\":\"c\",\"value\":\"v\"}} trailing",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.extend([
        put("{}"),
        put(r#"{"collection":"c"}"#),
        put(r#"{"value":"v"}"#),
        put(r#"{"collection":"","value":"v"}"#),
        put(r#"{"collection":"c","value":""}"#),
        put(r#"{"collection":"c","value":null}"#),
        put(r#"{"collection":"c","value":1}"#),
        put(r#"{"collection":"c","value":{"a":1}}"#),
        put(r#"{"collection":"c","key":"","value":"v"}"#),
        put(r#"{"collection":"c","value":"\ud800"}"#),
        put(r#"{"collection":"c","value":"v","if_version":1e999}"#),
        put(r#"{"collection":"c","key":"k","value":"v","if_version":-1}"#),
        put(r#"{"collection":"c","key":"k","value":"v","limit":3}"#),
        put(&format!(r#"{{"collection":"c","key":"{key}","value":"v"}}"#)),
        put(&format!(r#"{{"collection":"{name}","value":"v"}}"#)),
        b"{\"action\":\"put\",\"payload\":{\"collection\":\"c\",\"value\":\"\xff\xfe\"}}".to_vec(),
        b"\xff\xff\xff\xff".to_vec(),
        vec![0; 1000],
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        nested.into_bytes(),
    ]);
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_fast_and_reaches_no_log() {
    let cluster = Cluster::start().await;
    is_writable(&cluster, "before").await;
    cluster.wait_caught_up(ANSWER_MAX).await;
    let before = committed(&cluster).await;
    let bodies = nonsense();
    let mut pace = Vec::new();
    for node in &cluster.nodes {
        for body in &bodies {
            let answer = node.client.request("POST", "/command", body.clone()).await.unwrap();
            let shown = String::from_utf8_lossy(body).chars().take(80).collect::<String>();
            assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
            assert_eq!(answer.effect(), Effect::None, "{shown}");
            assert!(answer.body.len() < 1000, "{shown}: {}", answer.text());
            pace.push(answer.took);
        }
    }
    let sent = pace.len() as u64;
    is_fast(pace);
    let after = committed(&cluster).await;
    assert!(after - before < sent / 4, "{sent} refused requests, {} new entries", after - before);
    let poison = Command::drop_collection("collection");
    cluster.node(0).client.ok(&poison).await;
    is_writable(&cluster, "after").await;
    let listed = cluster.node(1).client.ok(&Command::list_collections()).await.json();
    assert_eq!(listed["collections"], serde_json::json!(["well"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_beyond_the_limits_are_refused_and_sizes_at_them_work() {
    let cluster = Cluster::start().await;
    let client = &cluster.node(0).client;
    let reader = &cluster.node(1).client;
    let (key, value) = ("k".repeat(480), "v".repeat(1 << 20));
    client.ok(&Command::put_key("large", &key, &value)).await;
    assert_eq!(reader.ok(&Command::get_key("large", &key)).await.triple().value, value);
    client.ok(&Command::put("large", &value)).await;
    assert_eq!(reader.ok(&Command::get("large", &value)).await.triple().value, value);
    let more = client.ask(&Command::append("large", &key, "one more")).await;
    assert_eq!((more.status, more.effect()), (413, Effect::None), "{}", more.text());
    let larger = format!("{value}v");
    for command in [Command::put_key("large", "k", &larger), Command::put("large", &larger)] {
        let answer = client.ask(&command).await;
        assert_eq!((answer.status, answer.effect()), (413, Effect::None), "{}", answer.text());
    }
    let key = "k".repeat(481);
    assert_eq!(client.ask(&Command::put_key("large", &key, "v")).await.status, 400);
    let escaped = "\u{1}".repeat(1 << 20);
    client.ok(&Command::put_key("large", "escaped", &escaped)).await;
    assert_eq!(reader.ok(&Command::get_key("large", "escaped")).await.triple().value, escaped);

    oversized_frames(&cluster).await;
    is_writable(&cluster, "after").await;
}

async fn oversized_frames(cluster: &Cluster) {
    let node = cluster.node(2);
    let connect = async || Raw::connect(node.client.base(), &cluster.ca).await.unwrap();
    let refused = async |bytes: Vec<u8>, statuses: &[u16]| {
        let mut raw = connect().await;
        // It may close before it has read everything.
        let _cut = raw.send(&bytes).await;
        match raw.answer(ANSWER_MAX).await {
            Ok(answer) => assert!(statuses.contains(&answer.status), "{answer:?}"),
            Err(silence) => assert_eq!(silence, Silence::Closed),
        }
    };
    refused(
        b"POST /command HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n{"
            .to_vec(),
        &[413],
    )
    .await;
    refused(request(&vec![b' '; 8 << 20]), &[413]).await;
    let header =
        format!("POST /command HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "h".repeat(100_000));
    refused(header.into_bytes(), &[400, 431]).await;
    let url = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "u".repeat(100_000));
    refused(url.into_bytes(), &[400, 404, 414, 431]).await;
    refused(b"\x16\x03\x01 not http\r\n\r\n".to_vec(), &[400]).await;
    refused(
        b"POST /command HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"
            .to_vec(),
        &[400],
    )
    .await;
    refused(
        b"POST /command HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        &[400],
    )
    .await;
}

/// Connections that stop anywhere and are left lying around.
#[tokio::test(flavor = "multi_thread")]
async fn slow_and_abandoned_connections_are_cut_and_disturb_nobody() {
    let cluster = Cluster::start().await;
    is_writable(&cluster, "before").await;
    let node = cluster.node(0);
    let pid = node.pid().unwrap();
    let before = process::descriptors(pid).unwrap();
    let mut plain = Vec::new();
    for number in 0..150 {
        let mut stream = tcp(node.client.base()).await.unwrap();
        if number % 2 == 0 {
            // The start of a TLS record that never ends.
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        }
        plain.push(stream);
    }
    let mut half = Vec::new();
    for number in 0..150 {
        let mut raw = Raw::connect(node.client.base(), &cluster.ca).await.unwrap();
        let sent: &[u8] = match number % 4 {
            0 => b"",
            1 => b"POST /comm",
            2 => b"POST /command HTTP/1.1\r\nhost: localhost\r\ncontent-le",
            _ => b"POST /command HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"act",
        };
        raw.send(sent).await.unwrap();
        half.push(raw);
    }
    let healthy = node.client_http1.clone();
    let (start, mut pace) = (Instant::now(), Vec::new());
    loop {
        pace.push(healthy.ok(&Command::put("well", "meanwhile")).await.took);
        // One byte more now and then must not keep a head alive.
        for raw in &mut half {
            let _cut = raw.send(b"a").await;
        }
        let open = process::descriptors(pid).unwrap();
        if open < before + 30 {
            break;
        }
        assert!(start.elapsed() < CUT_MAX, "{open} are open, {before} were");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let cut = start.elapsed();
    is_fast(pace);
    eprintln!("300 bad connections were gone after {cut:?}");
    drop((plain, half));
    is_writable(&cluster, "after").await;
}

/// Three of five stand still, so what is asked waits until it is too much.
#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_fit_are_refused_as_busy_and_never_applied() {
    let cluster = Cluster::start_with(Options::default().alone()).await;
    let node = cluster.node(0);
    is_writable(&cluster, "before").await;
    let idle = node.resident_bytes();
    cluster.nodes[2..].iter().for_each(Node::pause);
    let clients: Vec<Client> = (0..48).map(|_| cluster.another_client(0)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12_000_usize {
        let client = clients[number % clients.len()].clone();
        let key = format!("k{number}");
        tasks.spawn(async move {
            let reply = client.send(&Command::put_key("flood", &key, "v")).await;
            (key, reply)
        });
    }
    let mut busy = Vec::new();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    while let Some(done) = tasks.join_next().await {
        let (key, reply) = done.unwrap();
        let Ok(answer) = reply else { continue };
        *statuses.entry(answer.status).or_default() += 1;
        assert!(answer.took < Duration::from_secs(12), "{:?}", answer.took);
        if answer.effect() == Effect::None {
            assert!(!answer.header("retry-after").is_empty(), "{}", answer.text());
            busy.push((key, answer));
        }
    }
    let peak = node.resident_bytes();
    cluster.nodes[2..].iter().for_each(Node::resume);
    cluster.wait_settled().await;
    serves_again(&cluster).await;
    eprintln!(
        "answers by status {statuses:?}; {} MiB, {} MiB idle",
        peak / MEGABYTE,
        idle / MEGABYTE
    );
    let refused = busy.iter().filter(|(_, answer)| answer.text().contains("busy")).count();
    assert!(refused > 0, "nothing was refused as busy: {statuses:?}");
    assert!(peak < 700 * MEGABYTE, "{peak} bytes");
    let sample = busy.iter().step_by((busy.len() / 300).max(1));
    let reads = sample.map(|(key, _)| {
        let get = Command::get_key("flood", key);
        async move { node.client.ok(&get).await.triple().value }
    });
    let found = join_all(reads).await;
    assert!(found.iter().all(String::is_empty), "a refused write was applied");
    is_writable(&cluster, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_without_a_nodes_certificate_are_refused() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let client = Some((&*cluster.client_cert, &*cluster.client_key));
        for shows in [None, client] {
            let knock = knock(&node.peer, &node.name, &cluster.ca, shows).await;
            assert!(knock.came.is_err(), "{} lets in {shows:?}", node.name);
        }
        let plain = knock_plain(&node.peer).await;
        assert_eq!(plain.came, Ok(String::new()), "it is closed, not reset");
    }
    is_writable(&cluster, "after").await;
}
