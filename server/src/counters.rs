//! Counters: what happened on the sockets, before a request was one?
//!
//! Numbers only grow; whoever shows them takes differences.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened on the sockets since the server was made.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections taken.
    pub accepted: Counter,
    /// Connections closed at once: as many are open as may be.
    pub refused_full: Counter,
    /// Connections closed at once: as many are open from this peer as may be.
    pub refused_peer: Counter,
    /// Errors of accepting, such as a lack of descriptors.
    pub accept_errors: Counter,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: Counter,
    /// Connections cut because their peer was too slow.
    pub cut_slow: Counter,
    /// Connections cut because draining took too long.
    pub cut_drain: Counter,
    /// Requests that reached the service.
    pub requests: Counter,
    /// Requests turned away because as many are inside as may be.
    pub requests_busy: Counter,
    /// Calls of the service that panicked: defects.
    pub panics: Counter,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, and how many that makes.
    pub(crate) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
