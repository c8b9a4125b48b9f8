//! Latency: how long did most calls take, and the slowest?
//!
//! Times are counted in slots, a fixed number for each power of two of
//! microseconds: a quantile is at most one part in `SLOTS_PER_DOUBLING` too high.

use std::time::Duration;

/// A power of two.
const SLOTS_PER_DOUBLING: u32 = 32;

/// Enough for every time in a `u32` of microseconds; a call ends within minutes.
const SLOTS: usize = slot(u32::MAX) + 1;

/// How long calls took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    counts: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; SLOTS], count: 0, max: Duration::ZERO }
    }
}

impl Latencies {
    /// One more call.
    pub fn record(&mut self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        *self.counts.get_mut(slot(micros)).expect("every u32 has a slot") += 1;
        self.count += 1;
        self.max = self.max.max(took);
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many calls there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest of them; `None`: there were none.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.max)
    }

    /// The time within which so many percent of them ended; `None`: there were none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        debug_assert!((1..=100).contains(&percent), "{percent} percent");
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= rank
        };
        let slot = self.counts.iter().position(reached)?;
        Some(self.max()?.min(Duration::from_micros(last_micros(slot))))
    }
}

/// The slot of a time. Below two doublings each microsecond has its own.
const fn slot(micros: u32) -> usize {
    let shift = match micros.checked_ilog2() {
        Some(log) => log.saturating_sub(SLOTS_PER_DOUBLING.ilog2()),
        None => 0,
    };
    (SLOTS_PER_DOUBLING * shift + (micros >> shift)) as usize
}

/// The longest time that is counted in a slot, in microseconds.
fn last_micros(slot: usize) -> u64 {
    let (slot, per_doubling) = (slot as u64, u64::from(SLOTS_PER_DOUBLING));
    let shift = (slot / per_doubling).saturating_sub(1);
    let first = (slot - per_doubling * shift) << shift;
    first + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_slot() {
        for micros in (0..5_000).chain([65_535, 65_536, 1_000_000, u32::MAX - 1, u32::MAX]) {
            let slot = slot(micros);
            assert!(slot < SLOTS, "{micros}");
            let last = last_micros(slot);
            assert!(u64::from(micros) <= last, "{micros} in a slot up to {last}");
            let below = slot.checked_sub(1).map(last_micros);
            assert!(below.is_none_or(|below| below < u64::from(micros)), "{micros}");
            let off = last - u64::from(micros);
            assert!(off <= u64::from(micros) / u64::from(SLOTS_PER_DOUBLING), "{micros}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_calls() {
        let mut some = Latencies::default();
        assert_eq!((some.percentile(50), some.max()), (None, None));
        let mut others = Latencies::default();
        for millis in 1..=100 {
            let half = if millis % 2 == 0 { &mut some } else { &mut others };
            half.record(Duration::from_millis(millis));
        }
        some.merge(&others);
        assert_eq!(some.count(), 100);
        let near = |percent, millis: f64| {
            let found = some.percentile(percent).unwrap().as_secs_f64() * 1e3;
            assert!((millis..millis * 1.04).contains(&found), "{percent}: {found}");
        };
        near(1, 1.0);
        near(50, 50.0);
        near(99, 99.0);
        assert_eq!(some.percentile(100), Some(Duration::from_millis(100)));
        assert_eq!(some.max(), Some(Duration::from_millis(100)));
    }
}
