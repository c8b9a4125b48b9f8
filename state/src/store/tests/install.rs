//! Installing: views are waited for, bad snapshots change nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use api::{ClusterId, GroupId};
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use super::lab::{Lab, THIS_BOOT, applied, entry, expected, log_to, shown};
use crate::snapshot::{BadSnapshot, Header, SnapshotFile};
use crate::store::{OpenOptions, Store};

#[test]
fn an_installed_snapshot_replaces_the_state_and_the_store_goes_on() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let mut meta = store.meta().unwrap();
    meta.mark_unchanged();
    let snapshot = Lab::send_snapshot_of(&log_to(20), &store);
    let name = snapshot.name();
    lab.wait(store.install(snapshot)).unwrap();
    assert_eq!(applied(&store), Some(20));
    assert_eq!(shown(&store), expected(&log_to(20)));
    assert!(meta.has_changed().unwrap(), "who watched before goes on watching");
    assert_eq!(store.newest_snapshot().unwrap().unwrap().name(), name);
    lab.apply(&store, &[entry(21), entry(22)]);
    assert_eq!(shown(&store), expected(&log_to(22)));
    store.close().unwrap();
    assert_eq!(shown(&lab.open()), expected(&log_to(22)));
}

#[test]
fn a_snapshot_that_is_not_ahead_changes_nothing() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(20));
    for last in [10, 20] {
        let snapshot = Lab::send_snapshot_of(&log_to(last), &store);
        lab.wait(store.install(snapshot)).unwrap();
        assert_eq!(applied(&store), Some(20));
    }
    assert_eq!(shown(&store), expected(&log_to(20)));
}

#[test]
fn an_install_waits_for_views_and_new_views_wait_for_it() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let snapshot = Lab::send_snapshot_of(&log_to(20), &store);
    let view = store.view().unwrap();
    let installing = {
        let store = store.clone();
        lab.spawn(async move { store.install(snapshot).await })
    };
    std::thread::sleep(Duration::from_millis(200));
    assert!(!installing.is_finished());
    let waiting = {
        let store = store.clone();
        std::thread::spawn(move || store.view().map(drop))
    };
    std::thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished());
    drop(view);
    lab.wait(installing).unwrap().unwrap();
    waiting.join().unwrap().unwrap();
    assert_eq!(applied(&store), Some(20));
}

#[test]
fn an_install_that_views_hold_up_too_long_stops_the_store_and_a_restart_finishes_it() {
    let mut lab = Lab::new();
    lab.drain_patience = Duration::from_millis(50);
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let snapshot = Lab::send_snapshot_of(&log_to(20), &store);
    let view = store.view().unwrap();
    assert!(lab.wait(store.install(snapshot)).is_err());
    assert!(store.view().is_err());
    assert_eq!(lab.faults.lock().len(), 1);
    let restarted = Lab::on_copy_of(&lab.path());
    assert_eq!(shown(&restarted.open()), expected(&log_to(20)));
    drop(view);
}

#[test]
fn old_snapshots_are_removed() {
    let lab = Lab::new();
    let store = lab.open();
    for index in 0..6 {
        lab.apply(&store, &[entry(index)]);
        store.build_snapshot().unwrap();
    }
    let mut kept: Vec<_> = crate::snapshot::shelf::list(&lab.path())
        .unwrap()
        .iter()
        .map(|path| SnapshotFile::open(path).unwrap().header().last_index())
        .collect();
    kept.sort();
    assert_eq!(kept, [Some(4), Some(5)]);
    assert!(!lab.path().join("scratch/build").exists());
}

/// How a snapshot on its way to `Victim` was damaged or forged.
struct Forgery {
    header: Header,
    content: Vec<u8>,
    trailing: &'static [u8],
}

impl Forgery {
    /// Writes it under the name that fits.
    fn write(&self, directory: &Path) -> String {
        let mut encoder = GzBuilder::new()
            .extra(self.header.to_extra().unwrap())
            .write(Vec::new(), Compression::fast());
        encoder.write_all(&self.content).unwrap();
        let mut file = encoder.finish().unwrap();
        file.extend_from_slice(self.trailing);
        let name = format!("state_{}.gz", hex::encode(Sha256::digest(&file)));
        fs::write(directory.join(&name), file).unwrap();
        name
    }
}

/// A store at index 3 and a good snapshot of index 20 to damage.
struct Scene {
    lab: Lab,
    store: Store,
    good: SnapshotFile,
    raw: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let mut lab = Lab::new();
        lab.snapshot_raw_bytes_max = 4 << 20;
        let store = lab.open();
        lab.apply(&store, &log_to(3));
        let good = Lab::send_snapshot_of(&log_to(20), &store);
        let mut raw = Vec::new();
        let file = std::io::BufReader::new(File::open(good.path()).unwrap());
        std::io::copy(&mut flate2::bufread::GzDecoder::new(file), &mut raw).unwrap();
        Self { lab, store, good, raw }
    }

    fn forge(&self, change: impl FnOnce(&mut Forgery)) -> BadSnapshot {
        let mut forgery = Forgery {
            header: self.good.header().clone(),
            content: self.raw.clone(),
            trailing: b"",
        };
        change(&mut forgery);
        let name = forgery.write(&self.lab.path().join("incoming"));
        self.refused(&name)
    }

    /// What is unpacked now.
    fn benches(&self) -> Vec<std::ffi::OsString> {
        let scratch = fs::read_dir(self.lab.path().join("scratch"));
        scratch.map_or(vec![], |found| found.map(|entry| entry.unwrap().file_name()).collect())
    }

    /// Offers the file to the store, which must refuse it and stay as it was.
    fn refused(&self, name: &str) -> BadSnapshot {
        let bad = match self.store.accept(name) {
            Err(bad) => bad,
            Ok(file) => self.lab.wait(self.store.install(file)).unwrap_err(),
        };
        assert!(!matches!(bad, BadSnapshot::Fault(_)), "{bad}");
        assert_eq!(applied(&self.store), Some(3));
        assert_eq!(shown(&self.store), expected(&log_to(3)));
        assert!(self.store.view().is_ok());
        assert!(self.store.newest_snapshot().unwrap().is_none());
        assert_eq!(*self.lab.faults.lock(), Vec::<String>::new());
        bad
    }
}

