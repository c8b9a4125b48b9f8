//! Clock and entropy: the only places where a node asks what time it is or
//! rolls dice. Both are traits, so that a simulation can own them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use api::limits::CLOCK_LEAD_MAX;

/// Wall-clock time. Timers use tokio's monotonic clock instead.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, as this machine believes.
    fn wall_ms(&self) -> u64;
}

/// Random numbers.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// Sixteen random bytes, enough for an id that nobody else has.
    fn id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number.
    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The operating system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

/// What time the cluster has: the median of its nodes' clocks bounds how far
/// one leader may push group time forward (sharding note 3.3).
pub struct ClusterClock {
    own: Arc<dyn Clock>,
    /// How far each peer's clock is ahead of ours, milliseconds.
    offsets_ms: Mutex<std::collections::BTreeMap<api::NodeId, i64>>,
}

impl ClusterClock {
    /// Knows nobody's clock but its own yet.
    #[must_use]
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, offsets_ms: Mutex::default() }
    }

    /// A peer said its wall clock just now.
    pub fn heard(&self, peer: api::NodeId, wall_ms: u64) {
        let ahead = wall_ms.cast_signed().wrapping_sub(self.own.wall_ms().cast_signed());
        self.offsets_ms.lock().insert(peer, ahead);
    }

    /// This node's own wall clock, for telling peers.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.own.wall_ms()
    }

    /// The time to stamp on an entry: ours, unless that is far ahead of the median.
    #[must_use]
    pub fn stamp_ms(&self) -> u64 {
        let own = self.own.wall_ms();
        let mut offsets: Vec<i64> = self.offsets_ms.lock().values().copied().collect();
        stamp(own, &mut offsets)
    }
}

/// `min(own, median + CLOCK_LEAD_MAX)`, where `offsets_ms` are the peers'.
fn stamp(own_ms: u64, offsets_ms: &mut Vec<i64>) -> u64 {
    offsets_ms.push(0);
    offsets_ms.sort_unstable();
    // With an even count the lower middle one: the more careful of the two.
    let median_ahead = offsets_ms.get((offsets_ms.len() - 1) / 2).copied().unwrap_or(0);
    let lead_max = i64::try_from(CLOCK_LEAD_MAX.as_millis()).unwrap_or(i64::MAX);
    let bound = own_ms.saturating_add_signed(median_ahead.saturating_add(lead_max));
    own_ms.min(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_clock_near_the_median_is_believed() {
        assert_eq!(stamp(1_000_000, &mut vec![-20, 10, 3, -4]), 1_000_000);
        assert_eq!(stamp(1_000_000, &mut vec![]), 1_000_000);
    }

    #[test]
    fn a_clock_a_day_ahead_is_held_back_to_the_median() {
        let own = 10 * DAY_MS.unsigned_abs();
        let stamped = stamp(own, &mut vec![-DAY_MS; 4]);
        assert_eq!(stamped, 9 * DAY_MS.unsigned_abs() + 5_000);
    }

    #[test]
    fn two_wrong_clocks_of_five_do_not_move_the_median() {
        let own = 10 * DAY_MS.unsigned_abs();
        assert_eq!(stamp(own, &mut vec![DAY_MS, DAY_MS, 5, -5]), own);
    }
}
