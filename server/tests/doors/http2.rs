//! HTTP/2: floods and stalls that are no requests.
//!
//! Each attack ends by itself in bounded time and memory, and another client is
//! served meanwhile. Server, attacker and bystander share one thread, whose
//! allocations are counted.

use std::path::Path;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use server::Options;
use tokio::time::sleep;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, HEADERS, Http2, INITIAL_WINDOW_SIZE, PING, REFUSED_STREAM,
    RST_STREAM, WINDOW_UPDATE, field, frame, head, request, settings,
};
use crate::harness::{Node, start_tls_with};

const GET: &str = r#"{"action":"get","payload":{"collection":"c","key":"k"}}"#;
const PUT: &str = r#"{"action":"put","payload":{"collection":"c","key":"b","value":"v"}}"#;
const ALL: &str = r#"{"action":"range","payload":{"collection":"c","key":""}}"#;

/// What all of it may take: two clients, a server, and TLS between them.
const MEMORY_MAX: u64 = 24 << 20;

/// `:status: 200` in the static table.
const OK: u8 = 0x88;

/// Runs an attack on a server whose patience is short.
fn attacked(attack: impl AsyncFnOnce(&Node, &Path)) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let taken = measure(|| {
        runtime.block_on(async {
            let (node, _tls) = start_tls_with(folder.path(), impatient).await;
            node.fake.plant("c", b"k", b"value");
            attack(&node, folder.path()).await;
            serves(&node).await;
        });
    });
    taken.bytes_max
}

fn impatient(options: &mut Options) {
    options.timeouts.header = Duration::from_millis(500);
    options.timeouts.body = Duration::from_millis(300);
    options.timeouts.idle = Duration::from_millis(500);
    options.timeouts.stall = Duration::from_millis(800);
}

/// A bystander gets an answer, and soon.
async fn serves(node: &Node) {
    let started = Instant::now();
    assert_eq!(node.post(PUT).await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[]).await;
        let mut sent = 0;
        for batch in 0..200_u32 {
            let streams = (0..100).map(|n| 2 * (100 * batch + n) + 1);
            let resets = streams.flat_map(|stream| {
                let cancel = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
                [request(stream, GET), cancel].concat()
            });
            if !http2.send(&resets.collect::<Vec<_>>()).await {
                break;
            }
            sent += 100;
            if batch % 50 == 0 {
                serves(node).await;
            }
        }
        assert!(sent < 20_000, "nobody minded");
        assert!(http2.closes_within(Duration::from_secs(5)).await);
        assert!(node.fake.calls() < 1_000, "{} calls", node.fake.calls());
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[]).await;
        assert!(http2.send(&frame(HEADERS, 0, 1, &head())).await);
        let more = frame(CONTINUATION, 0, 1, &field("x", &"a".repeat(120)).repeat(100));
        let sent = http2.flood(&more, 10_000).await;
        assert!(sent < 1_000, "{sent} frames of a head were taken");
        assert!(http2.closes_within(Duration::from_secs(5)).await);
        assert_eq!(node.fake.calls(), 0);
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}

#[test]
fn a_head_of_nothing_but_empty_frames_ends_the_connection() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[]).await;
        assert!(http2.send(&frame(HEADERS, 0, 1, &head())).await);
        let empty = frame(CONTINUATION, 0, 1, &[]).repeat(100);
        let sent = http2.flood(&empty, 100_000).await;
        assert!(sent < 100_000, "nobody minded");
        assert!(http2.closes_within(Duration::from_secs(5)).await);
        assert_eq!(node.fake.calls(), 0);
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}

/// Frames that must be answered, by who never asks for anything and by who did.
#[test]
fn floods_of_settings_and_pings_end_with_the_time_for_a_request() {
    let floods = [settings(&[(INITIAL_WINDOW_SIZE, 65_535)]), frame(PING, 0, 0, &[7; 8])];
    for flood in floods.map(|frame| frame.repeat(200)) {
        for asks in [false, true] {
            let memory = attacked(async |node, folder| {
                let mut http2 = Http2::open(node, folder, &[]).await;
                if asks {
                    assert!(http2.send(&request(1, GET)).await);
                    http2.hears("an answer", |heard| heard.statuses == [OK]).await;
                }
                let started = Instant::now();
                while http2.send(&flood).await && http2.heard.lock().goaway.is_none() {
                    assert!(started.elapsed() < Duration::from_secs(8), "it goes on");
                    serves(node).await;
                }
                // Who has asked is sent away in good order, and cut off if it stays.
                assert!(asks || http2.closes_within(Duration::from_secs(5)).await);
            });
            assert!(memory < MEMORY_MAX, "{memory} bytes");
        }
    }
}

