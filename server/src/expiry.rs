//! Expiry: until when are the certificates in use valid?
//!
//! Whoever puts a certificate into use notes it here, at the start and whenever
//! its file was read again. Only figures depend on it.

use std::collections::BTreeMap;
use std::path::Path;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::warn;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Shown to clients.
    Https,
    /// Shown to other nodes, by both ends of a connection.
    Peer,
}

/// When the certificates in use expire.
#[derive(Debug, Default)]
pub struct Expiries {
    /// Unix time. Held for an assignment only.
    noted: Mutex<BTreeMap<Role, i64>>,
}

impl Role {
    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Peer => "peer",
        }
    }
}

impl Expiries {
    /// The first certificate of the file `chain` is in use as `role` from now on.
    pub fn note(&self, role: Role, chain: &Path) {
        match expiry(chain) {
            Ok(seconds) => {
                self.noted.lock().insert(role, seconds);
            }
            Err(reason) => {
                // What it was is not so any more.
                self.noted.lock().remove(&role);
                let path = chain.display();
                warn!(%path, reason, "cannot tell when a certificate expires");
            }
        }
    }

    /// What was noted, Unix time.
    pub(crate) fn read(&self) -> BTreeMap<Role, i64> {
        self.noted.lock().clone()
    }
}

fn expiry(chain: &Path) -> Result<i64, String> {
    let first = CertificateDer::pem_file_iter(chain).map_err(|error| error.to_string())?.next();
    let der = first.ok_or("no certificate in it")?.map_err(|error| error.to_string())?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
    Ok(certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_note_replaces_what_was_noted_before() {
        let folder = tempfile::tempdir().unwrap();
        let chain = folder.path().join("chain.pem");
        let expiries = Expiries::default();
        for (year, seconds) in [(2030, 1_893_456_000), (2031, 1_924_992_000)] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            fs::write(&chain, certificate.pem()).unwrap();
            expiries.note(Role::Https, &chain);
            assert_eq!(expiries.read(), BTreeMap::from([(Role::Https, seconds)]));
        }
        fs::write(&chain, "no certificate").unwrap();
        expiries.note(Role::Https, &chain);
        assert_eq!(expiries.read(), BTreeMap::new());
    }
}
