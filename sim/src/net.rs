//! Net: connections between simulated nodes.
//!
//! In the place of mutual TLS the dialer says its name in the first bytes. Nobody
//! lies about it here: who can lie about it is what `raft`'s own tests of TLS ask.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use raft::transport::{Accepted, BoxFuture, BoxStream, Incoming, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use turmoil::net::{TcpListener, TcpStream};

use crate::node::PEER_PORT;

/// How long a connection may take to be made, as between real nodes.
const CONNECT_MAX: Duration = Duration::from_secs(1);
const NAME_BYTES_MAX: usize = 64;

/// Which hosts are up. Whoever is not is never dialled: turmoil keeps a port for
/// every connection that was refused, and has no more of them one day.
#[derive(Clone, Default)]
pub struct Up(Arc<Mutex<BTreeSet<String>>>);

impl Up {
    /// The host starts or ends.
    pub fn set(&self, name: &str, up: bool) {
        let mut names = self.0.lock();
        if up {
            names.insert(name.to_owned())
        } else {
            names.remove(name)
        };
    }

    /// Connects to a port of a host.
    pub async fn connect(&self, name: &str, port: u16) -> io::Result<TcpStream> {
        if !self.0.lock().contains(name) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let connect = TcpStream::connect((name, port));
        timeout(CONNECT_MAX, connect).await.unwrap_or_else(|late| Err(io::Error::other(late)))
    }
}

/// One node's connections.
pub struct SimTransport {
    me: String,
    up: Up,
    listener: TcpListener,
}

struct SimIncoming {
    stream: TcpStream,
    remote: String,
}

impl SimTransport {
    /// Listens as the node called `me`.
    pub async fn listen(me: &str, up: Up) -> io::Result<Self> {
        let listener = TcpListener::bind(("0.0.0.0", PEER_PORT)).await?;
        up.set(me, true);
        Ok(Self { me: me.to_owned(), up, listener })
    }
}

impl Transport for SimTransport {
    fn dial<'a>(&'a self, name: &'a str, _: &'a str) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move {
            let mut stream = self.up.connect(name, PEER_PORT).await?;
            let length = u8::try_from(self.me.len()).map_err(io::Error::other)?;
            stream.write_u8(length).await?;
            stream.write_all(self.me.as_bytes()).await?;
            Ok(Box::new(stream) as BoxStream)
        })
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Incoming>>> {
        Box::pin(async move {
            let (stream, remote) = self.listener.accept().await?;
            let remote = remote.to_string();
            Ok(Box::new(SimIncoming { stream, remote }) as Box<dyn Incoming>)
        })
    }
}

impl Incoming for SimIncoming {
    fn handshake(mut self: Box<Self>) -> BoxFuture<'static, io::Result<Accepted>> {
        Box::pin(async move {
            let length = usize::from(self.stream.read_u8().await?).min(NAME_BYTES_MAX);
            let mut name = vec![0; length];
            self.stream.read_exact(&mut name).await?;
            let name = String::from_utf8(name).map_err(io::Error::other)?;
            Ok(Accepted { name, stream: Box::new(self.stream) })
        })
    }

    fn remote(&self) -> String {
        self.remote.clone()
    }
}
