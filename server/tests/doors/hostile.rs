//! Hostile input: refused quickly, with a reason, before the service sees it.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::harness::{http1, read_until, start, start_with};

/// How long a refusal may take.
const QUICKLY: Duration = Duration::from_millis(50);

fn corpus() -> Vec<Vec<u8>> {
    let payload = |fields: &str| {
        format!(r#"{{"action":"put","payload":{{"collection":"c",{fields}}}}}"#).into_bytes()
    };
    let long = "x".repeat(300);
    vec![
        b"".to_vec(),
        b"\0".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"null".to_vec(),
        b"true".to_vec(),
        b"1e999999999".to_vec(),
        vec![b'['; 200_000],
        br#"{"a":"#.repeat(50_000),
        [br#"{"payload":{"x":"#.to_vec(), vec![b'['; 100_000]].concat(),
        vec![b'"'; 100_000],
        vec![b' '; 1_000_000],
        [b"{\"".to_vec(), vec![b'k'; 1_000_000], b"\":1}".to_vec()].concat(),
        (0..20_000).fold(b"{".to_vec(), |mut all, n| {
            all.extend_from_slice(format!("\"f{n}\":0,").as_bytes());
            all
        }),
        br#"{"action":"put","action":"get"}"#.to_vec(),
        payload(r#""value":"a","value":"b""#),
        payload(r#""value":"a","v\u0061lue":"b""#),
        payload(r#""value":1"#),
        payload(r#""value":{"a":"b"}"#),
        payload(r#""value":"\ud800""#),
        payload(r#""value":"\udc00\ud800""#),
        payload(r#""value":"\x""#),
        payload(r#""value":"a","key":"k","if_version":1e400"#),
        payload(r#""value":"a","key":"k","if_version":-1"#),
        payload(r#""value":"a","key":"k","if_version":99999999999999999999"#),
        payload(r#""value":"a","key":"k","if_version":"1""#),
        payload(r#""value":"a","key":"""#),
        payload(&format!(r#""value":"a","key":"{}""#, "k".repeat(481))),
        payload(r#""value":"a","ttl_ms":1"#),
        payload(r#""value":"""#),
        [payload(r#""value":"a""#), b"{}".to_vec()].concat(),
        [payload(r#""value":"a""#), b"\0".to_vec()].concat(),
        payload("\"value\":\"\x1b[31m\""),
        payload("\"value\":\"\u{7f}\",\"limit\":1"),
        format!(r#"{{"action":"put","payload":{{"collection":"{long}","value":"v"}}}}"#).into(),
        format!(r#"{{"action":"{long}"}}"#).into(),
        br#"{"action":"put","payload":{"collection":"c","value":"v"}} garbage"#.to_vec(),
        b"{\"action\":\"put\",\"payload\":{\"collection\":\"c\",\"value\":\"\xff\"}}".to_vec(),
        b"action=put&collection=c&value=v".to_vec(),
        b"<command/>".to_vec(),
    ]
}

#[tokio::test]
async fn every_hostile_body_is_refused_quickly_and_goes_no_further() {
    let node = start().await;
    node.get("/livez").await;
    for body in corpus() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        // The best of some: other tests run on the same cores.
        let mut quickest = Duration::MAX;
        let mut answer = None;
        for _ in 0..5 {
            let started = Instant::now();
            answer = Some(node.post(body.clone()).await);
            quickest = quickest.min(started.elapsed());
        }
        let answer = answer.unwrap();
        assert_eq!(answer.status, 400, "{shown}: {answer:?}");
        assert!(quickest < QUICKLY, "{shown}: {quickest:?}");
        assert!(answer.text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{}", answer.text);
    }
    assert_eq!(node.fake.calls(), 0);
}

#[tokio::test]
async fn bad_headers_are_refused_and_go_no_further() {
    let node = start().await;
    let body = r#"{"action":"put","payload":{"collection":"c","value":"v"}}"#;
    let long = "k".repeat(256);
    for headers in [
        &[("Idempotency-Key", "")][..],
        &[("Idempotency-Key", "a b")],
        &[("Idempotency-Key", &long)],
        &[("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
        &[("Rdb-Timeout-Ms", "0")],
        &[("Rdb-Timeout-Ms", "never")],
    ] {
        assert_eq!(node.post_with(body, headers).await.status, 400, "{headers:?}");
    }
    assert_eq!(node.fake.calls(), 0);
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_a_byte_is_read() {
    let node = start().await;
    let mut socket = node.connect().await;
    let head = "POST /command HTTP/1.1\r\nHost: n1\r\nContent-Length: 99999999999\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut socket, "value_bytes_max").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("at most 6356992 bytes"), "{answer}");
}

#[tokio::test]
async fn who_asks_whether_to_go_on_with_too_much_is_told_not_to() {
    let node = start().await;
    let head = "POST /command HTTP/1.1\r\nHost: n1\r\nContent-Length: 99999999\r\n\
        Expect: 100-continue\r\n\r\n";
    let answer = node.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}

#[tokio::test]
async fn chunks_without_end_are_cut_off_at_the_limit() {
    let node = start_with(|options| options.value_bytes_max = 1000).await;
    let mut socket = node.connect().await;
    let head = "POST /command HTTP/1.1\r\nHost: n1\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..40 {
        socket.write_all(chunk.as_bytes()).await.unwrap();
    }
    let answer = read_until(&mut socket, "value_bytes_max").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn malformed_http_is_refused() {
    let node = start().await;
    let body = r#"{"action":"put","payload":{"collection":"c","value":"v"}}"#;
    let length = body.len();
    let with = |headers: &str| format!("POST /command HTTP/1.1\r\nHost: n1\r\n{headers}\r\n{body}");
    let requests = [
        "GARBAGE\r\n\r\n".to_owned(),
        "\u{0}\u{0}\u{0}\r\n\r\n".to_owned(),
        "POST /command HTTP/9.9\r\n\r\n".to_owned(),
        with(&format!("Content-Length: {length}\r\nContent-Length: 3\r\n")),
        with("Content-Length: \r\n"),
        with("Content-Length: +5\r\n"),
        with("Content-Length: 5, 6\r\n"),
        with("Content-Length: 18446744073709551617\r\n"),
        with("Transfer-Encoding: xchunked\r\n"),
        with("Transfer-Encoding: chunked, identity\r\n"),
        with("X: a\r\n b\r\n"),
        with("X : a\r\n"),
        with("X: a\0b\r\n"),
        with(&format!("X: {}\r\n", "a".repeat(100_000))),
        with(&"X: a\r\n".repeat(1000)),
        format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)),
    ];
    for request in requests {
        let mut socket = node.connect().await;
        // The server may close before all of it is sent.
        let _closed = socket.write_all(request.as_bytes()).await;
        let shown = &request[..request.len().min(80)];
        let answer = read_until(&mut socket, "\r\n\r\n").await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{shown:?}: {answer}");
    }
    assert_eq!(node.fake.calls(), 0);
}

/// Whoever read the other framing would take the tail for a request of its own.
#[tokio::test]
async fn two_framings_of_one_body_smuggle_nothing_in() {
    let node = start().await;
    let smuggled = http1(r#"{"action":"put","payload":{"collection":"c","value":"v"}}"#);
    let length = 5 + smuggled.len();
    let framings = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
    ];
    for framing in framings {
        let head = format!("POST /command HTTP/1.1\r\nHost: n1\r\n{framing}\r\n0\r\n\r\n");
        let answers = node.raw(format!("{head}{smuggled}").as_bytes()).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{framing}: {answers}");
        assert!(answers.starts_with("HTTP/1.1 400 "), "{framing}: {answers}");
    }
    assert_eq!(node.fake.calls(), 0);
}

#[tokio::test]
async fn pipelined_requests_are_each_answered_in_turn() {
    let node = start().await;
    let get = http1(r#"{"action":"get","payload":{"collection":"c","value":"nope"}}"#);
    let mut socket = node.connect().await;
    socket.write_all(format!("{get}{}{get}", http1("{")).as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.matches("HTTP/1.1 ").count() < 3 {
        answers += &read_until(&mut socket, "\r\n\r\n").await;
    }
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(statuses, ["200", "400", "200"]);
}
