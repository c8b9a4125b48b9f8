//! Activity: what is a connection doing, and until when may it?
//!
//! hyper's own timer for request heads also runs between requests and knows
//! nothing of a peer that stops reading. Here one small state, fed by the
//! socket and by the requests, decides for HTTP/1.1 and HTTP/2 alike.
//!
//! Reading and writing go through [`Activity::received`] and
//! [`Activity::sent`]; a request holds a [`Busy`] until its answer's body is
//! handed to the socket. From when it has an answer, only its own pieces count:
//! over HTTP/2 a peer may take nothing of it and still be lively.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::options::Timeouts;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Held for an assignment only, never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    requests: usize,
    /// How many requests there were so far; names them.
    begun: u64,
    /// The requests that have an answer, and since when nothing of it was taken.
    untaken: BTreeMap<u64, Instant>,
    /// Bytes between requests are no head there: frames of any kind may come.
    http2: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A request's head is coming in, since then.
    Head(Instant),
    /// Nothing is, since then.
    Idle(Instant),
    /// Requests are being served; the last byte moved then.
    Busy(Instant),
}

/// A request being served. Dropped when its answer is on its way.
#[derive(Debug)]
pub(crate) struct Busy {
    activity: Arc<Activity>,
    request: u64,
}

/// What a connection has run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Its peer is too slow: cut it.
    Slow,
    /// It has done nothing for long, or was open for long: close it in good order.
    Old,
}

impl Activity {
    /// A connection opened now. Its first request's head counts from here.
    pub(crate) fn open(now: Instant) -> Arc<Self> {
        let (phase, untaken) = (Phase::Head(now), BTreeMap::new());
        let state = State { phase, requests: 0, begun: 0, untaken, http2: false };
        Arc::new(Self { opened: now, state: Mutex::new(state) })
    }

    /// Bytes came in.
    pub(crate) fn received(&self, now: Instant) {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Idle(_) if !state.http2 => state.phase = Phase::Head(now),
            Phase::Busy(_) => state.phase = Phase::Busy(now),
            Phase::Idle(_) | Phase::Head(_) => {}
        }
    }

    /// Bytes went out.
    pub(crate) fn sent(&self, now: Instant) {
        let mut state = self.state.lock();
        if let Phase::Busy(_) = state.phase {
            state.phase = Phase::Busy(now);
        }
    }

    /// A request's head is complete.
    pub(crate) fn begin(self: &Arc<Self>, now: Instant, http2: bool) -> Busy {
        let mut state = self.state.lock();
        state.requests += 1;
        state.begun += 1;
        state.http2 = http2;
        state.phase = Phase::Busy(now);
        Busy { activity: Arc::clone(self), request: state.begun }
    }

    fn end(&self, request: u64, now: Instant) {
        let mut state = self.state.lock();
        state.requests -= 1;
        state.untaken.remove(&request);
        state.phase = if state.requests == 0 { Phase::Idle(now) } else { Phase::Busy(now) };
    }

    /// Until when the connection may go on as it does, and what follows then.
    pub(crate) fn deadline(&self, timeouts: &Timeouts) -> (Instant, Overdue) {
        let state = self.state.lock();
        let (due, overdue) = match state.phase {
            Phase::Head(since) => (since + timeouts.header, Overdue::Slow),
            Phase::Idle(since) => (since + timeouts.idle, Overdue::Old),
            Phase::Busy(since) => {
                // At most as many as a connection may have streams.
                let longest = state.untaken.values().copied().min().unwrap_or(since);
                (since.min(longest) + timeouts.stall, Overdue::Slow)
            }
        };
        let old = self.opened + timeouts.age;
        if old < due { (old, Overdue::Old) } else { (due, overdue) }
    }
}

impl Busy {
    /// The request has an answer, or a piece of it was taken.
    pub(crate) fn progressed(&self, now: Instant) {
        self.activity.state.lock().untaken.insert(self.request, now);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.end(self.request, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_trickling_head_is_slow_and_trickling_on_does_not_help() {
        let timeouts = Timeouts::default();
        let now = Instant::now();
        let activity = Activity::open(now);
        activity.received(now + SECOND);
        assert_eq!(activity.deadline(&timeouts), (now + timeouts.header, Overdue::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_connection_may_idle() {
        let timeouts = Timeouts::default();
        let activity = Activity::open(Instant::now());
        drop(activity.begin(Instant::now(), false));
        let idle = Instant::now();
        assert_eq!(activity.deadline(&timeouts), (idle + timeouts.idle, Overdue::Old));
        let head = idle + 20 * SECOND;
        activity.received(head);
        assert_eq!(activity.deadline(&timeouts), (head + timeouts.header, Overdue::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_http2_requests_are_no_head() {
        let timeouts = Timeouts::default();
        let activity = Activity::open(Instant::now());
        drop(activity.begin(Instant::now(), true));
        let idle = Instant::now();
        activity.received(idle + SECOND);
        assert_eq!(activity.deadline(&timeouts), (idle + timeouts.idle, Overdue::Old));
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_of_two_requests_is_served_progress_counts() {
        let timeouts = Timeouts::default();
        let now = Instant::now();
        let activity = Activity::open(now);
        let first = activity.begin(now, true);
        let _second = activity.begin(now, true);
        drop(first);
        activity.sent(now + SECOND);
        let due = now + SECOND + timeouts.stall;
        assert_eq!(activity.deadline(&timeouts), (due, Overdue::Slow));
    }

    #[test]
    fn whatever_it_does_it_ages() {
        let timeouts = Timeouts { age: 5 * SECOND, ..Timeouts::default() };
        let now = Instant::now();
        let activity = Activity::open(now);
        assert_eq!(activity.deadline(&timeouts), (now + 5 * SECOND, Overdue::Old));
    }

    #[test]
    fn an_answer_that_nobody_takes_is_slow_however_lively_the_connection() {
        let timeouts = Timeouts::default();
        let now = Instant::now();
        let activity = Activity::open(now);
        let stuck = activity.begin(now, true);
        stuck.progressed(now + SECOND);
        let other = activity.begin(now + 2 * SECOND, true);
        other.progressed(now + 3 * SECOND);
        activity.received(now + 4 * SECOND);
        let due = now + SECOND + timeouts.stall;
        assert_eq!(activity.deadline(&timeouts), (due, Overdue::Slow));
        stuck.progressed(now + 5 * SECOND);
        let due = now + 3 * SECOND + timeouts.stall;
        assert_eq!(activity.deadline(&timeouts), (due, Overdue::Slow));
        drop(other);
        let due = now + 5 * SECOND + timeouts.stall;
        assert!(activity.deadline(&timeouts).0 <= due);
    }
}
