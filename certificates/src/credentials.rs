//! Credentials: what the files held at one moment, as rustls needs it.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ConfigBuilder, ConfigSide, RootCertStore, ServerConfig, WantsVerifier,
    WantsVersions,
};

use crate::expiry::Expiry;
use crate::files::{CertificateError, Files};
use crate::subject::{ROLE_NODE, subject};

/// Which clients a server lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Anyone; nobody is asked for a certificate.
    Anyone,
    /// Anyone; who shows a certificate must show a good one.
    AnyoneOrCertified,
    /// Only who shows a good certificate.
    Certified,
}

/// A certificate with its key, and who is trusted, each read once: whatever is
/// made of them is made of the same bytes.
#[derive(Debug)]
pub struct Credentials {
    pub(crate) files: Files,
    /// The own certificate first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) expiry: Expiry,
}

impl Credentials {
    /// Until when the certificate is valid.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.expiry
    }

    /// Whether other nodes would take the certificate for that of the node called `name`.
    pub fn check_node(&self, name: &str) -> Result<(), CertificateError> {
        let own = self.chain.first().expect("an empty chain is refused when it is read");
        fits_node(own, name).map_err(|problem| {
            let (path, node) = (self.files.chain.clone(), name.to_owned());
            CertificateError::OfAnother { path, node, problem }
        })
    }

    /// What a server needs that speaks these protocols, the preferred one first.
    pub fn server(
        &self,
        clients: Clients,
        protocols: &[&[u8]],
    ) -> Result<ServerConfig, CertificateError> {
        let builder = of_versions(ServerConfig::builder_with_provider(provider()));
        let builder = match self.verifier(clients)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(self.chain.clone(), self.key.clone_key());
        let mut config = config.map_err(|source| self.unusable(source))?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    /// What a client needs that shows the certificate and trusts the authorities.
    pub fn client(&self, protocols: &[&[u8]]) -> Result<ClientConfig, CertificateError> {
        let config = of_versions(ClientConfig::builder_with_provider(provider()))
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key());
        let mut config = config.map_err(|source| self.unusable(source))?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    fn verifier(
        &self,
        clients: Clients,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, CertificateError> {
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        let builder = match clients {
            Clients::Anyone => return Ok(None),
            Clients::AnyoneOrCertified => builder.allow_unauthenticated(),
            Clients::Certified => builder,
        };
        let path = self.files.authorities.clone().unwrap_or_default();
        let verifier = builder
            .build()
            .map_err(|error| CertificateError::NoAuthority { path, problem: error.to_string() })?;
        Ok(Some(verifier))
    }

    fn unusable(&self, source: rustls::Error) -> CertificateError {
        let (chain, key) = (self.files.chain.clone(), self.files.key.clone());
        CertificateError::Unusable { chain, key, source }
    }
}

fn fits_node(certificate: &CertificateDer<'_>, name: &str) -> Result<(), String> {
    let subject = subject(certificate).map_err(|error| error.to_string())?;
    if subject.name != name {
        return Err(format!("its name (CN) is {}", subject.name));
    }
    if subject.role != ROLE_NODE {
        return Err(format!("its role (OU) is {}", subject.role));
    }
    let asked_for = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
    verify_server_name(&parsed, &asked_for)
        .map_err(|_| format!("{name} is not among its alternative names"))
}

/// Given by hand everywhere: a default of the process would depend on who asks first.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn of_versions<Side: ConfigSide>(
    builder: ConfigBuilder<Side, WantsVersions>,
) -> ConfigBuilder<Side, WantsVerifier> {
    builder.with_protocol_versions(&[&TLS13, &TLS12]).expect("ring has suites for both versions")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    /// What is wrong with the certificate of this subject and alternative name as n0's.
    fn fault(name: &str, role: Option<&str>, alternative: &str) -> Option<String> {
        let mut params = CertificateParams::new(vec![alternative.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(role) = role {
            params.distinguished_name.push(DnType::OrganizationalUnitName, role);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        fits_node(certificate.der(), "n0").err()
    }

    #[test]
    fn a_nodes_certificate_has_its_name_twice_and_the_role() {
        assert_eq!(fault("n0", Some("node"), "n0"), None);
        for (fault, words) in [
            (fault("n1", Some("node"), "n0"), "its name (CN) is n1"),
            (fault("n0", Some("client"), "n0"), "its role (OU) is client"),
            (fault("n0", None, "n0"), "has no single organizational unit (OU)"),
            (fault("n0", Some("node"), "n1"), "n0 is not among its alternative names"),
        ] {
            let fault = fault.unwrap();
            assert!(fault.contains(words), "{fault}");
        }
    }
}
