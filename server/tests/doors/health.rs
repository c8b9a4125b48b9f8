//! Health and introspection.

use crate::harness::start;

#[tokio::test]
async fn health_says_why_not() {
    let node = start().await;
    assert_eq!(node.get("/livez").await.status, 200);
    let ready = node.get("/readyz").await;
    assert_eq!((ready.status, &*ready.text), (200, "ok"));
    let ready = node.get("/readyz?verbose").await;
    assert_eq!(ready.text, "[+]storage ok\n[+]accepting ok\nready");
    *node.fake.unready.lock() = Some("read-only".to_owned());
    let ready = node.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.starts_with("[-]storage failed: read-only\n"), "{}", ready.text);
    assert_eq!(node.get("/livez").await.status, 200);
}

#[tokio::test]
async fn status_and_limits_are_json() {
    let node = start().await;
    let status = node.get("/v1/status").await.json();
    assert_eq!((&status["node"], &status["ready"]), (&"n1".into(), &true.into()));
    let limits = node.get("/v1/limits").await.json();
    assert_eq!(limits["key_bytes_max"], 480);
    assert_eq!(limits["value_bytes_max"], 1 << 20);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_said_to_be() {
    let node = start().await;
    for path in ["/", "/commands", "/command/", "/v1", "/..%2f", "/%00"] {
        assert_eq!(node.get(path).await.status, 404, "{path}");
    }
    let answer = node.http.post(node.url("/livez")).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "GET, HEAD");
}

#[tokio::test]
async fn a_request_id_is_echoed_if_it_is_fit_for_a_log() {
    let node = start().await;
    let echoed = |id: &'static str| {
        let request = node.http.get(node.url("/livez")).header("X-Request-Id", id);
        async { request.send().await.unwrap().headers().get("x-request-id").cloned() }
    };
    assert_eq!(echoed("abc-1").await.unwrap(), "abc-1");
    assert_eq!(echoed("a b").await, None);
}
