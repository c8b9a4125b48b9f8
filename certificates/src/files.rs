//! Files: which PEM files there are, and what is in them; an error names the file.

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::credentials::Credentials;
use crate::expiry::Expiry;
use crate::x509::Unreadable;

/// A certificate with its key, and who is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate chain, the own certificate first.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates are trusted.
    pub authorities: Option<PathBuf>,
}

/// Why certificates cannot be used; the operator mends the file.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
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
    /// The first certificate in the file is none.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Unreadable,
    },
    /// The file has no private key in it.
    #[error("{} holds no private key (a block `BEGIN ... PRIVATE KEY`)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The certificate is good, and another's.
    #[error(
        "{} is not the certificate of {node}: {problem}; it must have {node} as common name (CN) \
         and as alternative name, and node as organizational unit (OU)",
        path.display()
    )]
    OfAnother {
        /// The file.
        path: PathBuf,
        /// The node that is to use it.
        node: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate in the file cannot be an authority.
    #[error("{} cannot be trusted as an authority: {problem}", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
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

impl Files {
    /// All files, to be watched.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.chain.clone(), self.key.clone()];
        paths.extend(self.authorities.clone());
        paths
    }

    /// Reads them all, each once.
    pub fn read(&self) -> Result<Credentials, CertificateError> {
        let (chain, expiry) = read_chain(&self.chain)?;
        let key = read_key(&self.key)?;
        let roots = self.read_roots()?.into();
        Ok(Credentials { files: self.clone(), chain, key, roots, expiry })
    }

    fn read_roots(&self) -> Result<RootCertStore, CertificateError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.authorities else { return Ok(roots) };
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|error| CertificateError::NoAuthority {
                path: path.clone(),
                problem: error.to_string(),
            })?;
        }
        Ok(roots)
    }
}

/// The chain, and the expiry of its first certificate, which is the one that is shown.
fn read_chain(path: &Path) -> Result<(Vec<CertificateDer<'static>>, Expiry), CertificateError> {
    let chain = read_certificates(path)?;
    let own = chain.first().ok_or_else(|| CertificateError::NoCertificate { path: path.into() })?;
    let expiry = Expiry::of(own)
        .map_err(|source| CertificateError::Unreadable { path: path.into(), source })?;
    Ok((chain, expiry))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = read_file(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(path, &error))?;
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let pem = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey { path: path.to_owned() },
        error => not_pem(path, &error),
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}

/// The error's kind only: some of its forms quote what stands in the file.
fn not_pem(path: &Path, error: &pem::Error) -> CertificateError {
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "it cannot be parsed",
    };
    CertificateError::NotPem { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;
    use crate::credentials::Clients;

    fn made(folder: &tempfile::TempDir) -> Files {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (folder.path().join("node.crt"), folder.path().join("node.key"));
        fs::write(&chain, cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        Files { authorities: Some(chain.clone()), chain, key }
    }

    fn refusal(files: &Files) -> String {
        files.read().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let good = made(&folder);
        let read = good.read().unwrap();
        assert!(read.server(Clients::AnyoneOrCertified, &[b"h2"]).is_ok());
        assert!(read.client(&[b"h2"]).is_ok());
        let swapped = refusal(&Files { chain: good.key.clone(), ..good.clone() });
        assert!(swapped.ends_with("holds no certificate (a block `BEGIN CERTIFICATE`)"));
        let swapped = refusal(&Files { key: good.chain.clone(), ..good.clone() });
        assert!(swapped.contains("holds no private key"), "{swapped}");
        let missing = refusal(&Files { chain: "/nowhere/node.crt".into(), ..good.clone() });
        assert!(missing.starts_with("cannot read /nowhere/node.crt: "), "{missing}");
        let trustless = Files { authorities: Some(good.key.clone()), ..good.clone() };
        assert!(refusal(&trustless).contains("node.key holds no certificate"));
        fs::write(&good.chain, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        let torn = refusal(&good);
        assert!(torn.ends_with("node.crt is not valid PEM: a block has no END line"), "{torn}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mixed = Files { key: made(&there).key, ..made(&here) }.read().unwrap();
        let server = mixed.server(Clients::Anyone, &[]);
        assert!(matches!(server, Err(CertificateError::Unusable { .. })));
    }
}
