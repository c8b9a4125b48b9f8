//! Subject: who does a certificate say its holder is?
//!
//! The subject's common name is the name, its organizational unit the role:
//! `node`, `client`, `admin` or `proxy`.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::X509Name;

use crate::x509::{self, Unreadable};

/// The role that may speak on the peer port.
pub const ROLE_NODE: &str = "node";

/// The role whose request ids are taken at the client door.
pub const ROLE_PROXY: &str = "proxy";

/// Who a certificate belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Common name.
    pub name: String,
    /// Organisational unit.
    pub role: String,
}

/// Why a certificate names nobody we know how to treat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// It is not an X.509 certificate.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The field is missing, repeated or not text.
    #[error("certificate subject has no single {0}")]
    Missing(&'static str),
}

/// Reads the subject of a certificate that the TLS library has verified.
pub fn subject(certificate: &CertificateDer<'_>) -> Result<Subject, SubjectError> {
    let certificate = x509::parse(certificate)?;
    let subject = certificate.subject();
    Ok(Subject {
        name: single(subject, X509Name::iter_common_name, "common name (CN)")?,
        role: single(subject, X509Name::iter_organizational_unit, "organizational unit (OU)")?,
    })
}

fn single<'a, I>(
    subject: &'a X509Name<'a>,
    fields: impl FnOnce(&'a X509Name<'a>) -> I,
    what: &'static str,
) -> Result<String, SubjectError>
where
    I: Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
{
    let mut fields = fields(subject);
    let first = fields.next().and_then(|field| field.as_str().ok());
    match (first, fields.next()) {
        (Some(text), None) => Ok(text.to_owned()),
        _ => Err(SubjectError::Missing(what)),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(fields: &[(DnType, &str)]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["n0".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (field, text) in fields {
            params.distinguished_name.push(field.clone(), *text);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn name_and_role_are_read_from_the_subject() {
        let certificate = certificate(&[
            (DnType::CommonName, "rdb_replica_0"),
            (DnType::OrganizationalUnitName, "node"),
        ]);
        let expected = Subject { name: "rdb_replica_0".into(), role: "node".into() };
        assert_eq!(subject(&certificate), Ok(expected));
    }

    #[test]
    fn a_certificate_without_a_role_names_nobody() {
        let certificate = certificate(&[(DnType::CommonName, "rdb_replica_0")]);
        assert!(matches!(subject(&certificate), Err(SubjectError::Missing(_))));
    }
}
