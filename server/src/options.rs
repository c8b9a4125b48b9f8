//! Options: what may an operator set of the doors, and within which bounds?
//!
//! The bounds that nobody sets stand beside them as constants. Zero never
//! means "no limit": [`Options::validate`] refuses it.

use std::time::Duration;

use api::limits::{
    BODY_BYTES_FRAME, BODY_BYTES_PER_VALUE_BYTE, REQUEST_TIMEOUT_DEFAULT, REQUEST_TIMEOUT_MAX,
    VALUE_BYTES_DEFAULT, VALUE_BYTES_HARD_MAX,
};

/// Connections at once by default. Each costs a task, two buffers and a descriptor.
pub const CONNECTIONS_DEFAULT: usize = 10_000;

/// Connections at once from one peer by default: a proxy needs many, but no one
/// peer may take all places.
pub const CONNECTIONS_PER_PEER_DEFAULT: usize = 5_000;

/// Requests inside the service at once by default. Beyond: busy.
pub const REQUESTS_DEFAULT: usize = 8_192;

/// How long a stopping node lets requests finish by default.
pub const DRAIN_TIME_DEFAULT: Duration = Duration::from_secs(10);

/// Bytes of request bodies in memory at once, over all connections. Beyond: busy.
pub const BODY_BYTES_IN_FLIGHT: usize = 256 << 20;

/// Bytes of answers in memory at once that their clients have not taken, over all
/// connections. Beyond: busy.
pub const ANSWER_BYTES_IN_FLIGHT: usize = 256 << 20;

/// The longest request head (HTTP/1.1) or header list (HTTP/2). Real ones need 2 KiB.
pub const HEADER_BYTES_MAX: usize = 32 << 10;

/// Requests at once on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 256;

/// Streams a peer may have reset before the node accepted them. More is rapid reset.
pub const RESET_STREAMS_MAX: usize = 20;

/// Streams the node itself may have reset because the peer broke the protocol.
pub const ERROR_RESET_STREAMS_MAX: usize = 256;

/// How often a quiet HTTP/2 connection is asked whether its peer is there.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the peer may take to answer that.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the door waits past a call's deadline for the service's own answer.
pub const ANSWER_GRACE: Duration = Duration::from_millis(500);

/// How long a connection that is to close may take for the requests at hand.
pub const CLOSE_GRACE: Duration = Duration::from_secs(15);

const _: () = assert!(
    BODY_BYTES_IN_FLIGHT >= 4 * body_bytes_max(VALUE_BYTES_HARD_MAX),
    "a few of the largest bodies fit at once"
);
const _: () = assert!(
    CLOSE_GRACE.as_millis() > REQUEST_TIMEOUT_MAX.as_millis() + ANSWER_GRACE.as_millis(),
    "a connection that ages does not cut its last request short"
);

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's name, for `Rdb-Served-By`.
    pub node: String,
    /// The longest value a client may write.
    pub value_bytes_max: usize,
    /// How long a request may take. A client may ask for less.
    pub request_timeout: Duration,
    /// Requests inside the service at once.
    pub requests_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one peer: an IPv4 address or an IPv6 /64.
    pub connections_per_peer_max: usize,
    /// How long a stopping node says "not ready" before it stops accepting, so
    /// that a proxy looks elsewhere first. May be zero.
    pub drain_notice: Duration,
    /// How long a stopping node then lets requests finish.
    pub drain_time: Duration,
    /// How long a peer may take for each part of a conversation.
    pub timeouts: Timeouts,
}

/// How long a peer may take for each part of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The TLS handshake.
    pub handshake: Duration,
    /// A request's head, from its first byte; for the first one, from the start.
    pub header: Duration,
    /// A request's body, from its head.
    pub body: Duration,
    /// Nothing at all between two requests.
    pub idle: Duration,
    /// Not one byte either way while a request is being served, or not one piece
    /// of an answer taken.
    pub stall: Duration,
    /// A whole connection, so that an old certificate is not served for ever.
    pub age: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            // Longer than the service and the door may take together.
            stall: Duration::from_secs(30),
            age: Duration::from_secs(3600),
        }
    }
}

