//! TLS transport: TCP connections with mutual TLS and the node role.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certificates::subject::ROLE_NODE;
use certificates::{CertificateError, Clients, Files, Reloading, subject};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::transport::{Accepted, BoxFuture, BoxStream, Incoming, Transport};

/// How long connecting, or one side of a handshake, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait before accepting again after the system refused, for
/// example because no file descriptor is left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// What travels between nodes.
const PROTOCOLS: [&[u8]; 1] = [b"h2"];

/// Both ends of connections made from now on; each verifies the other.
pub struct PeerTls {
    dial: Arc<ClientConfig>,
    accept: Arc<ServerConfig>,
}

/// Reads a node's certificate and the authority of all nodes; follows the files.
pub fn load(files: Files) -> Result<Arc<Reloading<PeerTls>>, CertificateError> {
    Reloading::new(files, |read| {
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
}

impl TlsTransport {
    /// Uses a bound listener.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Arc<Reloading<PeerTls>>) -> Self {
        Self { listener, tls }
    }
}

impl Transport for TlsTransport {
    fn dial<'a>(&'a self, name: &'a str, address: &'a str) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move {
            let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
            let connect = async {
                let tcp = TcpStream::connect(address).await?;
                tcp.set_nodelay(true)?;
                let connector = TlsConnector::from(Arc::clone(&self.tls.get().dial));
                connector.connect(server, tcp).await
            };
            let stream = timeout(CONNECT_TIMEOUT, connect).await??;
            let (_, session) = stream.get_ref();
            let shown = node_name(session.peer_certificates())?;
            if shown != name {
                let text = format!("{address} is {shown}, not {name}");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
            }
            Ok(Box::new(stream) as BoxStream)
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
            self.tcp.set_nodelay(true)?;
            let stream = timeout(CONNECT_TIMEOUT, self.tls.accept(self.tcp)).await??;
            let (_, session) = stream.get_ref();
            let name = node_name(session.peer_certificates())?;
            Ok(Accepted { name, stream: Box::new(stream) })
        })
    }

    fn remote(&self) -> String {
        self.remote.to_string()
    }
}

/// The name in the leaf certificate, if its role is node.
fn node_name(chain: Option<&[rustls::pki_types::CertificateDer<'_>]>) -> io::Result<String> {
    let refused = |text: String| io::Error::new(io::ErrorKind::PermissionDenied, text);
    let leaf = chain
        .and_then(<[_]>::first)
        .ok_or_else(|| refused("the other end showed no certificate".to_owned()))?;
    let subject = subject(leaf).map_err(|error| refused(error.to_string()))?;
    if subject.role != ROLE_NODE {
        let text = format!("certificate of {} has role {}, not node", subject.name, subject.role);
        return Err(refused(text));
    }
    Ok(subject.name)
}
