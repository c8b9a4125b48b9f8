//! Counters: what happened on the sockets, before a request was one?
//!
//! Numbers only grow; whoever shows them takes differences.

use api::meter::Counter;

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
