//! Harness: a server on a real socket with the fake behind it.

#![allow(unreachable_pub, reason = "pub reads as 'for the tests' here")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use certificates::Files;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::header::HeaderMap;
use server::counters::Counters;
use server::{Drained, Options, Server, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;

/// A server that runs.
pub struct Node {
    pub address: SocketAddr,
    pub fake: Arc<Fake>,
    pub counters: Arc<Counters>,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Drained>,
    pub http: reqwest::Client,
    scheme: &'static str,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub async fn read(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }
}

/// A server with default options over plain HTTP.
pub async fn start() -> Node {
    start_with(|_| {}).await
}

/// A server with other options.
pub async fn start_with(change: impl FnOnce(&mut Options)) -> Node {
    launch(change, None, reqwest::Client::builder()).await
}

/// A server with TLS; the client trusts its certificate, which is at `chain.pem`.
pub async fn start_tls(folder: &Path) -> (Node, Arc<Tls>) {
    start_tls_with(folder, |_| {}).await
}

/// The same with other options.
pub async fn start_tls_with(folder: &Path, change: impl FnOnce(&mut Options)) -> (Node, Arc<Tls>) {
    let certificate = certify(folder);
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let tls = server::tls::load(Files { chain, key, authorities: None }).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([certificate]);
    let node = launch(change, Some(Arc::clone(&tls)), client).await;
    (node, tls)
}

/// A server with TLS that knows its callers by the authority at `ca.pem`.
pub async fn start_mutual(folder: &Path) -> Node {
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let authorities = Some(folder.join("ca.pem"));
    let tls = server::tls::load(Files { chain, key, authorities }).unwrap();
    launch(|_| {}, Some(tls), reqwest::Client::builder()).await
}

/// Writes a fresh certificate for localhost.
pub fn certify(folder: &Path) -> reqwest::Certificate {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap()
}

async fn launch(
    change: impl FnOnce(&mut Options),
    tls: Option<Arc<Tls>>,
    client: reqwest::ClientBuilder,
) -> Node {
    install_provider();
    let mut options = Options::new("n1");
    change(&mut options);
    let fake = Arc::new(Fake::default());
    let server = Server::new(Arc::clone(&fake), options).unwrap();
    let counters = server.counters();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { server.run(listener, tls, stop).await });
    let http = client.resolve("localhost", address).build().unwrap();
    Node { address, fake, counters, shutdown, task, http, scheme }
}

/// The client library takes the process's provider.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
}

impl Node {
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// Posts a command.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.post_with(body, &[]).await
    }

    /// Posts a command with headers.
    pub async fn post_with(
        &self,
        body: impl Into<reqwest::Body>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.http.post(self.url("/command")).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::read(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes and reads what comes until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect().await;
        socket.write_all(bytes).await.unwrap();
        read_to_close(&mut socket).await
    }
}

/// Everything up to the end of the connection, be it an orderly one or not.
pub async fn read_to_close(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        while let Ok(read @ 1..) = socket.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(Duration::from_secs(10), reading).await.expect("the server closes");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `needle` has come.
pub async fn read_until(socket: &mut TcpStream, needle: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(needle) {
        let reading = timeout(Duration::from_secs(10), socket.read(&mut buffer));
        match reading.await.expect("the server answers").unwrap() {
            0 => break,
            read => all.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A raw HTTP/1.1 request with a length.
pub fn http1(body: &str) -> String {
    format!("POST /command HTTP/1.1\r\nHost: n1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