#[test]
fn a_head_that_is_too_long_is_refused_and_the_connection_goes_on() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[]).await;
        // More than a list of headers may have, in as many frames as it takes.
        let fields = field("x", &"a".repeat(100)).repeat(400);
        let mut pieces = fields.chunks(16_000);
        let first = [head().as_slice(), pieces.next().unwrap()].concat();
        assert!(http2.send(&frame(HEADERS, 1, 1, &first)).await);
        let rest: Vec<_> = pieces.collect();
        for (number, piece) in rest.iter().enumerate() {
            let flags = if number + 1 == rest.len() { END_HEADERS } else { 0 };
            assert!(http2.send(&frame(CONTINUATION, flags, 1, piece)).await);
        }
        http2.hears("a refusal", |heard| heard.statuses.len() + heard.resets.len() > 0).await;
        assert_ne!(http2.heard.lock().statuses, [OK]);
        assert!(http2.send(&request(3, GET)).await);
        http2.hears("an answer", |heard| heard.statuses.last() == Some(&OK)).await;
        assert_eq!(node.fake.calls(), 1);
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}

#[test]
fn streams_beyond_the_limit_are_refused_and_those_within_it_time_out() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[]).await;
        let open = |stream| frame(HEADERS, END_HEADERS, stream, &head());
        let streams: Vec<_> = (0..300).flat_map(|n| open(2 * n + 1)).collect();
        assert!(http2.send(&streams).await);
        http2.hears("refusals", |heard| heard.resets.len() >= 44 || heard.goaway.is_some()).await;
        let refused =
            |heard: &crate::frames::Heard| heard.resets.iter().all(|code| *code == REFUSED_STREAM);
        assert!(refused(&http2.heard.lock()), "{:?}", http2.heard.lock());
        serves(node).await;
        http2.hears("time-outs", |heard| heard.statuses.len() == 256).await;
        assert_eq!(node.fake.calls(), 1, "but for the bystander nobody asked for anything");
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}

#[test]
fn a_body_of_nothing_but_empty_frames_ends_with_its_time() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[]).await;
        assert!(http2.send(&frame(HEADERS, END_HEADERS, 1, &head())).await);
        let empty = frame(DATA, 0, 1, &[]).repeat(100);
        let started = Instant::now();
        while http2.heard.lock().statuses.is_empty() && http2.send(&empty).await {
            assert!(started.elapsed() < Duration::from_secs(8), "it goes on");
        }
        assert_eq!(node.fake.calls(), 0);
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}

/// Who asks for much, takes nothing of it and keeps the connection lively.
#[test]
fn answers_that_are_not_taken_end_the_connection() {
    for window in [0, 1] {
        let memory = attacked(async |node, folder| {
            node.fake.plant("c", b"large", &vec![b'v'; 1_000_000]);
            let mut http2 = Http2::open(node, folder, &[(INITIAL_WINDOW_SIZE, window)]).await;
            for stream in 0..4 {
                assert!(http2.send(&request(2 * stream + 1, ALL)).await);
            }
            let started = Instant::now();
            while http2.send(&frame(PING, 0, 0, &[7; 8])).await {
                assert!(started.elapsed() < Duration::from_secs(8), "window {window}: it goes on");
                sleep(Duration::from_millis(50)).await;
                serves(node).await;
            }
            assert!(http2.closes_within(Duration::from_secs(5)).await);
        });
        assert!(memory < MEMORY_MAX, "{memory} bytes");
    }
}

/// The same, by who makes further requests all the while.
#[test]
fn one_answer_that_is_not_taken_is_enough_to_end_the_connection() {
    let memory = attacked(async |node, folder| {
        let mut http2 = Http2::open(node, folder, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        assert!(http2.send(&request(1, GET)).await);
        let started = Instant::now();
        for stream in 1.. {
            let stream = 2 * stream + 1;
            let taken = frame(WINDOW_UPDATE, 0, stream, &10_000_u32.to_be_bytes());
            if !http2.send(&[request(stream, GET), taken].concat()).await {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(8), "it goes on");
            sleep(Duration::from_millis(20)).await;
        }
        assert!(http2.heard.lock().statuses.len() > 5);
    });
    assert!(memory < MEMORY_MAX, "{memory} bytes");
}
