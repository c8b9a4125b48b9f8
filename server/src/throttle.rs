//! Throttle: may this line be logged, or was there one just now?
//!
//! Whoever makes a node log can fill its disk; such lines come at most once a
//! second and say how many were left out.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line a second through.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// Held for a comparison only, never across an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    /// Whether to log now, and if so how many lines were left out before.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes_and_counts_the_others() {
        let throttle = Throttle::default();
        let start = Instant::now();
        assert_eq!(throttle.pass_at(start), Some(0));
        assert_eq!(throttle.pass_at(start + INTERVAL / 2), None);
        assert_eq!(throttle.pass_at(start + INTERVAL / 2), None);
        assert_eq!(throttle.pass_at(start + INTERVAL), Some(2));
        assert_eq!(throttle.pass_at(start + INTERVAL * 2), Some(0));
    }
}
