//! What is in the certificates, read back by another library.

use std::os::unix::fs::PermissionsExt;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::*;
use crate::dev::plan::NodePlan;

fn plan(root: &Path, nodes: u16) -> Plan {
    let nodes = (0..nodes).map(|n| NodePlan {
        name: crate::dev::plan::node_name(n),
        https_port: 8443 + n,
        peer_port: 7420 + n,
        config: root.join("config"),
        data: root.join("data"),
        log: root.join("log"),
        command: Vec::new(),
    });
    let nodes = nodes.collect();
    let root = root.to_owned();
    Plan { root, nodes, groups: 2, set: Vec::new(), https_port: 8443, peer_port: 7420 }
}

fn with_certificate(plan: &Plan, name: &str, look: impl FnOnce(&X509Certificate<'_>)) {
    let pem = fs::read(plan.certificates().join(format!("{name}.crt"))).unwrap();
    let (_, pem) = parse_x509_pem(&pem).unwrap();
    look(&pem.parse_x509().unwrap());
}

fn subject(certificate: &X509Certificate<'_>) -> (String, String) {
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().unwrap().as_str().unwrap();
    let role = subject.iter_organizational_unit().next().unwrap().as_str().unwrap();
    (name.to_owned(), role.to_owned())
}

#[test]
fn a_node_has_its_name_its_role_and_both_uses() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), 1);
    assert_eq!(ensure(&plan).unwrap(), Ensured { made: 3, kept: 0 });
    with_certificate(&plan, "rdb_replica_0", |certificate| {
        assert_eq!(subject(certificate), ("rdb_replica_0".to_owned(), "node".to_owned()));
        let uses = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(uses.server_auth && uses.client_auth);
        assert!(!certificate.is_ca());
        let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
        let v6 = std::net::Ipv6Addr::LOCALHOST.octets();
        for name in [
            GeneralName::DNSName("rdb_replica_0"),
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::IPAddress(&v6),
        ] {
            assert!(names.contains(&name), "{name:?} in {names:?}");
        }
    });
    for (name, role) in [("client", "client"), ("admin", "admin")] {
        with_certificate(&plan, name, |certificate| {
            assert_eq!(subject(certificate).1, role);
            let uses = certificate.extended_key_usage().unwrap().unwrap().value;
            assert!(!uses.server_auth && uses.client_auth);
        });
    }
}

#[test]
fn keys_are_private_and_the_authority_signs() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), 1);
    ensure(&plan).unwrap();
    for name in ["ca", "rdb_replica_0", "client", "admin"] {
        let key = plan.certificates().join(format!("{name}.key"));
        let mode = fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    with_certificate(&plan, "ca", |authority| {
        assert!(authority.is_ca());
        with_certificate(&plan, "client", |leaf| assert_eq!(leaf.issuer(), authority.subject()));
    });
}

#[test]
fn what_is_good_is_kept_and_what_is_missing_made() {
    let dir = tempfile::tempdir().unwrap();
    ensure(&plan(dir.path(), 1)).unwrap();
    let old = fs::read(plan(dir.path(), 1).ca()).unwrap();

    let plan = plan(dir.path(), 2);
    assert_eq!(ensure(&plan).unwrap(), Ensured { made: 1, kept: 3 });
    assert_eq!(fs::read(plan.ca()).unwrap(), old);

    fs::write(plan.certificates().join("client.crt"), "not a certificate").unwrap();
    assert_eq!(ensure(&plan).unwrap(), Ensured { made: 1, kept: 3 });
    fs::remove_file(plan.certificates().join("ca.key")).unwrap();
    assert_eq!(ensure(&plan).unwrap(), Ensured { made: 4, kept: 0 });
}

#[test]
fn certificates_of_a_kept_authority_verify_against_it() {
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{RootCertStore, client::WebPkiServerVerifier};

    let dir = tempfile::tempdir().unwrap();
    ensure(&plan(dir.path(), 1)).unwrap();
    let plan = plan(dir.path(), 2);
    ensure(&plan).unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(plan.ca()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    let verifier = verifier.build().unwrap();
    let leaf = plan.certificates().join("rdb_replica_1.crt");
    let leaf = CertificateDer::from_pem_file(leaf).unwrap();
    for host in ["localhost", "rdb_replica_1", "::1"] {
        let host = ServerName::try_from(host).unwrap();
        verifier.verify_server_cert(&leaf, &[], &host, &[], UnixTime::now()).unwrap();
    }
}
