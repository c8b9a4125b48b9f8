//! Client: how is one node asked?

use std::fs;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Method};

use api::status::Status;

use crate::answer::{Answer, NoAnswer, Reply};
use crate::command::Command;

/// Longer than a node works on a request, so that its own answer comes first.
const TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks one node. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
}

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One request at a time per connection.
    Http1,
    /// Whatever TLS agrees on, so HTTP/2.
    Http2,
}

impl Client {
    /// Asks the node at `base`, which shows a certificate of the authority in `ca`.
    ///
    /// # Panics
    ///
    /// If the certificate cannot be read.
    #[must_use]
    pub fn new(base: &str, ca: &Path, protocol: Protocol) -> Self {
        install_crypto();
        let pem = fs::read(ca).unwrap_or_else(|error| panic!("read {}: {error}", ca.display()));
        let ca = Certificate::from_pem(&pem).expect("dev.json names a PEM certificate");
        let builder = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        let builder = match protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder,
        };
        let http = builder.build().expect("the client's settings are constants");
        Self { http, base: base.trim_end_matches('/').into() }
    }

    /// Sends a command.
    pub async fn send(&self, command: &Command) -> Reply {
        self.send_within(command, TIMEOUT).await
    }

    /// Sends a command and gives up on the answer after `timeout`.
    pub async fn send_within(&self, command: &Command, timeout: Duration) -> Reply {
        let mut request = self.http.post(self.url("/command")).json(&command.body);
        if let Some(key) = &command.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(waits) = command.timeout {
            request = request.header("rdb-timeout-ms", waits.as_millis().to_string());
        }
        answered(request.timeout(timeout)).await
    }

    /// Sends a command to which the node must answer.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn ask(&self, command: &Command) -> Answer {
        self.send(command)
            .await
            .unwrap_or_else(|none| panic!("{}: {command:?}: {}", self.base, none.why))
    }

    /// Sends a command that must succeed.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn ok(&self, command: &Command) -> Answer {
        let answer = self.ask(command).await;
        assert_eq!(answer.status, 200, "{}: {command:?}: {}", self.base, answer.text());
        answer
    }

    /// Sends any request.
    pub async fn request(&self, method: &str, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).expect("a method of the test");
        answered(self.http.request(method, self.url(path)).body(body)).await
    }

    /// Asks for a page.
    pub async fn page(&self, path: &str) -> Reply {
        answered(self.http.get(self.url(path)).timeout(CONNECT_TIMEOUT)).await
    }

    /// Asks what the node knows of the cluster.
    pub async fn status(&self) -> Result<Status, String> {
        let answer = self.page("/v1/status").await.map_err(|none| none.why)?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{error} in status {}: {}", answer.status, answer.text()))
    }

    /// Whether the node says it takes requests.
    pub async fn is_ready(&self) -> bool {
        self.page("/readyz").await.is_ok_and(|answer| answer.status == 200)
    }

    /// Where it asks.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Reply {
    let start = Instant::now();
    let no_answer = |error: reqwest::Error| NoAnswer {
        connected: !error.is_connect(),
        why: format!("{error:?}"),
    };
    let response = request.send().await.map_err(no_answer)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.map_err(no_answer)?;
    Ok(Answer { status, headers, body, took: start.elapsed() })
}

/// rustls needs to be told its cryptography once per process.
pub(crate) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _already = rustls::crypto::ring::default_provider().install_default();
    });
}
