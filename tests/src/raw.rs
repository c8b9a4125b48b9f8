//! Raw: what does a node do when a client has no manners?
//!
//! Connections on which the test decides about every byte.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::install_crypto;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A TLS connection that speaks HTTP/1.1 byte by byte.
#[derive(Debug)]
pub struct Raw {
    stream: TlsStream<TcpStream>,
    /// Answer bytes that belong to nothing yet.
    rest: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status of the answer.
    pub status: u16,
    /// Its head, in lower case.
    pub head: String,
    /// Its body.
    pub body: String,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The node closed the connection.
    Closed,
    /// It did nothing in the time it had.
    Waiting,
}

impl Raw {
    /// Connects to `base`, an address as dev.json gives it.
    ///
    /// # Errors
    ///
    /// If the node does not take the connection.
    ///
    /// # Panics
    ///
    /// If the certificate or the address cannot be read.
    pub async fn connect(base: &str, ca: &Path) -> Result<Self, String> {
        install_crypto();
        let mut config =
            ClientConfig::builder().with_root_certificates(roots(ca)).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        let connect = async {
            let tcp = tcp(base).await.map_err(|error| error.to_string())?;
            let stream = connector.connect(name, tcp).await.map_err(|error| error.to_string())?;
            Ok(Self { stream, rest: Vec::new() })
        };
        let connected = tokio::time::timeout(CONNECT_MAX, connect).await;
        connected.unwrap_or_else(|_| Err("no TLS connection in time".to_owned()))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// If the node has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        self.stream.write_all(bytes).await.map_err(|_| Silence::Closed)?;
        self.stream.flush().await.map_err(|_| Silence::Closed)
    }

    /// Reads one answer.
    ///
    /// # Errors
    ///
    /// If none comes within `limit`.
    pub async fn answer(&mut self, limit: Duration) -> Result<RawAnswer, Silence> {
        tokio::time::timeout(limit, self.next()).await.unwrap_or(Err(Silence::Waiting))
    }

    async fn next(&mut self) -> Result<RawAnswer, Silence> {
        loop {
            if let Some((answer, used)) = parse(&self.rest) {
                self.rest.drain(..used);
                return Ok(answer);
            }
            let mut buffer = [0; 4096];
            let read = self.stream.read(&mut buffer).await.map_err(|_| Silence::Closed)?;
            if read == 0 || self.rest.len() > ANSWER_BYTES_MAX {
                return Err(Silence::Closed);
            }
            self.rest.extend(buffer.iter().take(read));
        }
    }
}

/// A plain connection to the port of `base`.
///
/// # Errors
///
/// If nobody listens.
pub async fn tcp(base: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect(base.trim_start_matches("https://").trim_end_matches('/')).await
}

/// One attempt to get in, with or without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Where it came from: so the node names it in its log.
    pub from: SocketAddr,
    /// What came back, or why nothing did.
    pub came: Result<String, String>,
}

/// Knocks at a port with TLS and HTTP/2: as somebody who trusts the authority in
/// `ca`, asks for the node called `name`, and shows this certificate with its
/// key, or none.
///
/// # Panics
///
/// If the files cannot be read or nobody listens.
pub async fn knock(address: &str, name: &str, ca: &Path, shows: Option<(&Path, &Path)>) -> Knock {
    install_crypto();
    let builder = ClientConfig::builder().with_root_certificates(roots(ca));
    let mut config = match shows {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, key) = shown(certificate, key);
            builder.with_client_auth_cert(chain, key).expect("certificate and key fit")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let tcp = tcp(address).await.expect("the port is listened on");
    let from = tcp.local_addr().expect("a connected socket has an address");
    let answered = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        // Whoever is let in gets settings back. TLS 1.3 tells who is not so late.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
        first_bytes(&mut stream).await
    };
    Knock { from, came: within_limit(answered).await }
}

/// Knocks at a port with a request in HTTP without TLS.
///
/// # Panics
///
/// If nobody listens.
pub async fn knock_plain(address: &str) -> Knock {
    let mut tcp = tcp(address).await.expect("the port is listened on");
    let from = tcp.local_addr().expect("a connected socket has an address");
    let answered = async {
        tcp.write_all(&request(b"{}")).await?;
        let mut all = String::new();
        tcp.read_to_string(&mut all).await?;
        Ok(all)
    };
    Knock { from, came: within_limit(answered).await }
}

async fn first_bytes(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut buffer = [0; 16];
    match stream.read(&mut buffer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        read => Ok(format!("{read} bytes")),
    }
}

async fn within_limit(
    answered: impl Future<Output = std::io::Result<String>>,
) -> Result<String, String> {
    let answered = tokio::time::timeout(CONNECT_MAX, answered).await;
    answered.unwrap_or_else(|late| Err(late.into())).map_err(|error| error.to_string())
}

/// A certificate and its key, as rustls takes them.
///
/// # Panics
///
/// If they cannot be read.
#[must_use]
pub fn shown(
    certificate: &Path,
    key: &Path,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = vec![CertificateDer::from_pem_file(certificate).expect("a PEM certificate")];
    (chain, PrivateKeyDer::from_pem_file(key).expect("a PEM key"))
}

fn roots(ca: &Path) -> RootCertStore {
    let ca = CertificateDer::from_pem_file(ca).expect("dev.json names a PEM certificate");
    let mut roots = RootCertStore::empty();
    roots.add(ca).expect("the authority's certificate is one");
    roots
}

/// A whole request to `/command` with any bytes for a body.
#[must_use]
pub fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /command HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The first answer in `bytes` and its length, once it is whole.
fn parse(bytes: &[u8]) -> Option<(RawAnswer, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(Some(0), |length| length.trim().parse().ok())?;
    let body = String::from_utf8_lossy(bytes.get(end..end + length)?).into_owned();
    Some((RawAnswer { status, head, body }, end + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad";
        assert_eq!(parse(&whole[..whole.len() - 1]), None);
        let (answer, used) = parse(whole).unwrap();
        assert_eq!((answer.status, &*answer.body, used), (400, "bad", whole.len()));
    }
}
