//! Peer TLS: both ends of a connection between nodes verify the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::Peer;

/// Why the peer certificates cannot be used. The operator mends the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerTlsError {
    /// The file is missing, or holds nothing of the kind.
    #[error("cannot read {kind} from {}: {error}", path.display())]
    File {
        /// What was looked for.
        kind: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        error: rustls::pki_types::pem::Error,
    },
    /// The parts do not fit together.
    #[error("peer certificate {}: {error}", path.display())]
    Certificate {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Both ends' configurations: to dial and to accept.
pub(crate) fn load(
    peer: &Peer,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<ClientConfig>, Arc<ServerConfig>), PeerTlsError> {
    let roots = Arc::new(roots(&peer.ca)?);
    let bad = |error: Box<dyn std::error::Error + Send + Sync>| PeerTlsError::Certificate {
        path: peer.tls.cert.clone(),
        error,
    };
    let rustls_bad = |error: rustls::Error| bad(error.into());

    let mut client = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(rustls_bad)?
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(chain(&peer.tls.cert)?, key(&peer.tls.key)?)
        .map_err(rustls_bad)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| bad(error.into()))?;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(rustls_bad)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&peer.tls.cert)?, key(&peer.tls.key)?)
        .map_err(rustls_bad)?;
    client.alpn_protocols = vec![b"h2".to_vec()];
    server.alpn_protocols = vec![b"h2".to_vec()];
    Ok((Arc::new(client), Arc::new(server)))
}

fn roots(path: &Path) -> Result<RootCertStore, PeerTlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|error| PeerTlsError::Certificate {
            path: path.to_owned(),
            error: error.into(),
        })?;
    }
    Ok(roots)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PeerTlsError> {
    let failed = |error| PeerTlsError::File { kind: "certificates", path: path.to_owned(), error };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    match certificates.is_empty() {
        true => Err(failed(rustls::pki_types::pem::Error::NoItemsFound)),
        false => Ok(certificates),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, PeerTlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| PeerTlsError::File {
        kind: "a private key",
        path: path.to_owned(),
        error,
    })
}
