//! Certificates: who the client trusts, and how it introduces itself.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use client::health::Probe;
use client::{Builder, Client};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// An authority and what it signs for `localhost`.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key, as PEM.
    fn signs(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A door that lets in only who has a certificate of this authority, and
    /// says `ok` to everything. Returns its address.
    fn guards_a_door(&self) -> String {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let guard = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let (certificate, key) = self.signs();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(guard.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            );
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, socket);
                if stream.read(&mut [0; 4096]).is_ok() {
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    let _answered = stream.write_all(answer.as_bytes());
                } else {
                    // Whatever is left unread would reset the connection before
                    // the other side has read why it is turned away.
                    let _until_it_leaves = std::io::copy(&mut stream.sock, &mut std::io::sink());
                }
            }
        });
        format!("https://localhost:{port}")
    }
}

/// Why there is no answer; empty if there is one.
async fn trouble(builder: Builder) -> String {
    let healths = builder.build().unwrap().healths(Probe::Live).await;
    healths[0].checkup.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

async fn lives(builder: Builder) -> bool {
    trouble(builder).await.is_empty()
}

#[tokio::test]
async fn a_client_introduces_itself_to_who_asks() {
    let authority = Authority::new();
    let door = authority.guards_a_door();
    let anonymous = || Client::builder().endpoints([&door]).ca_pem(&authority.pem);
    let refused = trouble(anonymous()).await;
    assert!(refused.contains("CertificateRequired"), "{refused}");
    let (certificate, key) = authority.signs();
    assert!(lives(anonymous().identity_pem(&certificate, &key)).await);
    let (certificate, key) = Authority::new().signs();
    assert!(!lives(anonymous().identity_pem(&certificate, &key)).await);
}

#[tokio::test]
async fn only_who_skips_verification_trusts_anybody() {
    let authority = Authority::new();
    let door = authority.guards_a_door();
    let (certificate, key) = authority.signs();
    let other = Authority::new().pem;
    let stranger =
        || Client::builder().endpoints([&door]).identity_pem(&certificate, &key).ca_pem(&other);
    assert!(!lives(stranger()).await);
    assert!(lives(stranger().insecure_skip_verify()).await);
}
