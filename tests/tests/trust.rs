//! Trust: who is turned away at the doors, and does either side understand why?

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustls::ServerConfig;
use tests::authority::{Authority, Leaf, Pair};
use tests::deadline::until;
use tests::process;
use tests::raw::{Knock, knock, knock_plain, shown};
use tests::{Cluster, Command, Node};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A node logs one refusal a second and looks at its files every five.
const NOTICE_MAX: Duration = Duration::from_secs(15);
const SERVES_MAX: Duration = Duration::from_secs(15);
const REFUSED_MAX: Duration = Duration::from_secs(20);
/// The exit code for settings that cannot be used.
const USAGE: Option<i32> = Some(2);

const CLIENT_DOOR: &str = "refuse a TLS handshake";
const PEER_DOOR: &str = "turned a peer connection away";
const DIALLED: &str = "cannot connect to a node";

/// Knocks until the node has logged one of the knocks with these words. Each
/// must be refused, and say so in the client's words.
async fn refused(
    node: &Node,
    door: &str,
    words: &str,
    client_words: &str,
    knock: impl AsyncFn() -> Knock,
) {
    let sources = RefCell::default();
    until(&format!("`{words}` in the log of {}", node.name), NOTICE_MAX, async || {
        let knock = knock().await;
        let why = knock.came.as_ref().expect_err("nobody is let in");
        assert!(why.contains(client_words), "the client sees: {why}");
        logged(node, &[door, words], &from_any(&sources, &knock))
    })
    .await;
}

/// How the node names this knock and the ones before it.
fn from_any(sources: &RefCell<Vec<String>>, knock: &Knock) -> Vec<String> {
    let mut sources = sources.borrow_mut();
    sources.push(format!("remote={} ", knock.from));
    sources.clone()
}

/// Whether one line of the node's log has all of `words` and one of `sources`.
fn logged(node: &Node, words: &[&str], sources: &[String]) -> Result<(), String> {
    let log = node.log();
    let found = log.lines().any(|line| {
        words.iter().all(|word| line.contains(word))
            && sources.iter().any(|source| line.contains(&**source))
    });
    if found { Ok(()) } else { Err(log) }
}

async fn says(node: &Node, words: &[&str]) {
    until(&format!("{words:?} in the log of {}", node.name), NOTICE_MAX, async || {
        logged(node, words, &[String::new()])
    })
    .await;
}

