//! TLS transport: TCP connections with mutual TLS and the node role.
//!
//! An error says why in words for a log, and what would mend it. Refusals of a
//! node that was dialled are logged here, because gRPC, which dials, tells nobody;
//! those of a caller are the door's to log.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certificates::handshake::{self, Opening, PLAIN_HTTP, is_plain_http};
use certificates::subject::ROLE_NODE;
use certificates::{CertificateError, Clients, Files, Reloading, subject};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::transport::{Accepted, BoxFuture, BoxStream, Incoming, Transport};

/// How long connecting, or one side of a handshake, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait before accepting again after the system refused, for
/// example because no file descriptor is left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// What travels between nodes.
const PROTOCOLS: [&[u8]; 1] = [b"h2"];

/// The setting that names the nodes' authorities.
const TRUSTED: &str = "peer.ca";

/// What is read of a request in plain HTTP: more than a method and a path take.
const PLAIN_BYTES: usize = 4096;

/// Both ends of connections made from now on; each verifies the other.
pub struct PeerTls {
    dial: Arc<ClientConfig>,
    accept: Arc<ServerConfig>,
}

/// Reads the certificate of the node called `name` and the authority of all
/// nodes; follows the files. A certificate that no node would take for its own
/// is refused, be it the first or a renewed one.
pub fn load(files: Files, name: &str) -> Result<Arc<Reloading<PeerTls>>, CertificateError> {
    let name = name.to_owned();
    Reloading::new(files, move |read| {
        read.check_node(&name)?;
        Ok(PeerTls {
            dial: read.client(&PROTOCOLS)?.into(),
            accept: read.server(Clients::Certified, &PROTOCOLS)?.into(),
        })
    })
}

/// Peer connections over TCP and mutual TLS.
pub struct TlsTransport {
    listener: TcpListener,
    tls: Arc<Reloading<PeerTls>>,
    /// Why the nodes that were refused last time were, by their names.
    refused: Mutex<BTreeMap<String, String>>,
}

impl TlsTransport {
    /// Uses a bound listener.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Arc<Reloading<PeerTls>>) -> Self {
        Self { listener, tls, refused: Mutex::default() }
    }

    /// The handshake with the node that should be at the other end.
    async fn meet(&self, tcp: TcpStream, name: &str) -> io::Result<BoxStream> {
        let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls.get().dial));
        let stream = connector.connect(server, tcp).await?;
        let (_, session) = stream.get_ref();
        let shown = node_name(session.peer_certificates())?;
        if shown != name {
            let text = format!("it is {shown}: are addresses in peer.seeds mixed up?");
            return Err(refusal(text));
        }
        Ok(Box::new(stream))
    }

    /// Says once why a node is refused. Whoever is merely not there, or ended
    /// the connection, is not.
    fn note(&self, name: &str, address: &str, met: &io::Result<BoxStream>) {
        let mut refused = self.refused.lock();
        match met.as_ref().err() {
            None => {
                refused.remove(name);
            }
            Some(error) if is_refusal(error) => {
                let reason = error.to_string();
                if refused.get(name) != Some(&reason) {
                    tracing::warn!(node = name, address, reason, "cannot connect to a node");
                    refused.insert(name.to_owned(), reason);
                }
            }
            Some(_) => {}
        }
    }
}

impl Transport for TlsTransport {
    fn dial<'a>(&'a self, name: &'a str, address: &'a str) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move {
            let deadline = Instant::now() + CONNECT_TIMEOUT;
            let tcp = timeout_at(deadline, TcpStream::connect(address)).await??;
            tcp.set_nodelay(true)?;
            let met = timeout_at(deadline, self.meet(tcp, name)).await;
            let met = met.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(in_words);
            self.note(name, address, &met);
            met
        })
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Incoming>>> {
        Box::pin(async move {
            loop {
                match self.listener.accept().await {
                    Ok((tcp, remote)) => {
                        let tls = TlsAcceptor::from(Arc::clone(&self.tls.get().accept));
                        return Ok(Box::new(TlsIncoming { tcp, remote, tls }) as Box<dyn Incoming>);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a peer connection; trying again");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                }
            }
        })
    }
}

struct TlsIncoming {
    tcp: TcpStream,
    remote: SocketAddr,
    tls: TlsAcceptor,
}

impl Incoming for TlsIncoming {
    fn handshake(self: Box<Self>) -> BoxFuture<'static, io::Result<Accepted>> {
        Box::pin(async move {
            let met = timeout(CONNECT_TIMEOUT, identify(self.tcp, self.tls)).await;
            met.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(in_words)
        })
    }

    fn remote(&self) -> String {
        self.remote.to_string()
    }
}

/// The handshake with a caller.
async fn identify(mut tcp: TcpStream, tls: TlsAcceptor) -> io::Result<Accepted> {
    tcp.set_nodelay(true)?;
    let mut opening = Opening::default();
    tcp.peek(&mut opening).await?;
    if is_plain_http(&opening) {
        // Closed over unread bytes, the connection would reset.
        let _count = tcp.read(&mut [0; PLAIN_BYTES]).await?;
        return Err(refusal(PLAIN_HTTP.to_owned()));
    }
    let stream = tls.accept(tcp).await?;
    let (_, session) = stream.get_ref();
    let name = node_name(session.peer_certificates())?;
    Ok(Accepted { name, stream: Box::new(stream) })
}

/// The name in the leaf certificate, if its role is node.
fn node_name(chain: Option<&[CertificateDer<'_>]>) -> io::Result<String> {
    let leaf = chain
        .and_then(<[_]>::first)
        .ok_or_else(|| refusal("it showed no certificate".to_owned()))?;
    let subject = subject(leaf).map_err(|error| {
        refusal(format!("its {error}: a node's has its name as CN, and OU=node"))
    })?;
    if subject.role != ROLE_NODE {
        return Err(refusal(format!(
            "its certificate, of {}, has role {}, not node: clients use the https port, \
             a node needs OU=node",
            subject.name, subject.role
        )));
    }
    Ok(subject.name)
}

fn refusal(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// What TLS or the certificate's subject is the reason for, as opposed to the network.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied)
}

fn in_words(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), handshake::reason(&error, TRUSTED))
}
