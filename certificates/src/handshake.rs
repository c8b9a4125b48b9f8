//! Handshake: why did one fail, in words, and what would mend it?
//!
//! For a log line that says by itself where the connection came from or went
//! to. In the words, "it" is the other end and "this node" the one that logs.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// What a caller of a TLS port does that begins like [`is_plain_http`].
pub const PLAIN_HTTP: &str = "it speaks plain HTTP on a TLS port: use https://";

/// The start of a connection that [`is_plain_http`] looks at.
pub type Opening = [u8; 8];

const METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"PATCH ",
    b"TRACE ",
    // HTTP/2 without TLS.
    b"PRI ",
];

/// Whether a connection that opens like this speaks HTTP without TLS. No TLS
/// connection does: its first byte is no letter.
#[must_use]
pub fn is_plain_http(opening: &Opening) -> bool {
    METHODS.iter().any(|method| opening.starts_with(method))
}

/// Why a handshake failed, and what would mend it. `trusted` is the setting that
/// names the authorities which this end trusts.
#[must_use]
pub fn reason(error: &io::Error, trusted: &str) -> String {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return reason_of_tls(error, trusted);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => {
            "it closed the connection before the handshake was over".to_owned()
        }
        io::ErrorKind::TimedOut => "it did not finish the handshake in time".to_owned(),
        _ => error.to_string(),
    }
}

fn reason_of_tls(error: &Error, trusted: &str) -> String {
    match error {
        Error::InvalidCertificate(error) => reason_of_certificate(error, trusted),
        Error::NoCertificatesPresented => {
            "it showed no certificate: only nodes connect here, clients use the https port"
                .to_owned()
        }
        Error::AlertReceived(alert) => reason_of_alert(*alert),
        Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        Error::PeerIncompatible(what) => format!("it speaks neither TLS 1.3 nor 1.2: {what:?}"),
        other => other.to_string(),
    }
}

/// What this end finds wrong with the other's certificate.
fn reason_of_certificate(error: &CertificateError, trusted: &str) -> String {
    match error {
        // An authority that was made anew under the same name: its name fits, its key does not.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is signed by an authority that this node does not trust: \
             is that authority in {trusted}?"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it, or correct this node's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: correct this node's clock, or the one of who \
             made it"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, .. } => {
            let name = expected.to_str();
            format!("its certificate is not for {name}: make one with that alternative name")
        }
        CertificateError::InvalidPurposeContext { required, .. } => {
            format!("its certificate is not for {required}: make one with that extended key usage")
        }
        other => format!("its certificate is not valid: {other}"),
    }
}

/// What the other end finds wrong, as far as TLS lets it say so.
fn reason_of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not trust the authority that signed this node's certificate: give it that \
             authority's certificate"
                .to_owned()
        }
        AlertDescription::CertificateExpired => {
            "it says that this node's certificate has expired: renew it, or correct the clock there"
                .to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => format!(
            "it refuses this node's certificate ({alert:?}): is the name that it asked for among \
             the alternative names?"
        ),
        other => format!("it ended the handshake ({other:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error) -> String {
        reason(&io::Error::new(io::ErrorKind::InvalidData, error), "peer.ca")
    }

    #[test]
    fn a_reason_names_what_mends_it() {
        for (error, words) in [
            (CertificateError::UnknownIssuer.into(), "is that authority in peer.ca?"),
            (CertificateError::BadSignature.into(), "is that authority in peer.ca?"),
            (CertificateError::Expired.into(), "its certificate has expired: renew it"),
            (Error::NoCertificatesPresented, "showed no certificate"),
            (Error::AlertReceived(AlertDescription::UnknownCA), "it does not trust"),
            (Error::AlertReceived(AlertDescription::CertificateExpired), "this node's certificate"),
            (Error::AlertReceived(AlertDescription::BadCertificate), "alternative names"),
        ] {
            let reason = of(error);
            assert!(reason.contains(words), "{reason}");
        }
        assert_eq!(
            of(Error::AlertReceived(AlertDescription::HandshakeFailure)),
            "it ended the handshake (HandshakeFailure)"
        );
    }

    #[test]
    fn sockets_have_their_reasons_too() {
        let of = |kind: io::ErrorKind| reason(&kind.into(), "peer.ca");
        assert!(of(io::ErrorKind::UnexpectedEof).contains("closed the connection"));
        assert!(of(io::ErrorKind::TimedOut).contains("in time"));
        let own = io::Error::new(io::ErrorKind::PermissionDenied, "has another role");
        assert_eq!(reason(&own, "peer.ca"), "has another role");
    }

    #[test]
    fn http_is_told_from_tls() {
        assert!(is_plain_http(b"GET / HT"));
        assert!(is_plain_http(b"PUT /\0\0\0"), "a short one");
        assert!(is_plain_http(b"PRI * HT"));
        assert!(!is_plain_http(b"\x16\x03\x01\x02\0\x01\0\x01"));
        assert!(!is_plain_http(b"SSH-2.0-"));
        assert!(!is_plain_http(&Opening::default()));
    }
}