/// A write through one node and a read through another.
async fn serves(cluster: &Cluster, value: &str) {
    let put = Command::put("trust", value);
    until("a write", SERVES_MAX, async || {
        let answer = cluster.node(0).send(&put).await.map_err(|none| none.why)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    let read = cluster.node(1).client.ok(&Command::get("trust", value)).await;
    assert_eq!(read.triple().value, value);
}

/// Restarts a node with other certificates.
fn restart(cluster: &mut Cluster, index: usize, door: &str, pair: &Pair) {
    let flags = [
        format!("--{door}-cert"),
        pair.cert.display().to_string(),
        format!("--{door}-key"),
        pair.key.display().to_string(),
    ];
    cluster.nodes[index].command.extend(flags);
    cluster.node(index).kill();
    cluster.node(index).start();
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_turned_away_with_a_reason_on_either_side() {
    let cluster = Cluster::start().await;
    let (own, stranger) = (Authority::of(&cluster), Authority::stranger_to(&cluster));
    let node = cluster.node(0);
    let (https, peer) = (node.client.base(), &*node.peer);

    let untrusted = "it does not trust the authority that signed this node's certificate";
    let signature = "invalid peer certificate";
    refused(node, CLIENT_DOOR, untrusted, signature, async || {
        knock(https, "localhost", &stranger.ca, None).await
    })
    .await;
    refused(node, PEER_DOOR, untrusted, signature, async || {
        knock(peer, "localhost", &stranger.ca, None).await
    })
    .await;
    let names = "is the name that it asked for among the alternative names?";
    refused(node, CLIENT_DOOR, names, "not valid for name", async || {
        knock(https, "rdb.example", &own.ca, None).await
    })
    .await;
    refused(node, PEER_DOOR, "it showed no certificate", "CertificateRequired", async || {
        knock(peer, &node.name, &own.ca, None).await
    })
    .await;

    let leaf = Leaf::node("rdb_replica_1");
    let foreign = stranger.issue("foreign", &leaf);
    let expired = own.issue("expired", &Leaf { expired: true, ..leaf.clone() });
    let shows =
        async |pair: &Pair| knock(peer, &node.name, &own.ca, Some((&pair.cert, &pair.key))).await;
    refused(node, PEER_DOOR, "is that authority in peer.ca?", "DecryptError", async || {
        shows(&foreign).await
    })
    .await;
    refused(
        node,
        PEER_DOOR,
        "its certificate has expired: renew it",
        "CertificateExpired",
        async || shows(&expired).await,
    )
    .await;
    // These are good certificates; TLS has nothing to say against them.
    let nameless = own.issue("nameless", &Leaf { name: None, ..leaf.clone() });
    let without_role = own.issue("without-role", &Leaf { role: None, ..leaf.clone() });
    let client = Pair { cert: cluster.client_cert.clone(), key: cluster.client_key.clone() };
    for (pair, words) in [
        (nameless, "has no single common name (CN)"),
        (without_role, "has no single organizational unit (OU)"),
        (client, "has role client, not node"),
    ] {
        refused(node, PEER_DOOR, words, "", async || shows(&pair).await).await;
    }
    serves(&cluster, "after the strangers").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_told_so() {
    let cluster = Cluster::start().await;
    let node = cluster.node(0);
    let words = "it speaks plain HTTP on a TLS port: use https://";
    for (door, address) in [(CLIENT_DOOR, node.client.base()), (PEER_DOOR, &*node.peer)] {
        let sources = RefCell::default();
        until("plain HTTP in the log", NOTICE_MAX, async || {
            let knock = knock_plain(address).await;
            let came = knock.came.as_ref().expect("it is closed, not reset");
            if door == CLIENT_DOOR {
                assert!(came.starts_with("HTTP/1.1 400 "), "{came}");
                assert!(came.ends_with("plain HTTP on a TLS port: use https://\n"), "{came}");
            } else {
                assert_eq!(came, "");
            }
            logged(node, &[door, words], &from_any(&sources, &knock))
        })
        .await;
    }
    serves(&cluster, "after plain HTTP").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_certificates_are_refused_until_they_are_renewed() {
    let mut cluster = Cluster::start().await;
    let own = Authority::of(&cluster);
    let names: Vec<_> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    let (at_clients, at_peers) = (Leaf::node(&names[3]), Leaf::node(&names[4]));
    let shown = own.issue("https", &Leaf { expired: true, ..at_clients.clone() });
    restart(&mut cluster, 3, "https", &shown);
    let shown = own.issue("peer", &Leaf { expired: true, ..at_peers.clone() });
    restart(&mut cluster, 4, "peer", &shown);

    let complaint = "this node's certificate has expired and will be refused: renew it";
    says(cluster.node(3), &["ERROR", complaint, "door=\"clients\""]).await;
    says(cluster.node(4), &["ERROR", complaint, "door=\"other nodes\"", "Jan  1 00:00:00 2001"])
        .await;
    let heard = "it says that this node's certificate has expired: renew it";
    let https = cluster.node(3).client.base();
    refused(cluster.node(3), CLIENT_DOOR, heard, "certificate expired", async || {
        knock(https, "localhost", &own.ca, None).await
    })
    .await;
    says(cluster.node(4), &[PEER_DOOR, heard]).await;
    let expired = "its certificate has expired: renew it";
    let node = format!("node=\"{}\"", names[4]);
    says(cluster.node(0), &["WARN", DIALLED, &node, expired]).await;
    says(cluster.node(0), &["WARN", PEER_DOOR, expired]).await;
    serves(&cluster, "while two are refused").await;

    let _renewed = (own.issue("https", &at_clients), own.issue("peer", &at_peers));
    for node in &cluster.nodes[3..] {
        process::signal(node.pid().unwrap(), Signal::SIGHUP);
    }
    cluster.wait_settled().await;
    cluster.wait_caught_up(SERVES_MAX).await;
    cluster.node(4).client.ok(&Command::get("trust", "while two are refused")).await;
}

/// Answers handshakes at the address of a node with its own certificate, until dropped.
async fn pose(listener: &TcpListener, pair: &Pair) {
    let (chain, key) = shown(&pair.cert, &pair.key);
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        // The other end is expected to break it off.
        let _broken = acceptor.accept(tcp).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_is_refused_by_its_node_and_by_who_dials() {
    let cluster = Cluster::start().await;
    let (own, stranger) = (Authority::of(&cluster), Authority::stranger_to(&cluster));
    let [other, node] = [cluster.node(0), cluster.node(4)];
    node.kill();
    let leaf = Leaf::node(&node.name);
    let address = format!("{} is not among its alternative names", node.name);
    let dialled = format!("its certificate is not for {}", node.name);
    let cases = [
        (
            own.issue("address", &Leaf { alternative: "rdb.example", ..leaf.clone() }),
            &*address,
            &*dialled,
        ),
        (
            own.issue("name", &Leaf { name: Some(&other.name), ..leaf.clone() }),
            "its name (CN) is rdb_replica_0",
            "it is rdb_replica_0: are addresses in peer.seeds mixed up?",
        ),
        (
            own.issue("role", &Leaf { role: Some("client"), ..leaf.clone() }),
            "its role (OU) is client",
            "has role client, not node",
        ),
    ];
    for (pair, at_start, _) in &cases {
        let [cert, key] = [&pair.cert, &pair.key].map(|path| path.to_str().unwrap());
        let flags = ["--peer-cert", cert, "--peer-key", key];
        let ended = node.run_to_end(&flags, REFUSED_MAX).await;
        assert_eq!(ended.code, USAGE, "{}", ended.output);
        let line = ended.output.lines().find(|line| line.contains("ERROR")).unwrap_or_default();
        assert!(line.contains(at_start) && line.contains("it must have"), "{}", ended.output);
    }

    let foreign = stranger.issue("foreign", &leaf);
    let listener = TcpListener::bind(node.peer.replace("localhost", "127.0.0.1")).await.unwrap();
    let name = format!("node=\"{}\"", node.name);
    let impostors = cases.iter().map(|(pair, _, words)| (pair, *words));
    let untrusted = (&foreign, "is that authority in peer.ca?");
    for (pair, words) in impostors.chain([untrusted]) {
        let words = ["WARN", DIALLED, &name, words];
        tokio::select! {
            () = pose(&listener, pair) => {}
            () = says(other, &words) => {}
        }
    }
    drop(listener);
    node.start_ready(NOTICE_MAX).await;
    cluster.wait_settled().await;
    serves(&cluster, "after the impostors").await;
}
