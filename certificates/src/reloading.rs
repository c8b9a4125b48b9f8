//! Reloading: a configuration that follows its files while it is in use.
//!
//! Whoever renews a certificate replaces several files, one after the other. In
//! between they do not fit each other; then the present configuration stays and
//! the next look tries again.
//!
//! # Invariants
//!
//! * L1: what [`Reloading::get`] gives was read whole and fits together.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::credentials::Credentials;
use crate::expiry::Expiry;
use crate::files::{CertificateError, Files};

/// A configuration, the files it comes from, and how it is made of them.
pub struct Reloading<T> {
    files: Files,
    make: Box<Make<T>>,
    present: ArcSwap<Loaded<T>>,
    /// How the files looked when they were last read well.
    seen: Mutex<Looks>,
}

type Make<T> = dyn Fn(&Credentials) -> Result<T, CertificateError> + Send + Sync;

/// A configuration and the expiry of the certificate in it.
struct Loaded<T> {
    config: Arc<T>,
    expiry: Expiry,
}

/// What tells a file from the one that was there before: device, inode, size,
/// seconds and nanoseconds of its last change. `None`: it cannot be looked at.
type Look = Option<(u64, u64, u64, i64, i64)>;
type Looks = Vec<Look>;

impl<T> Reloading<T> {
    /// Reads the files for the first time.
    pub fn new(
        files: Files,
        make: impl Fn(&Credentials) -> Result<T, CertificateError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, CertificateError> {
        // Looked at before they are read: a change in between is seen next time.
        let seen = Mutex::new(looks(&files.paths()));
        let present = ArcSwap::from_pointee(load(&files, &make)?);
        Ok(Arc::new(Self { files, make: Box::new(make), present, seen }))
    }

    /// The configuration for whatever begins now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.present.load().config)
    }

    /// Until when the certificate in use is valid.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.present.load().expiry
    }

    /// Reads the files again if they changed since they were last read well.
    /// `Ok(true)`: the new configuration is in use. An error keeps the old one.
    pub fn reload_if_changed(&self) -> Result<bool, CertificateError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = looks(&self.files.paths());
        if *seen == now {
            return Ok(false);
        }
        self.present.store(Arc::new(load(&self.files, &self.make)?));
        *seen = now;
        Ok(true)
    }

    /// The files it follows.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("files", &self.files).finish_non_exhaustive()
    }
}

fn load<T>(
    files: &Files,
    make: impl Fn(&Credentials) -> Result<T, CertificateError>,
) -> Result<Loaded<T>, CertificateError> {
    let read = files.read()?;
    Ok(Loaded { config: make(&read)?.into(), expiry: read.expiry() })
}

fn looks(files: &[PathBuf]) -> Looks {
    let look = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
    };
    files.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use rustls::ServerConfig;
    use tempfile::TempDir;

    use super::*;
    use crate::credentials::Clients;

    struct Folder(TempDir);

    impl Folder {
        fn files(&self) -> Files {
            let path = |name| self.0.path().join(name);
            Files { chain: path("node.crt"), key: path("node.key"), authorities: None }
        }

        /// Replaces the certificate by one that is valid until that year.
        fn certify(&self, year: i32) -> KeyPair {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 1, 1);
            fs::write(self.files().chain, params.self_signed(&key).unwrap().pem()).unwrap();
            key
        }

        fn store_key(&self, key: &KeyPair) {
            fs::write(self.files().key, key.serialize_pem()).unwrap();
        }

        fn followed(&self) -> Arc<Reloading<ServerConfig>> {
            Reloading::new(self.files(), |read| read.server(Clients::Anyone, &[])).unwrap()
        }
    }

    /// A folder with a certificate that is valid until 2030.
    fn folder() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.store_key(&folder.certify(2030));
        folder
    }

    #[test]
    fn a_change_is_taken_once() {
        let folder = folder();
        let reloading = folder.followed();
        assert!(!reloading.reload_if_changed().unwrap());
        let before = reloading.get();
        folder.store_key(&folder.certify(2031));
        assert!(reloading.reload_if_changed().unwrap());
        assert!(!reloading.reload_if_changed().unwrap());
        assert!(!Arc::ptr_eq(&before, &reloading.get()));
        assert_eq!(reloading.expiry().unix_seconds(), 1_924_992_000);
    }

    #[test]
    fn l1_what_does_not_fit_is_tried_until_it_does() {
        let folder = folder();
        let reloading = folder.followed();
        let before = reloading.get();
        let key = folder.certify(2031);
        assert!(reloading.reload_if_changed().is_err());
        assert!(reloading.reload_if_changed().is_err());
        assert!(Arc::ptr_eq(&before, &reloading.get()));
        assert_eq!(reloading.expiry().unix_seconds(), 1_893_456_000, "the one in use");
        fs::remove_file(folder.files().key).unwrap();
        assert!(reloading.reload_if_changed().is_err());
        folder.store_key(&key);
        assert!(reloading.reload_if_changed().unwrap());
        assert!(!Arc::ptr_eq(&before, &reloading.get()));
    }
}
