//! Transport: connections between nodes, authenticated at both ends.
//!
//! A [`Transport`] dials a member by name and accepts from members; what
//! travels on the connection is gRPC and none of its business. The trait is
//! the seam that a simulation replaces; [`tls::TlsTransport`] is TCP with
//! mutual TLS.
//!
//! # Invariants
//!
//! * T1: whoever is on the other end of a connection has shown a certificate of
//!   our CA with the node role. Its name is known before a byte of gRPC is read.

pub mod tls;

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A byte stream to or from a peer, boxed.
pub type BoxStream = Box<dyn Stream>;

/// A future of a transport, boxed so that transports can be swapped at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Connections between nodes.
pub trait Transport: Send + Sync + 'static {
    /// Connects to the node called `name` at `address`, and proves that it is it.
    fn dial<'a>(&'a self, name: &'a str, address: &'a str) -> BoxFuture<'a, io::Result<BoxStream>>;

    /// The next connection that came in. The handshake is still to be done, so
    /// that a slow peer holds up nobody else. An error ends the node's listening.
    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Incoming>>>;
}

/// A connection that came in and has not said who it is.
pub trait Incoming: Send {
    /// Does the handshake: who is it, and its stream. An error is for the log:
    /// it says why, in words.
    fn handshake(self: Box<Self>) -> BoxFuture<'static, io::Result<Accepted>>;

    /// Where it comes from, for the log.
    fn remote(&self) -> String;
}

/// A connection from a node that has shown its certificate.
pub struct Accepted {
    /// The name in the certificate.
    pub name: String,
    /// The byte stream.
    pub stream: BoxStream,
}
