//! TLS: which certificate does the node show, and how is it replaced?
//!
//! A [`Tls`] remembers its files. [`Tls::reload`] reads them again and, if they
//! are sound, shows the new certificate to every connection made from then on;
//! if not, the old one stays and the error says which file is wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

/// Protocols in the order of preference; the client's list decides what is possible.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate that can be replaced while connections are served.
#[derive(Debug)]
pub struct Tls {
    chain: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

/// Why a certificate cannot be used; the operator mends the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not PEM.
    #[error("{} is not valid PEM: {problem}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file has no certificate in it.
    #[error("{} holds no certificate (a block `BEGIN CERTIFICATE`)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file has no private key in it.
    #[error("{} holds no private key (a block `BEGIN ... PRIVATE KEY`)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are each readable, but cannot be used together.
    #[error("cannot use {} with {}: {source}", chain.display(), key.display())]
    Unusable {
        /// The certificate file.
        chain: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads a certificate chain, the node's own certificate first, and its key.
    pub fn load(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Arc<Self>, TlsError> {
        let (chain, key) = (chain.into(), key.into());
        let config = ArcSwap::from_pointee(read(&chain, &key)?);
        Ok(Arc::new(Self { chain, key, config }))
    }

    /// Reads the files again. On an error the present certificate stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(Arc::new(read(&self.chain, &self.key)?));
        Ok(())
    }

    /// What a connection made now is served with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

fn read(chain: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let certificates = read_chain(chain)?;
    let private = read_key(key)?;
    let unusable =
        |source| TlsError::Unusable { chain: chain.to_owned(), key: key.to_owned(), source };
    // Given by hand: a default provider of the process would depend on who asks first.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(unusable)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read_file(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
        error => not_pem(path, &error),
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// The error's kind only: some of its forms quote what stands in the file.
fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "it cannot be parsed",
    };
    TlsError::NotPem { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self { folder: tempfile::tempdir().unwrap() };
            files.renew();
            files
        }

        fn renew(&self) {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(self.chain(), cert.pem()).unwrap();
            fs::write(self.key(), signing_key.serialize_pem()).unwrap();
        }

        fn chain(&self) -> PathBuf {
            self.folder.path().join("node.crt")
        }

        fn key(&self) -> PathBuf {
            self.folder.path().join("node.key")
        }

        fn load(&self) -> Result<Arc<Tls>, TlsError> {
            Tls::load(self.chain(), self.key())
        }
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let files = Files::new();
        let swapped = Tls::load(files.key(), files.key()).unwrap_err();
        assert!(
            swapped.to_string().ends_with("holds no certificate (a block `BEGIN CERTIFICATE`)")
        );
        let swapped = Tls::load(files.chain(), files.chain()).unwrap_err();
        assert!(matches!(swapped, TlsError::NoKey { .. }), "{swapped}");
        let missing = Tls::load("/nowhere/node.crt", files.key()).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nowhere/node.crt: "), "{missing}");
        fs::write(files.chain(), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        let torn = files.load().unwrap_err().to_string();
        assert!(torn.ends_with("node.crt is not valid PEM: a block has no END line"), "{torn}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (files, others) = (Files::new(), Files::new());
        let error = Tls::load(files.chain(), others.key()).unwrap_err();
        assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
    }

    #[test]
    fn a_bad_reload_keeps_the_certificate() {
        let files = Files::new();
        let tls = files.load().unwrap();
        let before = tls.config();
        fs::write(files.key(), "no key").unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(&before, &tls.config()));
        files.renew();
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.config()));
    }
}
