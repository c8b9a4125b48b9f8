//! Activity: what is a connection doing, and until when may it?
//!
//! hyper's own timer for request heads also runs between requests and knows
//! nothing of a peer that stops reading. Here one small state, fed by the
//! socket and by the requests, decides for HTTP/1.1 and HTTP/2 alike.
//!
//! Reading and writing go through [`Activity::received`] and
//! [`Activity::sent`]; a request holds a [`Busy`] until its answer's body is
//! handed to the socket.

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

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    requests: usize,
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
pub(crate) struct Busy(Arc<Activity>);

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
        let state = State { phase: Phase::Head(now), requests: 0, http2: false };
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
        state.http2 = http2;
        state.phase = Phase::Busy(now);
        Busy(Arc::clone(self))
    }

    fn end(&self, now: Instant) {
        let mut state = self.state.lock();
        state.requests -= 1;
        state.phase = if state.requests == 0 { Phase::Idle(now) } else { Phase::Busy(now) };
    }

    /// Until when the connection may go on as it does, and what follows then.
    pub(crate) fn deadline(&self, timeouts: &Timeouts) -> (Instant, Overdue) {
        let phase = self.state.lock().phase;
        let (due, overdue) = match phase {
            Phase::Head(since) => (since + timeouts.header, Overdue::Slow),
            Phase::Idle(since) => (since + timeouts.idle, Overdue::Old),
            Phase::Busy(since) => (since + timeouts.stall, Overdue::Slow),
        };
        let old = self.opened + timeouts.age;
        if old < due { (old, Overdue::Old) } else { (due, overdue) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end(Instant::now());
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
}
