//! Crashes: whatever step the process dies at, opening what is left and
//! applying the rest of the log ends in the same state.

use std::path::Path;
use std::sync::Arc;

use disk::Fault;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::lab::{Lab, NEXT_BOOT, THIS_BOOT, applied, copy_folder, expected, log_to, shown};
use crate::snapshot::BadSnapshot;
use crate::step::{Step, Steps};
use crate::store::{Entry, Store};

/// Copies of a folder, one per step that was reached while recording.
#[derive(Clone, Default)]
struct Images {
    taken: Arc<Mutex<Vec<(Step, TempDir)>>>,
    recording: Arc<Mutex<bool>>,
}

impl Images {
    fn open(&self, lab: &Lab) -> Store {
        let (images, path) = (self.clone(), lab.path());
        lab.open_hooked(move |step| {
            if *images.recording.lock() {
                let image = tempfile::tempdir().unwrap();
                copy_folder(&path, image.path());
                images.taken.lock().push((step, image));
            }
            Ok(())
        })
    }

    fn record(&self) {
        *self.recording.lock() = true;
    }

    fn take(&self) -> Vec<(Step, TempDir)> {
        *self.recording.lock() = false;
        std::mem::take(&mut *self.taken.lock())
    }
}

/// Opens a copy of the image, checks that it is a state of the log, applies the
/// rest. Returns where it stood.
fn revive(image: &Path, boot: &str, log: &[Entry]) -> Option<u64> {
    let lab = Lab::on_copy_of(image);
    let store = lab.open_on(boot).unwrap();
    let stood = applied(&store);
    let done = stood.map_or(0, |index| usize::try_from(index).unwrap() + 1);
    assert_eq!(shown(&store), expected(&log[..done]), "a state of the log, not a mix");
    if done < log.len() {
        lab.apply(&store, &log[done..]);
    }
    assert_eq!(shown(&store), expected(log));
    let built = store.build_snapshot().unwrap();
    built.verify_content().unwrap();
    store.close().unwrap();
    stood
}

#[test]
fn a_crash_while_applying_leaves_whole_chunks() {
    let (lab, images) = (Lab::new(), Images::default());
    let store = images.open(&lab);
    let log = log_to(12);
    lab.apply(&store, &log[..5]);
    images.record();
    lab.apply(&store, &log[5..]);
    for (step, image) in images.take() {
        let stood = match step {
            Step::Applied => Some(4),
            Step::Committed => Some(12),
            step => panic!("{step:?}"),
        };
        assert_eq!(revive(image.path(), THIS_BOOT, &log), stood, "{step:?}");
        assert_eq!(revive(image.path(), NEXT_BOOT, &log), None, "{step:?}");
    }
}

#[test]
fn a_crash_while_building_leaves_the_old_snapshots_or_the_new_one() {
    let (lab, images) = (Lab::new(), Images::default());
    let store = images.open(&lab);
    let log = log_to(20);
    for end in [3, 6, 9] {
        let start = usize::try_from(applied(&store).map_or(0, |index| index + 1)).unwrap();
        lab.apply(&store, &log[start..=end]);
        store.build_snapshot().unwrap();
    }
    lab.apply(&store, &log[10..15]);
    images.record();
    store.build_snapshot().unwrap();
    let taken = images.take();
    let steps: Vec<Step> = taken.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Copied, Step::Packed, Step::Named, Step::Pruned]);
    for (step, image) in taken {
        let newest = if matches!(step, Step::Copied | Step::Packed) { 9 } else { 14 };
        assert_eq!(revive(image.path(), THIS_BOOT, &log), Some(14), "{step:?}");
        assert_eq!(revive(image.path(), NEXT_BOOT, &log), Some(newest), "{step:?}");
    }
}

