//! Doors: what does the proxy answer, and to whom?

use std::process::Command;

use tests::compose::{Compose, PREFIX, printed};
use tests::dialect::{
    bad_requests, catalogue, conditions, ranges, rows_by_key, searches, sets_of_values,
};
use tests::{Protocol, readme};

/// The `curl` line that the start script ends with, as pasted.
pub fn the_printed_line_works(text: &str) {
    let line = text.lines().find(|line| line.trim().starts_with("curl ")).expect("a curl line");
    let answer = printed(Command::new("sh").args(["-c", &format!("{line} --silent --show-error")]));
    assert!(answer.starts_with(r#"{"collection":"test","key":"9bf47d37f697d4ef4723c36977c36"#));
}

/// The README's block, line by line. Its last line stops the cluster.
pub fn the_page_is_true(compose: &Compose) {
    let lines = readme::lines("./startupDev.sh\n```", "Run the tests:");
    assert!(lines.len() >= 6, "{lines:?}");
    let names =
        format!("docker() {{ command docker \"${{@/#rdb_replica_/{PREFIX}rdb_replica_}}\"; }}");
    readme::check(&lines, &mut compose.shell(), compose.home(), &names);
    let _printed = compose.start_again();
}

pub async fn the_dialect_is_the_nodes(compose: &Compose) {
    let (http1, http2) = (compose.client(Protocol::Http1), compose.client(Protocol::Http2));
    for (client, other, collection) in [(&http1, &http2, "http1"), (&http2, &http1, "http2")] {
        sets_of_values(client, other, collection).await;
        catalogue(client, other, collection).await;
        ranges(client, collection).await;
        bad_requests(client, collection).await;
        rows_by_key(client, other, collection).await;
        conditions(client, other, collection).await;
        searches(client, other, collection).await;
    }
    let metrics = http1.page("/metrics").await.unwrap();
    assert_eq!(metrics.status, 404, "metrics are for the inside");
}

/// One understandable line on each side.
pub fn wrong_trust_is_refused_with_a_reason(compose: &Compose) {
    let url = format!("https://localhost:{}/livez", compose.port());
    let (ca, other) = (compose.certificate("ca.crt"), compose.certificate("clients/client.crt"));
    let curl = |args: &[&str]| {
        let output = Command::new("curl").args(["--silent", "--show-error"]).args(args).output();
        let output = output.expect("start curl");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (ca, other) = (ca.to_str().unwrap(), other.to_str().unwrap());
    assert_eq!(curl(&["--cacert", ca, &url]).0, Some(0));
    let (code, why) = curl(&["--cacert", other, &url]);
    assert!(code == Some(60) && why.contains("certificate"), "wrong authority: {code:?} {why}");
    let by_address = format!("rdb.example:{}:127.0.0.1", compose.port());
    let url = format!("https://rdb.example:{}/livez", compose.port());
    let (code, why) = curl(&["--cacert", ca, "--resolve", &by_address, &url]);
    assert!(code == Some(60) && why.contains("rdb.example"), "missing name: {code:?} {why}");
    let plain = format!("http://localhost:{}/livez", compose.port());
    let (code, _) = curl(&[&plain]);
    assert_ne!(code, Some(0), "plain HTTP on a TLS port");

    // The peer port takes nodes only. A client's certificate is good, and not enough.
    let mount = format!("{}:/certs:ro", compose.home().join("rdb/certs").display());
    let mut run = Command::new("docker");
    run.args(["run", "--rm", "--user", "0", "--network", "rdbtest_cluster", "-v", &mount]);
    run.args(["--entrypoint", "/usr/local/bin/rdbctl", "rdb:test", "health"]);
    run.args(["-e", "https://rdb_replica_1:7402", "--cacert", "/certs/ca.crt"]);
    run.args(["--cert", "/certs/clients/client.crt", "--key", "/certs/clients/client.key"]);
    assert!(!run.output().expect("start docker").status.success());
    let log = compose.docker_logs(&compose.node(1));
    let line = log.lines().find(|line| line.contains("has role client, not node"));
    assert!(line.is_some(), "no line says who was refused on the peer port:\n{log}");
}
