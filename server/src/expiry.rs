//! Expiry: until when are the certificates in use valid?
//!
//! Whoever puts a certificate into use notes it here, at the start and whenever
//! it was replaced. Only figures depend on it.

use std::collections::BTreeMap;

use certificates::Expiry;
use parking_lot::Mutex;

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
    /// Held for an assignment only.
    noted: Mutex<BTreeMap<Role, Expiry>>,
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
    /// A certificate with this expiry is in use as `role` from now on.
    pub fn note(&self, role: Role, expiry: Expiry) {
        self.noted.lock().insert(role, expiry);
    }

    /// What was noted.
    pub(crate) fn read(&self) -> BTreeMap<Role, Expiry> {
        self.noted.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_note_replaces_what_was_noted_before() {
        let expiries = Expiries::default();
        for year in [2030, 2031] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let expiry = Expiry::of(certificate.der()).unwrap();
            expiries.note(Role::Https, expiry);
            assert_eq!(expiries.read(), BTreeMap::from([(Role::Https, expiry)]));
        }
    }
}
