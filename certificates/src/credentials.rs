//! Credentials: what the files held at one moment, as rustls needs it.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ConfigBuilder, ConfigSide, RootCertStore, ServerConfig, WantsVerifier,
    WantsVersions,
};

use crate::expiry::Expiry;
use crate::files::{CertificateError, Files};

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

/// Given by hand everywhere: a default of the process would depend on who asks first.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn of_versions<Side: ConfigSide>(
    builder: ConfigBuilder<Side, WantsVersions>,
) -> ConfigBuilder<Side, WantsVerifier> {
    builder.with_protocol_versions(&[&TLS13, &TLS12]).expect("ring has suites for both versions")
}
