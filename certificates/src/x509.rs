//! X.509: the one place that takes a certificate apart.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The bytes are no X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("certificate cannot be read: {0}")]
pub struct Unreadable(String);

/// Takes a certificate apart; whether it is to be trusted is the TLS library's question.
pub(crate) fn parse<'c>(
    certificate: &'c CertificateDer<'_>,
) -> Result<X509Certificate<'c>, Unreadable> {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map(|(_, certificate)| certificate).map_err(|error| Unreadable(error.to_string()))
}
