//! TLS: what the client door shows, and whom it knows.
//!
//! Anyone may connect. Who shows a certificate must show a good one, and its
//! subject then says who that is: the proxy's request ids are taken, nobody else's.

use std::sync::Arc;

use certificates::{CertificateError, Clients, Files, Reloading};
use rustls::ServerConfig;

/// Protocols in the order of preference; the client's list decides what is possible.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The setting that names the callers' authorities.
pub(crate) const TRUSTED: &str = "https.client_ca";

/// What connections made from now on are served with; follows its files.
pub type Tls = Reloading<ServerConfig>;

/// Reads the door's certificate, and the authorities of its callers' if there are any.
pub fn load(files: Files) -> Result<Arc<Tls>, CertificateError> {
    let clients = match files.authorities {
        Some(_) => Clients::AnyoneOrCertified,
        None => Clients::Anyone,
    };
    Reloading::new(files, move |read| read.server(clients, &PROTOCOLS))
}
