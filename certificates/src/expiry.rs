//! Expiry: until when is a certificate valid?

use std::fmt;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_parser::time::ASN1Time;

use crate::x509::{self, Unreadable};

/// The last second in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry(ASN1Time);

impl Expiry {
    /// Reads it from a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        Ok(Self(x509::parse(certificate)?.validity().not_after))
    }

    /// As Unix time.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Whether the certificate has expired at that time.
    #[must_use]
    pub fn has_passed(self, now: SystemTime) -> bool {
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX) > self.unix_seconds()
    }
}

/// As `openssl x509 -enddate` writes it, but for the name of the time zone.
impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_last_second_is_valid_and_the_next_is_not() {
        let mut params = CertificateParams::new(vec!["n0".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2030, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expiry = Expiry::of(certificate.der()).unwrap();
        assert_eq!(expiry.unix_seconds(), 1_893_456_000);
        assert_eq!(expiry.to_string(), "Jan  1 00:00:00 2030 +00:00");
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert!(!expiry.has_passed(last));
        assert!(expiry.has_passed(last + Duration::from_secs(1)));
    }

    #[test]
    fn what_is_no_certificate_has_no_expiry() {
        assert!(Expiry::of(&CertificateDer::from(vec![0; 8])).is_err());
    }
}
