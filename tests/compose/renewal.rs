//! Renewal: do new certificates reach nodes and proxy while they serve?

use std::process::Command;
use std::time::Duration;

use tests::compose::{Compose, printed};
use tests::deadline::until;
use tests::workload::{Size, Workload};
use tests::{Client, Protocol};

const TAKEN_MAX: Duration = Duration::from_secs(30);
const PROGRESS_MAX: Duration = Duration::from_secs(30);
const LOAD: Size = Size { writers: 4, soloists: 8, readers: 2, keys: 8 };

/// New leaves, then a new authority that is first trusted and then used: no client
/// notices, whether it knows both authorities by then or, at the end, the new one only.
pub async fn certificates_change_under_load(compose: &Compose) {
    let before = Workload::start(vec![compose.client(Protocol::Http1)], "renewal", LOAD);
    renew(compose, &before, "--renew", 2).await;
    trust_both(compose);
    taken(compose, 4).await;
    before.wait_acknowledged(100, PROGRESS_MAX).await;
    finish(compose, before).await;
    let after = Workload::start(vec![compose.client(Protocol::Http2)], "renewed", LOAD);
    renew(compose, &after, "--renew", 6).await;
    finish(compose, after).await;
    let only = Client::new(
        &format!("https://localhost:{}", compose.port()),
        &compose.certificate("ca.own.crt"),
        Protocol::Http1,
    );
    assert!(only.is_ready().await, "the new authority alone is enough");
}

/// From here on everybody trusts the present authority and the next one.
fn trust_both(compose: &Compose) {
    let shown = serial(compose);
    printed(compose.script("generateCerts.sh").arg("--renew-ca"));
    let trusted = std::fs::read_to_string(compose.certificate("ca.crt")).unwrap();
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(serial(compose), shown, "nobody shows anything new yet");
}

/// Renews under load; connections are then made anew under the new certificates.
async fn renew(compose: &Compose, load: &Workload, how: &str, taken_so_far: usize) {
    load.wait_acknowledged(100, PROGRESS_MAX).await;
    let before = serial(compose);
    printed(compose.script("generateCerts.sh").arg(how));
    until("the proxy to show the new certificate", TAKEN_MAX, async || {
        let now = serial(compose);
        if now == before { Err(now) } else { Ok(()) }
    })
    .await;
    taken(compose, taken_so_far).await;
    compose.docker(&["restart", &compose.node(1)]);
    compose.wait_whole().await;
    load.wait_acknowledged(100, PROGRESS_MAX).await;
}

/// Waits until the nodes that were not restarted said so often that they took new ones.
async fn taken(compose: &Compose, times: usize) {
    for n in [0, 2, 3, 4] {
        until("a node to take the new certificates", TAKEN_MAX, async || {
            let log = compose.docker_logs(&compose.node(n));
            let taken = log.matches("new certificates are in use").count();
            if taken >= times { Ok(()) } else { Err(format!("{taken} of {times}")) }
        })
        .await;
    }
}

async fn finish(compose: &Compose, load: Workload) {
    let ledger = load.finish().await;
    let (sent, failed) = ledger.solos();
    let why = ledger.last_failure();
    assert!(failed.is_empty(), "{} of {sent} failed: {failed:?}, {why}", failed.len());
    ledger.judge(&[compose.client(Protocol::Http2)]).await;
}

/// The serial number of the certificate that the proxy shows.
fn serial(compose: &Compose) -> String {
    let show = format!(
        "openssl s_client -connect localhost:{} -servername localhost </dev/null 2>/dev/null \
         | openssl x509 -noout -serial",
        compose.port()
    );
    printed(Command::new("sh").args(["-c", &show]))
}