/// A setting that no node can run with; the operator changes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct BadOption {
    /// The setting.
    pub name: &'static str,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

impl Options {
    /// The defaults, for the node of that name.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            value_bytes_max: VALUE_BYTES_DEFAULT,
            request_timeout: REQUEST_TIMEOUT_DEFAULT,
            requests_max: REQUESTS_DEFAULT,
            connections_max: CONNECTIONS_DEFAULT,
            connections_per_peer_max: CONNECTIONS_PER_PEER_DEFAULT,
            drain_notice: Duration::ZERO,
            drain_time: DRAIN_TIME_DEFAULT,
            timeouts: Timeouts::default(),
        }
    }

    /// The longest request body worth reading.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        body_bytes_max(self.value_bytes_max)
    }

    /// Checks every setting against its bounds.
    pub fn validate(&self) -> Result<(), BadOption> {
        let visible = !self.node.is_empty() && self.node.bytes().all(|b| b.is_ascii_graphic());
        check(visible, "node", || "must be a name of visible ASCII characters".to_owned())?;
        let fits = (1..=VALUE_BYTES_HARD_MAX).contains(&self.value_bytes_max);
        check(fits, "value_bytes_max", || format!("must be in 1..={VALUE_BYTES_HARD_MAX}"))?;
        let short = self.request_timeout <= REQUEST_TIMEOUT_MAX;
        let problem = || format!("must be at most {REQUEST_TIMEOUT_MAX:?}");
        check(short, "request_timeout", problem)?;
        for (name, count) in [
            ("requests_max", self.requests_max),
            ("connections_max", self.connections_max),
            ("connections_per_peer_max", self.connections_per_peer_max),
        ] {
            let problem = || "must be at least 1; no value means \"no limit\"".to_owned();
            check(count > 0, name, problem)?;
        }
        for (name, duration) in [
            ("request_timeout", self.request_timeout),
            ("drain_time", self.drain_time),
            ("handshake timeout", self.timeouts.handshake),
            ("header timeout", self.timeouts.header),
            ("body timeout", self.timeouts.body),
            ("idle timeout", self.timeouts.idle),
            ("stall timeout", self.timeouts.stall),
            ("connection age", self.timeouts.age),
        ] {
            check(!duration.is_zero(), name, || "must be longer than zero".to_owned())?;
        }
        Ok(())
    }
}

fn check(
    holds: bool,
    name: &'static str,
    problem: impl FnOnce() -> String,
) -> Result<(), BadOption> {
    if holds { Ok(()) } else { Err(BadOption { name, problem: problem() }) }
}

const fn body_bytes_max(value_bytes_max: usize) -> usize {
    value_bytes_max * BODY_BYTES_PER_VALUE_BYTE + BODY_BYTES_FRAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Options::new("n1").validate(), Ok(()));
    }

    #[test]
    fn zero_is_never_no_limit() {
        let zeroes: [fn(&mut Options); 6] = [
            |o| o.value_bytes_max = 0,
            |o| o.request_timeout = Duration::ZERO,
            |o| o.requests_max = 0,
            |o| o.connections_max = 0,
            |o| o.connections_per_peer_max = 0,
            |o| o.timeouts.idle = Duration::ZERO,
        ];
        for zero in zeroes {
            let mut options = Options::new("n1");
            zero(&mut options);
            assert!(options.validate().is_err(), "{options:?}");
        }
    }

    #[test]
    fn names_that_no_header_can_carry_are_refused() {
        for name in ["", "a b", "a\nb", "n\u{fc}"] {
            assert!(Options::new(name).validate().is_err(), "{name:?}");
        }
    }
}