#[test]
fn a_crash_while_installing_leaves_old_or_new() {
    let (lab, images) = (Lab::new(), Images::default());
    let store = images.open(&lab);
    let log = log_to(25);
    lab.apply(&store, &log[..=5]);
    let name = Lab::deliver(&log[..=20], &store);
    images.record();
    let snapshot = store.accept(&name).unwrap();
    lab.wait(store.install(snapshot)).unwrap();
    let taken = images.take();
    assert_eq!(applied(&store), Some(20));
    assert_eq!(shown(&store), expected(&log[..=20]));

    let steps: Vec<Step> = taken.iter().map(|(step, _)| *step).collect();
    let all = [Step::Unpacked, Step::Kept, Step::Closed, Step::Replaced, Step::Unlocked];
    assert_eq!(steps, all);
    for (step, image) in taken {
        let is_new = step != Step::Unpacked;
        let same_boot = if is_new { 20 } else { 5 };
        assert_eq!(revive(image.path(), THIS_BOOT, &log), Some(same_boot), "{step:?}");
        let next_boot = if is_new { Some(20) } else { None };
        assert_eq!(revive(image.path(), NEXT_BOOT, &log), next_boot, "{step:?}");
    }
}

#[test]
fn a_fault_at_any_step_stops_the_store_and_a_restart_heals_it() {
    let log = log_to(25);
    let all = [
        Step::Applied,
        Step::Committed,
        Step::Copied,
        Step::Packed,
        Step::Named,
        Step::Pruned,
        Step::Kept,
        Step::Closed,
        Step::Replaced,
        Step::Unlocked,
        Step::Synced,
        Step::MarkedClean,
    ];
    for at in all {
        let lab = Lab::new();
        let armed = Arc::new(Mutex::new(false));
        let (trigger, path) = (armed.clone(), lab.path());
        let store = lab.open_hooked(move |step| {
            if *trigger.lock() && step == at {
                return Err(Fault::corrupt("test", &path, format!("{step:?}")));
            }
            Ok(())
        });
        lab.apply(&store, &log[..=4]);
        let snapshot = Lab::send_snapshot_of(&log[..=20], &store);
        *armed.lock() = true;
        let failed = lab.wait(store.apply(log[5..=6].to_vec())).is_err()
            || store.build_snapshot().is_err()
            || lab.wait(store.install(snapshot)).is_err();
        let closed = store.close();
        assert!(closed.is_err(), "{at:?}");
        if !matches!(at, Step::Synced | Step::MarkedClean) {
            assert!(failed, "{at:?}");
            assert_eq!(lab.faults.lock().len(), 1, "{at:?}");
        }
        assert!(store.view().is_err(), "{at:?}");
        revive(&lab.path(), THIS_BOOT, &log);
        revive(&lab.path(), NEXT_BOOT, &log);
    }
}

#[test]
fn a_fault_while_a_snapshot_is_checked_leaves_the_store_as_it_was() {
    let lab = Lab::new();
    let store = lab.open_hooked(|step| match step {
        Step::Unpacked => Err(Fault::io("test", "x", std::io::Error::other("disk full"))),
        _ => Ok(()),
    });
    lab.apply(&store, &log_to(3));
    let name = Lab::deliver(&log_to(20), &store);
    assert!(matches!(store.accept(&name), Err(BadSnapshot::Fault(_))));
    assert!(store.incoming(&name).unwrap().exists(), "the file is not to blame");
    lab.apply(&store, &log_to(6)[4..]);
    store.close().unwrap();
}

#[test]
fn a_crash_while_recovering_is_recovered_from() {
    let log = log_to(20);
    let lab = Lab::new();
    let store = lab.open();
    lab.apply(&store, &log[..=9]);
    store.build_snapshot().unwrap();
    lab.apply(&store, &log[10..=12]);
    let crashed = Lab::on_copy_of(&lab.path());

    let taken = Arc::new(Mutex::new(Vec::new()));
    let (images, path) = (taken.clone(), crashed.path());
    let steps = Steps::hooked(move |step| {
        let image = tempfile::tempdir().unwrap();
        copy_folder(&path, image.path());
        images.lock().push((step, image));
        Ok(())
    });
    let options = crashed.options(NEXT_BOOT);
    let store = Store::open_watched(&crashed.path(), options, steps).unwrap();
    assert_eq!(applied(&store), Some(9));
    let taken = std::mem::take(&mut *taken.lock());
    let steps: Vec<Step> = taken.iter().map(|(step, _)| *step).collect();
    let all = [Step::Discarded, Step::MarkedDirty, Step::Unpacked, Step::Replaced, Step::Unlocked];
    assert_eq!(steps, all);
    for (step, image) in taken {
        for boot in [THIS_BOOT, NEXT_BOOT, "a third boot"] {
            assert_eq!(revive(image.path(), boot, &log), Some(9), "{step:?} {boot}");
        }
    }
}
