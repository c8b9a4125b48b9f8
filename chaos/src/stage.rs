//! Stage: what all clients of a run share, and what everyone notes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oracle::Line;
use parking_lot::Mutex;

use crate::plan::Load;
use crate::rota::Rota;

/// The collection that everything happens in.
pub const COLLECTION: &str = "chaos";

/// What all clients of a run share.
#[derive(Debug)]
pub struct Stage {
    /// The nodes' names, and where clients reach them.
    pub nodes: Vec<(String, String)>,
    /// The authority of the nodes' certificates.
    pub ca: PathBuf,
    /// What is asked of the clients.
    pub load: Load,
    /// The rows in use.
    pub rota: Rota,
    start: Instant,
    over: AtomicBool,
    next_id: AtomicU64,
    next_proc: AtomicU64,
    acknowledged: AtomicUsize,
    // Held to add a line; tasks of all threads do.
    lines: Mutex<Vec<Line>>,
    violations: Mutex<Vec<String>>,
}

impl Stage {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(nodes: Vec<(String, String)>, ca: PathBuf, load: Load) -> Self {
        Self {
            nodes,
            ca,
            rota: Rota::new(&load),
            load,
            start: Instant::now(),
            over: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            next_proc: AtomicU64::new(1),
            acknowledged: AtomicUsize::new(0),
            lines: Mutex::default(),
            violations: Mutex::default(),
        }
    }

    /// Takes down what happened.
    pub fn note(&self, line: Line) {
        if let Line::Op(operation) = &line
            && operation.acknowledged()
        {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.lines.lock().push(line);
    }

    /// Takes down what must not be and has no place in a history.
    pub fn violated(&self, what: String) {
        self.violations.lock().push(what);
    }

    /// What happened so far.
    pub fn take_lines(&self) -> Vec<Line> {
        std::mem::take(&mut self.lines.lock())
    }

    /// What must not be.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.violations.lock())
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// From now on, clients stop after the request they have in hand.
    pub fn end_run(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether clients go on.
    #[must_use]
    pub fn runs(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// A number for an operation.
    pub fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for a client.
    pub fn new_proc(&self) -> u64 {
        self.next_proc.fetch_add(1, Ordering::Relaxed)
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Since the start, as histories count.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
