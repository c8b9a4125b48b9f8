//! Flush: a disk that fails at its k-th effect, for every k.

use std::sync::Arc;

use super::lab::{Lab, THIS_BOOT, applied, expected, log_to, shown};
use crate::flush::{FailingFlush, LmdbFlush};
use crate::store::{OpenOptions, Store};

#[test]
fn a_disk_that_fails_once_stops_the_store_and_loses_nothing_acknowledged() {
    let log = log_to(12);
    let mut failures = 0;
    for k in 1.. {
        let lab = Lab::new();
        let flush = Arc::new(FailingFlush::new(LmdbFlush, k, false));
        let options = OpenOptions { flush, ..lab.options(THIS_BOOT) };
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
