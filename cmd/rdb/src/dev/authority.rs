//! Authority: who vouches for the nodes of a cluster on this machine?
//!
//! A private authority under `certs/` signs a certificate per node, one for
//! clients and one for administrators. The subject's common name is the name,
//! its organizational unit the role. What is there and good is kept.

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use certificates::Expiry;
use disk::Fault;
use disk::fault::OrFault;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::dev::DevError;
use crate::dev::plan::Plan;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_DAYS: u32 = 3_650;
// Some TLS clients refuse server certificates that live longer.
const LEAF_DAYS: u32 = 820;
const RENEW_DAYS: u32 = 30;
// Clocks of containers and their host may differ a little.
const BACKDATED: Duration = DAY;

const AUTHORITY: &str = "ca";
const AUTHORITY_NAME: &str = "rdb dev authority";

/// What the holder of a certificate may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A node: serves clients, speaks with nodes.
    Node,
    /// A client.
    Client,
    /// An administrator.
    Admin,
    /// The proxy in front of the nodes.
    Proxy,
}

/// What [`ensure`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ensured {
    made: usize,
    kept: usize,
}

impl Role {
    /// The role in the subject of a certificate.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Client => "client",
            Self::Admin => "admin",
            Self::Proxy => "proxy",
        }
    }
}

/// Makes whatever certificates the plan needs and does not have, or that end soon.
pub fn ensure(plan: &Plan) -> Result<Ensured, DevError> {
    let directory = plan.certificates();
    fs::create_dir_all(&directory).or_fault("make directory", &directory)?;
    let (authority, fresh) = authority(&directory)?;
    let mut leaves: Vec<_> =
        plan.nodes.iter().map(|node| (node.name.as_str(), Role::Node)).collect();
    leaves.push(("client", Role::Client));
    leaves.push(("admin", Role::Admin));

    let mut ensured = Ensured { made: 0, kept: 0 };
    for (name, role) in leaves {
        if !fresh && is_good(&directory, name, RENEW_DAYS) {
            ensured.kept += 1;
            continue;
        }
        let key = KeyPair::generate()?;
        let certificate = leaf(name, role)?.signed_by(&key, &authority)?;
        store(&directory, name, &key.serialize_pem(), &certificate.pem())?;
        ensured.made += 1;
    }
    Ok(ensured)
}

/// The authority, and whether it is a new one, under which old certificates are void.
fn authority(directory: &Path) -> Result<(Issuer<'static, KeyPair>, bool), DevError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (SystemTime::now() - BACKDATED).into();
    params.not_after = (SystemTime::now() + DAY * AUTHORITY_DAYS).into();

    if is_good(directory, AUTHORITY, LEAF_DAYS) {
        let path = directory.join(format!("{AUTHORITY}.key"));
        let pem = fs::read_to_string(&path).or_fault("read key", &path)?;
        // Name and key are all that a leaf takes from its issuer.
        return Ok((Issuer::new(params, KeyPair::from_pem(&pem)?), false));
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    store(directory, AUTHORITY, &key.serialize_pem(), &certificate.pem())?;
    Ok((Issuer::new(params, key), true))
}

fn leaf(name: &str, role: Role) -> Result<CertificateParams, rcgen::Error> {
    let hosts = match role {
        Role::Node | Role::Proxy => {
            vec![name.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]
        }
        Role::Client | Role::Admin => vec![name.to_owned()],
    };
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationalUnitName, role.name());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match role {
        Role::Node | Role::Proxy => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
        Role::Client | Role::Admin => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    params.use_authority_key_identifier_extension = true;
    params.not_before = (SystemTime::now() - BACKDATED).into();
    params.not_after = (SystemTime::now() + DAY * LEAF_DAYS).into();
    Ok(params)
}

/// Whether certificate and key are there and good for that many more days.
fn is_good(directory: &Path, name: &str, days: u32) -> bool {
    let certificate = CertificateDer::from_pem_file(directory.join(format!("{name}.crt")));
    let Ok(certificate) = certificate else { return false };
    let Ok(expiry) = Expiry::of(&certificate) else { return false };
    directory.join(format!("{name}.key")).exists()
        && !expiry.has_passed(SystemTime::now() + DAY * days)
}

/// Writes the key, then the certificate: a certificate that is there has its key.
fn store(directory: &Path, name: &str, key: &str, certificate: &str) -> Result<(), Fault> {
    let path = directory.join(format!("{name}.crt"));
    disk::file::remove_if_present(&path)?;
    store_key(&directory.join(format!("{name}.key")), key)?;
    disk::file::write_durably(&path, certificate.as_bytes())
}

/// Nobody but the owner may ever read the key, not even while it is written.
fn store_key(path: &Path, key: &str) -> Result<(), Fault> {
    disk::file::remove_if_present(path)?;
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .or_fault("make key file", path)?;
    file.write_all(key.as_bytes()).or_fault("write key file", path)?;
    file.sync_all().or_fault("sync key file", path)
}

impl fmt::Display for Ensured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.made, self.kept) {
            (made, 0) => write!(f, "{made} made"),
            (0, kept) => write!(f, "{kept} kept"),
            (made, kept) => write!(f, "{made} made, {kept} kept"),
        }
    }
}

#[cfg(test)]
mod tests;
