//! Hostile: any bytes in place of a certificate or of the files that hold one.

use std::fs;

use fuzz::{Taken, Target};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::CertificateDer;

use crate::subject::SubjectError;
use crate::{Expiry, Files, subject};

/// A certificate of that name and role, and its key.
fn made(name: &str, role: &str) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec!["n0".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationalUnitName, role);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

#[test]
fn fuzz_certificates() {
    let seeds = [("rdb_replica_0", "node"), ("\u{fc}", "proxy")]
        .map(|(name, role)| made(name, role).0.der().to_vec());
    Target::new("certificates", seeds).memory(|bytes| 32 * bytes + 16_384).run(|input| {
        let read = |bytes: &[u8]| {
            let certificate = CertificateDer::from(bytes);
            let expiry = Expiry::of(&certificate).map_err(SubjectError::from)?;
            Ok::<_, SubjectError>((subject(&certificate)?, expiry))
        };
        match input.decode(read) {
            Ok((subject, expiry)) => {
                assert!(!expiry.to_string().is_empty());
                assert_eq!(read(input.bytes), Ok((subject, expiry)));
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        }
    });
}

/// One file in place of all three: chain, key and authorities.
#[test]
fn fuzz_pem_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.pem");
    let (certificate, key) = made("rdb_replica_0", "node");
    let seed = [certificate.pem(), key.serialize_pem()].concat();
    let files = Files { chain: path.clone(), key: path.clone(), authorities: Some(path.clone()) };
    Target::new("pem files", [seed])
        .words([
            "-----BEGIN ",
            "-----END ",
            "CERTIFICATE-----\n",
            "PRIVATE KEY-----\n",
            "\r\n",
            "=",
        ])
        .memory(|bytes| 32 * bytes + 65_536)
        .run(|input| {
            // A new file each time: ext4 syncs one that is written over.
            let _absent = fs::remove_file(&path);
            fs::write(&path, input.bytes).unwrap();
            match input.decode(|_| files.read()) {
                Ok(_) => Taken::Read,
                Err(why) => {
                    assert!(why.to_string().contains("all.pem"), "{why}");
                    Taken::refused(why)
                }
            }
        });
}
