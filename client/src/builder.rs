//! Builder: what a client is made of, judged once.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy as Redirects;
use reqwest::{Certificate, Identity, Url};

use crate::calls::Client;
use crate::retry::Policy;
use crate::trace::{Step, Trace};

/// How long a call may take by default, all its attempts together.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// How long one attempt may take by default: a node that is gone without a word
/// costs this once, and an election takes less.
const ATTEMPT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Shorter than the nodes' own, so that no request meets a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a quiet HTTP/2 connection is asked whether its node is there.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Makes a [`Client`].
#[derive(Clone, Debug)]
pub struct Builder {
    endpoints: Vec<String>,
    ca_pem: Option<Vec<u8>>,
    identity: Option<Pem>,
    verify: bool,
    timeout: Duration,
    attempt_timeout: Duration,
    policy: Policy,
    trace: Trace,
}

/// Certificate and key in one PEM. Its debug form shows no key.
#[derive(Clone)]
struct Pem(Vec<u8>);

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({} bytes)", self.0.len())
    }
}

/// Why a client cannot be made; the caller corrects what it set.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is nobody to ask.
    #[error("no endpoints: give the address of at least one node")]
    NoEndpoints,
    /// An endpoint is no address.
    #[error("endpoint {endpoint:?} is no http or https address")]
    BadEndpoint {
        /// As it was given.
        endpoint: String,
    },
    /// The certificates are no PEM.
    #[error("the CA certificates cannot be read: {source}")]
    BadCa {
        /// What is wrong with them.
        source: reqwest::Error,
    },
    /// There is no certificate in the PEM.
    #[error("the CA file holds no certificate")]
    NoCa,
    /// The client's own certificate or its key is no PEM, or is missing.
    #[error("the client's certificate and key cannot be read as PEM")]
    BadIdentity {
        /// What is wrong with them.
        source: reqwest::Error,
    },
    /// A time is zero.
    #[error("{name} is zero: give how long to wait")]
    ZeroTimeout {
        /// Which.
        name: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up HTTP: {source}")]
    Http {
        /// Why.
        source: reqwest::Error,
    },
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            ca_pem: None,
            identity: None,
            verify: true,
            timeout: TIMEOUT_DEFAULT,
            attempt_timeout: ATTEMPT_TIMEOUT_DEFAULT,
            policy: Policy::default(),
            trace: Trace::default(),
        }
    }
}

impl Builder {
    /// The nodes, or the proxy, to ask: `https://host:port`. Any one will do; with
    /// several, a call survives the loss of one.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.endpoints = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// The certificates to trust, as PEM. Without: those of the system.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca_pem = Some(pem.as_ref().to_vec());
        self
    }

    /// The certificate with which the client introduces itself, and its private
    /// key, both as PEM. Without: it stays anonymous.
    #[must_use]
    pub fn identity_pem(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some(Pem([certificate.as_ref(), key.as_ref()].join(&b'\n')));
        self
    }

    /// Trusts whoever answers. Anybody on the way can read and change everything.
    #[must_use]
    pub fn insecure_skip_verify(mut self) -> Self {
        self.verify = false;
        self
    }

    /// How long a call may take, all its attempts together.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long one attempt may take before another node is asked.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How patient the client is.
    #[must_use]
    pub fn retries(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Tells `tell` every step of every call. It must not block.
    #[must_use]
    pub fn trace(mut self, tell: impl Fn(Step<'_>) + Send + Sync + 'static) -> Self {
        self.trace = Trace::new(tell);
        self
    }

    /// The client.
    pub fn build(self) -> Result<Client, BuildError> {
        for (name, time) in [("timeout", self.timeout), ("attempt_timeout", self.attempt_timeout)] {
            if time.is_zero() {
                return Err(BuildError::ZeroTimeout { name });
            }
        }
        if self.endpoints.is_empty() {
            return Err(BuildError::NoEndpoints);
        }
        let urls = self.endpoints.iter().map(|text| command_url(text)).collect::<Result<_, _>>()?;
        let http = self.http()?;
        Ok(Client::new(http, urls, self.timeout, self.attempt_timeout, self.policy, self.trace))
    }

    fn http(&self) -> Result<reqwest::Client, BuildError> {
        // reqwest takes the process's provider. Whoever set one already keeps it.
        let _set_already = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_INTERVAL)
            .http2_keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .redirect(Redirects::none())
            .no_proxy();
        if let Some(pem) = &self.ca_pem {
            let certificates =
                Certificate::from_pem_bundle(pem).map_err(|source| BuildError::BadCa { source })?;
            if certificates.is_empty() {
                return Err(BuildError::NoCa);
            }
            http = http.tls_certs_only(certificates);
        }
        if let Some(Pem(pem)) = &self.identity {
            let identity =
                Identity::from_pem(pem).map_err(|source| BuildError::BadIdentity { source })?;
            http = http.identity(identity);
        }
        if !self.verify {
            http = http.tls_danger_accept_invalid_certs(true);
        }
        http.build().map_err(|source| BuildError::Http { source })
    }
}

fn command_url(endpoint: &str) -> Result<Url, BuildError> {
    let bad = || BuildError::BadEndpoint { endpoint: endpoint.to_owned() };
    let mut url = Url::parse(endpoint).map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad());
    }
    url.set_path("/command");
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_before_the_first_call() {
        let build = |endpoint: &str| Client::builder().endpoints([endpoint]).build();
        assert!(build("https://localhost:8443").is_ok());
        for bad in ["", "localhost:8443", "ftp://localhost", "https://", "/command"] {
            assert!(matches!(build(bad), Err(BuildError::BadEndpoint { .. })), "{bad:?}");
        }
        assert!(matches!(Client::builder().build(), Err(BuildError::NoEndpoints)));
        let no_ca = Client::builder().endpoints(["https://a"]).ca_pem("nothing").build();
        assert!(matches!(no_ca, Err(BuildError::NoCa)));
        let nobody = Client::builder().endpoints(["https://a"]).identity_pem("nothing", "nothing");
        assert!(matches!(nobody.build(), Err(BuildError::BadIdentity { .. })));
        let zero = Client::builder().endpoints(["https://a"]).timeout(Duration::ZERO).build();
        assert!(matches!(zero, Err(BuildError::ZeroTimeout { name: "timeout" })));
    }

    #[test]
    fn a_key_is_never_shown() {
        let builder = Client::builder().identity_pem("certificate", "secret");
        let shown = format!("{builder:?}");
        assert!(shown.contains("Pem(18 bytes)") && !shown.contains("secret"), "{shown}");
    }
}
