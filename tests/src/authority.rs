//! Authority: certificates as a test needs them, good and bad.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use crate::cluster::Cluster;

/// What `rdb dev` calls its authorities, so all of them.
const NAME: &str = "rdb dev authority";

/// Who signs.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate.
    pub ca: PathBuf,
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<'l> {
    /// The common name of the subject.
    pub name: Option<&'l str>,
    /// Its organizational unit.
    pub role: Option<&'l str>,
    /// The alternative name besides localhost.
    pub alternative: &'l str,
    /// One more, an address.
    pub address: Option<&'l str>,
    /// Whether it was valid once and is not any more.
    pub expired: bool,
}

impl<'l> Leaf<'l> {
    /// A good one for the node of that name.
    #[must_use]
    pub fn node(name: &'l str) -> Self {
        Self {
            name: Some(name),
            role: Some("node"),
            alternative: name,
            address: None,
            expired: false,
        }
    }
}

impl Authority {
    /// The cluster's own.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let key = fs::read_to_string(cluster.ca.with_extension("key"));
        let key = KeyPair::from_pem(&key.expect("the authority's key is beside it"));
        let issuer = Issuer::new(params(), key.expect("a PEM key"));
        Self { ca: cluster.ca.clone(), folder: cluster.root().to_owned(), issuer }
    }

    /// A stranger that calls itself as the cluster's own does.
    ///
    /// # Panics
    ///
    /// If it cannot be stored.
    #[must_use]
    pub fn stranger_to(cluster: &Cluster) -> Self {
        Self::found(cluster.root(), "stranger")
    }

    /// A new one, whose certificate is the file `name` of the folder, and which
    /// issues into that folder.
    ///
    /// # Panics
    ///
    /// If it cannot be stored.
    #[must_use]
    pub fn found(folder: &Path, name: &str) -> Self {
        let (folder, key) = (folder.to_owned(), KeyPair::generate().expect("a key"));
        let ca = folder.join(format!("{name}.crt"));
        let own = params().self_signed(&key).expect("a certificate");
        fs::write(&ca, own.pem()).expect("store a certificate");
        Self { ca, folder, issuer: Issuer::new(params(), key) }
    }

    /// Makes a certificate, in files of the cluster's directory called `file`.
    ///
    /// # Panics
    ///
    /// If it cannot be stored.
    #[must_use]
    pub fn issue(&self, file: &str, leaf: &Leaf<'_>) -> Pair {
        let names = [Some(leaf.alternative), Some("localhost"), leaf.address];
        let names: Vec<_> = names.into_iter().flatten().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("names are text");
        params.distinguished_name = DistinguishedName::new();
        let fields = [(DnType::CommonName, leaf.name), (DnType::OrganizationalUnitName, leaf.role)];
        for (field, text) in fields {
            if let Some(text) = text {
                params.distinguished_name.push(field, text);
            }
        }
        if leaf.expired {
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |ending| self.folder.join(format!("{file}.{ending}"));
        let pair = Pair { cert: path("crt"), key: path("key") };
        store_key(&pair.key, &key.serialize_pem());
        fs::write(&pair.cert, certificate.pem()).expect("store a certificate");
        pair
    }
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Nodes refuse a key that others may read.
fn store_key(path: &Path, pem: &str) {
    let mut options = File::options();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path);
    file.expect("make a key file").write_all(pem.as_bytes()).expect("store a key");
}
