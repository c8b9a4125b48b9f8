//! Disk: how long did the machine's disk itself stand still?
//!
//! All nodes share one disk with everything else on the machine, and a sync can
//! take seconds while others write. No database answers faster than its disk, so
//! a test that bounds a time measures the disk beside the nodes and allows for it.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the disk is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// A sync that takes longer is a stall: nodes' timers allow for less.
const STALL_MIN: Duration = Duration::from_millis(100);

/// Syncs a file of its own again and again until it is dropped.
#[derive(Debug)]
pub struct DiskProbe {
    stalls: Arc<Mutex<Vec<(Instant, Duration)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DiskProbe {
    /// Probes the disk that `directory` lies on.
    ///
    /// # Panics
    ///
    /// If no file can be written there.
    #[must_use]
    pub fn start(directory: &Path) -> Self {
        let mut file = File::create(directory.join("disk-probe")).expect("the directory is ours");
        let (stalls, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (noted, stopped) = (Arc::clone(&stalls), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                let synced = file
                    .rewind()
                    .and_then(|()| file.write_all(b"probe"))
                    .and_then(|()| file.sync_data());
                synced.expect("the disk works");
                let took = start.elapsed();
                if took >= STALL_MIN {
                    let noted: &Mutex<Vec<(Instant, Duration)>> = &noted;
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push((start, took));
                }
                thread::sleep(TRY_EVERY);
            }
        });
        Self { stalls, stop, thread: Some(thread) }
    }

    /// For how long the disk stood still since `start`, in all.
    #[must_use]
    pub fn stalled_since(&self, start: Instant) -> Duration {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.iter().filter(|(at, took)| *at + *took >= start).map(|(_, took)| *took).sum()
    }
}

impl Drop for DiskProbe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
