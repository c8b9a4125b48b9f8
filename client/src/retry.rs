//! Retry: is a failed attempt made again, where, and after which pause?
//!
//! Pure: values in, a decision out. Every call is safe to repeat, because
//! reads change nothing and writes carry one idempotency key; so the question
//! is only what helps and what the cluster can bear.
//!
//! # Limits
//!
//! [`Policy::attempts_max`] attempts per call, and a [`Budget`] per client: when
//! everything fails, retries may be no more than a fraction of the calls.

use std::time::Duration;

use api::Applied;

/// Why an attempt has no answer that ends the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection came about: nothing was sent.
    Unreachable,
    /// The request was sent, or may have been, and no sensible answer came back.
    Lost,
    /// The node refused for now: no leader, stopping, outcome unknown.
    Unavailable(Applied),
    /// A queue is full.
    Busy,
    /// The same request will be refused again.
    Final(Applied),
}

impl Trouble {
    /// Whether the attempt may have taken effect.
    #[must_use]
    pub fn applied(self) -> Applied {
        match self {
            Self::Unreachable | Self::Busy => Applied::No,
            Self::Lost => Applied::Unknown,
            Self::Unavailable(applied) | Self::Final(applied) => applied,
        }
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Attempts made, all of which failed.
    pub attempts: u32,
    /// Nodes there are to ask.
    pub endpoints: u32,
    /// Time left for the call.
    pub remaining: Duration,
    /// A random number in `0.0..1.0`: keeps clients from retrying in step.
    pub jitter: f64,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt at the next node, after a pause.
    Again(Duration),
    /// The call has failed.
    GiveUp,
}

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts of one call.
    pub attempts_max: u32,
    /// The pause after every node was asked once; each further round doubles it.
    pub pause_min: Duration,
    /// The longest pause: about as long as an election takes.
    pub pause_max: Duration,
    /// Less time than this is not worth another attempt: cut short, it would
    /// make an outcome that is known (`not_applied`) an unknown one.
    pub attempt_min: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts_max: 30,
            pause_min: Duration::from_millis(25),
            pause_max: Duration::from_millis(800),
            attempt_min: Duration::from_millis(100),
        }
    }
}

impl Policy {
    /// Decides what follows `trouble`.
    #[must_use]
    pub fn decide(&self, trouble: Trouble, progress: Progress) -> Decision {
        let rounds = progress.attempts / progress.endpoints.max(1);
        let pause = match trouble {
            Trouble::Final(_) => return Decision::GiveUp,
            // Another node may well do better at once.
            Trouble::Unreachable | Trouble::Lost | Trouble::Unavailable(_) if rounds == 0 => {
                Duration::ZERO
            }
            Trouble::Unreachable | Trouble::Lost | Trouble::Unavailable(_) => {
                self.pause(rounds, progress.jitter)
            }
            // All nodes forward to the same leader, whose queue it most likely is.
            Trouble::Busy => self.pause(progress.attempts, progress.jitter),
        };
        let late = progress.remaining < pause + self.attempt_min;
        if progress.attempts >= self.attempts_max || late {
            return Decision::GiveUp;
        }
        Decision::Again(pause)
    }

    /// Between half and all of the `round`th pause.
    fn pause(&self, round: u32, jitter: f64) -> Duration {
        let doublings = round.saturating_sub(1).min(16);
        let whole = self.pause_min.saturating_mul(1 << doublings).min(self.pause_max);
        whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// Retries a client may still make, all calls together.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    tokens: f64,
}

/// Enough for every call in flight to survive one election.
const TOKENS_MAX: f64 = 2_000.0;

/// What a call adds: in the long run so many retries per call.
const TOKENS_PER_CALL: f64 = 0.5;

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: TOKENS_MAX }
    }
}

impl Budget {
    /// A call begins.
    pub fn earn(&mut self) {
        self.tokens = (self.tokens + TOKENS_PER_CALL).min(TOKENS_MAX);
    }

    /// Takes what one retry costs, if it is there.
    pub fn spend(&mut self) -> bool {
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNAVAILABLE: Trouble = Trouble::Unavailable(Applied::No);

    fn progress(attempts: u32) -> Progress {
        Progress { attempts, endpoints: 3, remaining: Duration::from_secs(5), jitter: 1.0 }
    }

    fn pause(trouble: Trouble, attempts: u32) -> Duration {
        match Policy::default().decide(trouble, progress(attempts)) {
            Decision::Again(pause) => pause,
            Decision::GiveUp => panic!("gave up after {attempts}"),
        }
    }

    #[test]
    fn every_node_is_asked_once_before_the_first_pause() {
        for trouble in [Trouble::Unreachable, Trouble::Lost, UNAVAILABLE] {
            assert_eq!(pause(trouble, 1), Duration::ZERO);
            assert_eq!(pause(trouble, 2), Duration::ZERO);
            assert_eq!(pause(trouble, 3), Duration::from_millis(25));
            assert_eq!(pause(trouble, 6), Duration::from_millis(50));
        }
    }

    #[test]
    fn a_full_queue_is_given_time_at_once() {
        assert_eq!(pause(Trouble::Busy, 1), Duration::from_millis(25));
        assert_eq!(pause(Trouble::Busy, 2), Duration::from_millis(50));
        assert_eq!(pause(Trouble::Busy, 20), Duration::from_millis(800));
    }

    #[test]
    fn what_cannot_help_is_not_tried() {
        let policy = Policy::default();
        let give_up = |trouble, progress| {
            assert_eq!(policy.decide(trouble, progress), Decision::GiveUp);
        };
        give_up(Trouble::Final(Applied::No), progress(1));
        give_up(UNAVAILABLE, progress(policy.attempts_max));
        give_up(UNAVAILABLE, Progress { remaining: Duration::from_millis(20), ..progress(3) });
        give_up(UNAVAILABLE, Progress { remaining: Duration::ZERO, ..progress(1) });
    }

    #[test]
    fn an_attempt_that_would_be_cut_short_is_not_made() {
        let decided = |remaining| {
            let remaining = Duration::from_millis(remaining);
            Policy::default().decide(UNAVAILABLE, Progress { remaining, ..progress(3) })
        };
        assert_eq!(decided(124), Decision::GiveUp);
        assert_eq!(decided(125), Decision::Again(Duration::from_millis(25)));
    }

    #[test]
    fn when_all_fails_retries_are_a_fraction_of_the_calls() {
        let mut budget = Budget::default();
        while budget.spend() {}
        let retries = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert_eq!(retries, 500);
    }

    proptest! {
        #[test]
        fn pauses_stay_within_their_bounds(
            attempts in 0_u32..10_000,
            endpoints in 0_u32..10,
            jitter in 0.0..1.0_f64,
        ) {
            let policy = Policy { attempts_max: u32::MAX, ..Policy::default() };
            let remaining = Duration::from_secs(5);
            let progress = Progress { attempts, endpoints, remaining, jitter };
            for trouble in [Trouble::Lost, Trouble::Busy, UNAVAILABLE] {
                match policy.decide(trouble, progress) {
                    Decision::Again(pause) => prop_assert!(pause <= policy.pause_max),
                    Decision::GiveUp => prop_assert!(false, "there is time left"),
                }
            }
        }
    }
}
