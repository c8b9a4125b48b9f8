//! Attempts: one request, tried until it has an answer or its time is up.
//!
//! Every attempt carries the same request id. What may have happened so far is
//! remembered here, so that a failure says the truth about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use api::limits::{
    CLIENT_ID_TTL, CLOCK_LEAD_MAX, INTERNAL_ID_TTL, PROXY_CLOCK_LEAD_MAX, PROXY_REQUEST_AGE_MAX,
};
use api::service::{Call, Failure, OutsideId};
use api::{
    Answer, Applied, CollectionId, Fingerprint, GroupId, Header, Outcome, Refusal, Rejection,
    RequestClass, RequestId, ShardId,
};

use crate::group::{Group, Leadership};
use crate::request::writer::Origin;

/// Pauses between attempts: long enough not to burn the CPU during an
/// election, short enough not to add to it.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Makes request ids for requests that bring none.
pub(super) struct RequestIds {
    nonce: u64,
    counter: AtomicU64,
}

impl RequestIds {
    /// `nonce` is random per process start.
    pub(super) fn new(nonce: u64) -> Self {
        Self { nonce, counter: AtomicU64::new(0) }
    }

    fn next(&self) -> RequestId {
        RequestId::made_here(self.nonce, self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

/// One request on its way: its id, its deadline, and what may have happened.
#[derive(Clone)]
pub(super) struct Attempts {
    id: RequestId,
    class: RequestClass,
    /// When it left the proxy that made its id, by the proxy's clock.
    sent_at_ms: Option<u64>,
    started: Instant,
    /// When the client stops waiting.
    pub(super) deadline: Instant,
    /// Some attempt may have taken effect.
    pub(super) ambiguous: bool,
    /// What the last attempt was refused with.
    last: Option<Refusal>,
}

impl Attempts {
    /// A request that begins now.
    pub(super) fn new(call: Call, ids: &RequestIds) -> Self {
        let (id, class, sent_at_ms) = match call.request_id {
            Some(OutsideId::Client(id)) => (id, RequestClass::Client, None),
            Some(OutsideId::Proxy { id, sent_at_ms }) => {
                (id, RequestClass::Internal, Some(sent_at_ms))
            }
            None => (ids.next(), RequestClass::Internal, None),
        };
        let started = Instant::now();
        let deadline = started + call.timeout;
        Self { id, class, sent_at_ms, started, deadline, ambiguous: false, last: None }
    }

    /// The time that is left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The end of a request that may have taken effect.
    pub(super) fn unknown(&self, group: GroupId) -> Failure {
        Refusal::Unknown { group, waited: self.started.elapsed() }.into()
    }

    /// The end of a request whose time is up (U3).
    fn out_of_time(&self, group: GroupId) -> Failure {
        if self.ambiguous {
            return self.unknown(group);
        }
        match &self.last {
            Some(Refusal::NotLeader { .. }) | None => Refusal::NoLeader { group }.into(),
            Some(last) => last.clone().into(),
        }
    }

    /// The issue time of a request at a group's time: when it reached the cluster
    /// first, so that a request that the proxy passes on twice is as old here as
    /// at the node that had it before, and never outlives that one's memory of it.
    pub(super) fn issue_time(&self, group_time_ms: u64, wall_ms: u64) -> u64 {
        let age_ms = self.age_ms(wall_ms).unwrap_or(0).max(0);
        group_time_ms.saturating_sub(age_ms.unsigned_abs())
    }

    /// Whether that issue time had outlived its time to live before the request
    /// began, so that no attempt with it can have been admitted.
    fn was_stale_from_the_start(&self, issued_at_ms: u64, group_time_ms: u64) -> bool {
        let ttl = match self.class {
            RequestClass::Internal => INTERNAL_ID_TTL,
            RequestClass::Client => CLIENT_ID_TTL,
        };
        let age = PROXY_REQUEST_AGE_MAX.max(self.started.elapsed());
        let bound = ttl + age + CLOCK_LEAD_MAX;
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        issued_at_ms.saturating_add(bound_ms) < group_time_ms
    }

    /// How long ago the request left the proxy, by its clock and ours.
    fn age_ms(&self, wall_ms: u64) -> Option<i64> {
        Some(wall_ms.cast_signed().wrapping_sub(self.sent_at_ms?.cast_signed()))
    }

    /// Whether another attempt may still begin. To be asked *after* the attempt
    /// got its issue time: a node may stand still at any moment, for minutes. If
    /// it does so before this question, the answer is no; if after it, the issue
    /// time tells the replicas how old the attempt is (U4).
    fn in_time(&self, group: GroupId, wall_ms: u64) -> Result<(), Failure> {
        if self.left().is_zero() {
            return Err(self.out_of_time(group));
        }
        let Some(age_ms) = self.age_ms(wall_ms) else { return Ok(()) };
        let millis = |limit: Duration| i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        let taken = -millis(PROXY_CLOCK_LEAD_MAX)..=millis(PROXY_REQUEST_AGE_MAX);
        match taken.contains(&age_ms) {
            true => Ok(()),
            false if self.ambiguous => Err(self.unknown(group)),
            false => Err(Failure::Untimely { age_ms }),
        }
    }

    /// Takes in a refusal of `group`'s: `Ok` to try again after a pause, or the end (U3).
    pub(super) fn refused(&mut self, group: GroupId, refusal: Refusal) -> Result<(), Failure> {
        self.ambiguous |= refusal.applied() == Applied::Unknown;
        let again = match &refusal {
            Refusal::NoLeader { .. } | Refusal::NotLeader { .. } | Refusal::Unknown { .. } => true,
            // Full queues and full disks are the client's to wait for, unless an
            // earlier attempt is still open.
            Refusal::Busy { .. } | Refusal::DiskFull { .. } => self.ambiguous,
            Refusal::Expired { .. } | Refusal::NotReady { .. } | Refusal::Stopping => false,
        };
        if again {
            self.last = Some(refusal);
            return Ok(());
        }
        Err(if self.ambiguous { self.unknown(group) } else { refusal.into() })
    }

    /// Waits before the next attempt: for a change of leader, or a moment.
    pub(super) async fn pause(&self, group: &Group) -> Result<(), Failure> {
        if self.left() <= RETRY_PAUSE {
            return Err(self.out_of_time(group.gid));
        }
        let mut leadership = group.leadership.clone();
        leadership.mark_unchanged();
        change_or_pause(&mut leadership).await;
        Ok(())
    }
}

/// Of a group that has stopped nothing changes any more: that is no reason to hurry.
async fn change_or_pause(leadership: &mut watch::Receiver<Leadership>) {
    tokio::select! {
        biased;
        Ok(()) = leadership.changed() => {}
        () = tokio::time::sleep(RETRY_PAUSE) => {}
    }
}

/// What became of one attempt.
pub(super) enum Tried {
    Executed {
        outcome: Outcome,
        replay: bool,
    },
    /// Certainly or possibly not executed: try again with the same id.
    Again,
    /// Certainly not executed, because the issue time was out of bounds.
    Restamp(u64),
    /// Certainly not executed by this attempt: the collection is going.
    Dropping,
}

/// Tries once a command that was issued at `issued_at_ms` by the group's time;
/// `wall_ms` was read after that.
pub(super) async fn attempt(
    group: &Arc<Group>,
    command: Bytes,
    (issued_at_ms, wall_ms): (u64, u64),
    attempts: &mut Attempts,
) -> Result<Tried, Failure> {
    attempts.in_time(group.gid, wall_ms)?;
    let result = group.writer.write(vec![command], Origin::Here, attempts.left()).await;
    let answer = match result {
        Ok(answers) => answers.into_iter().next(),
        Err(refusal) => {
            attempts.refused(group.gid, refusal)?;
            return Ok(Tried::Again);
        }
    };
    match answer {
        Some(Answer::Executed { outcome, replay }) => Ok(Tried::Executed { outcome, replay }),
        Some(Answer::Rejected(rejection)) => {
            let tried = rejected(rejection, issued_at_ms, attempts)?;
            if let Tried::Restamp(now_ms) = tried {
                group.time.told(now_ms);
            }
            Ok(tried)
        }
        None => {
            attempts.ambiguous = true;
            Ok(Tried::Again)
        }
    }
}

fn rejected(
    rejection: Rejection,
    issued_at_ms: u64,
    attempts: &Attempts,
) -> Result<Tried, Failure> {
    match rejection {
        Rejection::NotOwner { .. } => Ok(Tried::Again),
        Rejection::Dropping => Ok(Tried::Dropping),
        Rejection::IdReused => Err(Failure::IdReused),
        // Our estimate of the group's time was off. No replica has carried out this
        // id, or it would have answered so; one that will yet remembers it then.
        Rejection::FromFuture { group_time_ms } => Ok(Tried::Restamp(group_time_ms)),
        Rejection::Stale { group_time_ms } => {
            let may_have_run = attempts.ambiguous || attempts.sent_at_ms.is_some();
            if may_have_run && !attempts.was_stale_from_the_start(issued_at_ms, group_time_ms) {
                // Ids as old as this one may have been forgotten for want of room,
                // and this one among them.
                return Err(Failure::IdExpired);
            }
            Ok(Tried::Restamp(group_time_ms))
        }
    }
}

pub(super) fn header(
    attempts: &Attempts,
    issued_at_ms: u64,
    fingerprint: Fingerprint,
    shard: ShardId,
    collection: CollectionId,
) -> Header {
    Header { id: attempts.id, class: attempts.class, issued_at_ms, fingerprint, shard, collection }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group_time;

    const GROUP: GroupId = GroupId(7);

    fn begun() -> Attempts {
        let call = Call { request_id: None, timeout: Duration::from_secs(5) };
        Attempts::new(call, &RequestIds::new(1))
    }

    /// One of which an earlier attempt may have run.
    fn open() -> Attempts {
        let mut attempts = begun();
        let waited = Duration::ZERO;
        attempts.refused(GROUP, Refusal::Unknown { group: GROUP, waited }).unwrap();
        attempts
    }

    fn all() -> [Refusal; 8] {
        let (group, waited) = (GROUP, Duration::ZERO);
        [
            Refusal::NoLeader { group },
            Refusal::NotLeader { group, leader: None },
            Refusal::Busy { group },
            Refusal::Expired { group, waited },
            Refusal::Unknown { group, waited },
            Refusal::DiskFull { free_bytes: 0, reserve_bytes: 1 },
            Refusal::NotReady { reason: String::new() },
            Refusal::Stopping,
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_in_a_group_that_has_stopped_is_not_repeated_at_once() {
        let (sender, mut leadership) = watch::channel(Leadership::default());
        let start = Instant::now();
        sender.send_replace(Leadership { term: 1, leader: None });
        change_or_pause(&mut leadership).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(sender);
        change_or_pause(&mut leadership).await;
        assert_eq!(start.elapsed(), RETRY_PAUSE);
    }

    #[test]
    fn u3_no_end_says_not_applied_once_an_attempt_may_have_run() {
        for refusal in all() {
            if let Err(end) = open().refused(GROUP, refusal.clone()) {
                assert_eq!(end.applied(), Applied::Unknown, "after {refusal:?}: {end:?}");
            }
        }
        let stale = Rejection::Stale { group_time_ms: 60_002 };
        let end = rejected(stale, 1, &open()).err().expect("its fate cannot be told");
        assert_eq!(end.applied(), Applied::Unknown);
    }

    /// A node that started just now does not know it, one that slept is behind.
    #[test]
    fn a_wrong_estimate_of_the_groups_time_fails_no_request() {
        let long_ago = 95_002;
        for attempts in [begun(), open()] {
            for rejection in [
                Rejection::Stale { group_time_ms: long_ago },
                Rejection::FromFuture { group_time_ms: long_ago },
            ] {
                let tried = rejected(rejection, 1, &attempts);
                assert!(matches!(tried, Ok(Tried::Restamp(now_ms)) if now_ms == long_ago));
            }
        }
        let stale = Rejection::Stale { group_time_ms: 60_002 };
        assert!(matches!(rejected(stale, 1, &begun()), Ok(Tried::Restamp(60_002))));
        let unknown = begun().issue_time(group_time::UNKNOWN_MS, 1_000);
        let stale = Rejection::Stale { group_time_ms: long_ago };
        assert!(matches!(rejected(stale, unknown, &open()), Ok(Tried::Restamp(95_002))));
    }

    #[test]
    fn u4_what_left_the_proxy_too_long_ago_or_in_the_future_is_not_tried() {
        let now_ms = 1_000_000;
        let sent = |sent_at_ms| {
            let id = RequestId::from_proxy(b"r");
            let request_id = Some(OutsideId::Proxy { id, sent_at_ms });
            let call = Call { request_id, timeout: Duration::from_secs(5) };
            Attempts::new(call, &RequestIds::new(1))
        };
        for taken in [now_ms, now_ms - 30_000, now_ms + 5_000] {
            assert_eq!(sent(taken).in_time(GROUP, now_ms), Ok(()));
        }
        for (refused, age_ms) in [(now_ms - 30_001, 30_001), (now_ms + 5_001, -5_001)] {
            let end = Err(Failure::Untimely { age_ms });
            assert_eq!(sent(refused).in_time(GROUP, now_ms), end);
        }
        let mut later = sent(now_ms);
        later.ambiguous = true;
        let end = later.in_time(GROUP, now_ms + 40_000).unwrap_err();
        assert_eq!(end.applied(), Applied::Unknown);
    }

    #[test]
    fn u4_a_request_from_the_proxy_keeps_its_age() {
        let request_id =
            Some(OutsideId::Proxy { id: RequestId::from_proxy(b"r"), sent_at_ms: 900 });
        let call = Call { request_id, timeout: Duration::from_secs(5) };
        let attempts = Attempts::new(call, &RequestIds::new(1));
        assert_eq!(attempts.issue_time(70_000, 1_000), 69_900);
        assert_eq!(attempts.issue_time(70_000, 800), 70_000);
        assert_eq!(begun().issue_time(70_000, 1_000), 70_000);
        let stale = Rejection::Stale { group_time_ms: 60_002 };
        assert!(matches!(rejected(stale, 1, &attempts), Err(Failure::IdExpired)));
    }

    #[test]
    fn u4_a_request_whose_time_is_up_is_not_tried() {
        let call = Call { request_id: None, timeout: Duration::ZERO };
        let late = Attempts::new(call, &RequestIds::new(1));
        assert!(late.in_time(GROUP, 0).is_err());
    }

    #[test]
    fn u3_an_end_before_anything_ran_says_so() {
        for refusal in all().into_iter().filter(|refusal| refusal.applied() == Applied::No) {
            let mut attempts = begun();
            if let Err(end) = attempts.refused(GROUP, refusal.clone()) {
                assert_eq!(end.applied(), Applied::No, "after {refusal:?}: {end:?}");
            }
            assert_eq!(attempts.out_of_time(GROUP).applied(), Applied::No);
        }
        assert_eq!(open().out_of_time(GROUP).applied(), Applied::Unknown);
    }
}
