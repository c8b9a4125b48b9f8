//! Flush: a disk that fails at its k-th effect, for every k.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use disk::{Environment, Fault};
use heed::RwTxn;

use super::lab::{Lab, THIS_BOOT, applied, expected, log_to, shown};
use crate::flush::{Flush, LmdbFlush};
use crate::store::{OpenOptions, Store};

/// Fails one effect, without having it.
struct FailsAt {
    k: usize,
    done: AtomicUsize,
}

impl FailsAt {
    fn effect(&self, path: &Path, work: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        if self.done.fetch_add(1, Ordering::SeqCst) == self.k {
            return Err(Fault::io("use disk", path, io::Error::other("injected")));
        }
        work()
    }
}

impl Flush for FailsAt {
    fn commit(&self, txn: RwTxn<'_>, path: &Path) -> Result<(), Fault> {
        self.effect(path, || LmdbFlush.commit(txn, path))
    }

    fn sync(&self, environment: &Environment) -> Result<(), Fault> {
        self.effect(environment.path(), || LmdbFlush.sync(environment))
    }

    fn copy(&self, environment: &Environment, to: &Path) -> Result<(), Fault> {
        self.effect(to, || LmdbFlush.copy(environment, to))
    }
}

#[test]
fn a_disk_that_fails_once_stops_the_store_and_loses_nothing_acknowledged() {
    let log = log_to(12);
    let mut failures = 0;
    for k in 0.. {
        let lab = Lab::new();
        let flush = Arc::new(FailsAt { k, done: AtomicUsize::new(0) });
        let options = OpenOptions { flush: flush.clone(), ..lab.options(THIS_BOOT) };
        let mut acknowledged = 0;
        let run = |acknowledged: &mut usize| -> Result<(), String> {
            let store = Store::open(&lab.path(), options).map_err(|error| error.to_string())?;
            for chunk in log.chunks(3) {
                lab.wait(store.apply(chunk.to_vec())).map_err(|fault| fault.to_string())?;
                *acknowledged += chunk.len();
            }
            store.build_snapshot().map_err(|fault| fault.to_string())?;
            store.close().map_err(|fault| fault.to_string())
        };
        let ended = run(&mut acknowledged);
        let store = lab.open();
        let kept = applied(&store).map_or(0, |index| usize::try_from(index).unwrap() + 1);
        assert_eq!(kept, acknowledged, "effect {k}");
        assert_eq!(shown(&store), expected(&log[..acknowledged]), "effect {k}");
        match ended {
            Err(why) => assert!(why.contains("injected"), "effect {k}: {why}"),
            Ok(()) => break,
        }
        failures += 1;
    }
    assert_eq!(failures, 8, "open, five commits, a copy and the sync of the close");
}
