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

use crate::files::CertificateError;

/// A configuration, the files it comes from, and how it is read from them.
pub struct Reloading<T> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, CertificateError> + Send + Sync>,
    present: ArcSwap<T>,
    /// How the files looked when they were last read, well or not.
    seen: Mutex<Looks>,
}

/// What tells a file from the one that was there before: device, inode, size,
/// seconds and nanoseconds of its last change. `None`: it cannot be looked at.
type Look = Option<(u64, u64, u64, i64, i64)>;
type Looks = Vec<Look>;

impl<T> Reloading<T> {
    /// Reads the configuration for the first time.
    pub fn new(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, CertificateError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, CertificateError> {
        // Looked at before they are read: a change in between is seen next time.
        let seen = Mutex::new(looks(&files));
        let present = ArcSwap::from_pointee(read()?);
        Ok(Arc::new(Self { files, read: Box::new(read), present, seen }))
    }

    /// The configuration for whatever begins now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.present.load_full()
    }

    /// Reads the files again if they changed since they were last read well.
    /// `Ok(true)`: the new configuration is in use. An error keeps the old one.
    pub fn reload_if_changed(&self) -> Result<bool, CertificateError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = looks(&self.files);
        if *seen == now {
            return Ok(false);
        }
        self.present.store(Arc::new((self.read)()?));
        *seen = now;
        Ok(true)
    }

    /// The files it follows.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("files", &self.files).finish_non_exhaustive()
    }
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
    use super::*;

    fn number(path: PathBuf) -> Result<Arc<Reloading<u32>>, CertificateError> {
        Reloading::new(vec![path.clone()], move || {
            let text = fs::read_to_string(&path)
                .map_err(|source| CertificateError::Read { path: path.clone(), source })?;
            text.parse().map_err(|_| CertificateError::NoKey { path: path.clone() })
        })
    }

    #[test]
    fn a_change_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        fs::write(&path, "1").unwrap();
        let reloading = number(path.clone()).unwrap();
        assert!(!reloading.reload_if_changed().unwrap());
        fs::write(&path, "20").unwrap();
        assert!(reloading.reload_if_changed().unwrap());
        assert!(!reloading.reload_if_changed().unwrap());
        assert_eq!(*reloading.get(), 20);
    }

    #[test]
    fn l1_what_does_not_fit_is_tried_until_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        fs::write(&path, "1").unwrap();
        let reloading = number(path.clone()).unwrap();
        fs::write(&path, "torn").unwrap();
        assert!(reloading.reload_if_changed().is_err());
        assert!(reloading.reload_if_changed().is_err());
        assert_eq!(*reloading.get(), 1);
        fs::remove_file(&path).unwrap();
        assert!(reloading.reload_if_changed().is_err());
        fs::write(&path, "2").unwrap();
        assert!(reloading.reload_if_changed().unwrap());
        assert_eq!(*reloading.get(), 2);
    }
}