#[test]
fn torn_and_flipped_snapshots_are_refused_and_removed() {
    let scene = Scene::new();
    let (path, name) = (scene.good.path(), scene.good.name());
    let whole = fs::read(path).unwrap();
    for end in [0, 10, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(path, &whole[..end]).unwrap();
        scene.refused(&name);
        assert!(!path.exists(), "a sender can start over");
    }
    for byte in [5, 40, whole.len() / 2, whole.len() - 3] {
        let mut flipped = whole.clone();
        flipped[byte] ^= 0x10;
        fs::write(path, flipped).unwrap();
        scene.refused(&name);
    }
    fs::write(path, &whole).unwrap();
    let accepted = scene.store.accept(&name).unwrap();
    scene.lab.wait(scene.store.install(accepted)).unwrap();
    assert_eq!(shown(&scene.store), expected(&log_to(20)));
}

#[test]
fn foreign_snapshots_are_refused() {
    let scene = Scene::new();
    let bad = scene.forge(|forgery| forgery.header.cluster = ClusterId([9; 16]));
    assert!(matches!(bad, BadSnapshot::Foreign { .. }), "{bad}");
    let bad = scene.forge(|forgery| forgery.header.group = GroupId(1));
    assert!(matches!(bad, BadSnapshot::Foreign { .. }), "{bad}");
}

#[test]
fn the_content_of_another_cluster_under_our_header_is_refused() {
    let scene = Scene::new();
    let other = Lab::new();
    let options = OpenOptions { cluster: ClusterId([9; 16]), ..other.options(THIS_BOOT) };
    let stranger = Store::open(&other.path(), options).unwrap();
    other.apply(&stranger, &log_to(20));
    let file = stranger.build_snapshot().unwrap();
    let mut raw = Vec::new();
    let reader = std::io::BufReader::new(File::open(file.path()).unwrap());
    std::io::copy(&mut flate2::bufread::GzDecoder::new(reader), &mut raw).unwrap();
    let bad = scene.forge(|forgery| {
        forgery.header.raw_bytes = raw.len() as u64;
        forgery.content = raw;
    });
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
}

#[test]
fn bombs_are_refused() {
    let scene = Scene::new();
    let bad = scene.forge(|forgery| forgery.header.raw_bytes = 1 << 40);
    assert!(matches!(bad, BadSnapshot::TooLarge { .. }), "{bad}");
    let bad = scene.forge(|forgery| forgery.content.resize(64 << 20, 0));
    let BadSnapshot::TooLarge { bytes, bytes_max } = bad else { panic!("{bad}") };
    assert_eq!(bytes_max, scene.good.header().raw_bytes);
    assert_eq!(bytes, bytes_max + 1, "unpacking stops at the limit");
    assert_eq!(scene.benches().len(), 1, "what is left is the good one, accepted before");
    scene.lab.apply(&scene.store, &log_to(20)[4..]);
    assert!(scene.benches().is_empty(), "and that is of no use any more");
}

#[test]
fn headers_that_lie_about_the_content_are_refused() {
    let scene = Scene::new();
    let bad = scene.forge(|forgery| forgery.header.last.as_mut().unwrap().index = 21);
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
    let bad = scene.forge(|forgery| forgery.header.membership = Default::default());
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
    let bad = scene.forge(|forgery| forgery.content.truncate(4096 * 3));
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
    let bad = scene.forge(|forgery| forgery.trailing = b"more");
    assert!(matches!(bad, BadSnapshot::Malformed { .. }), "{bad}");
}

#[test]
fn content_that_is_no_state_is_refused() {
    let scene = Scene::new();
    // Truncated behind an honest header: pages are missing.
    let bad = scene.forge(|forgery| {
        forgery.content.truncate(4096 * 3);
        forgery.header.raw_bytes = 4096 * 3;
    });
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
    let bad = scene.forge(|forgery| {
        forgery.content = vec![0; 4096 * 3];
        forgery.header.raw_bytes = 4096 * 3;
    });
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
    let bad = scene.forge(|forgery| {
        forgery.content = Vec::new();
        forgery.header.raw_bytes = 0;
    });
    assert!(matches!(bad, BadSnapshot::Content { .. }), "{bad}");
}

#[test]
fn an_accepted_snapshot_survives_the_next_offer() {
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log_to(3));
    let first = Lab::send_snapshot_of(&log_to(10), &store);
    let second = Lab::send_snapshot_of(&log_to(20), &store);
    assert_ne!(first.name(), second.name());
    for (snapshot, last) in [(first, 10), (second, 20)] {
        lab.wait(store.install(snapshot)).unwrap();
        assert_eq!(shown(&store), expected(&log_to(last)));
    }
    assert_eq!(fs::read_dir(lab.path().join("incoming")).unwrap().count(), 0);
}

#[test]
fn names_that_are_none_lead_nowhere() {
    let scene = Scene::new();
    for name in ["../marker", "data.mdb", "state_.gz", "/etc/passwd"] {
        let bad = scene.store.incoming(name).unwrap_err();
        assert!(matches!(bad, BadSnapshot::Name { .. }), "{bad}");
    }
}
