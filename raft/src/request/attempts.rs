//! Attempts: one request, tried until it has an answer or its time is up.
//!
//! Every attempt carries the same request id. What may have happened so far is
//! remembered here, so that a failure says the truth about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use api::service::{Call, Failure};
use api::{
    Answer, Applied, CollectionId, Fingerprint, GroupId, Header, Outcome, Refusal, Rejection,
    RequestClass, RequestId, ShardId,
};

use crate::group::Group;
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
        let (id, class) = match call.request_id {
            Some(id) => (id, RequestClass::Client),
            None => (ids.next(), RequestClass::Internal),
        };
        let started = Instant::now();
        let deadline = started + call.timeout;
        Self { id, class, started, deadline, ambiguous: false, last: None }
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
        let waited = self.started.elapsed();
        if self.ambiguous {
            return Refusal::Unknown { group, waited }.into();
        }
        match &self.last {
            Some(Refusal::NotLeader { .. }) | None => Refusal::NoLeader { group }.into(),
            Some(last) => last.clone().into(),
        }
    }

    /// Takes in a refusal: `Ok` to try again after a pause, or the end.
    pub(super) fn refused(&mut self, refusal: Refusal) -> Result<(), Failure> {
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
        if self.ambiguous {
            let (Refusal::Expired { group, .. } | Refusal::Busy { group }) = refusal else {
                let group = GroupId::META;
                return Err(Refusal::Unknown { group, waited: self.started.elapsed() }.into());
            };
            return Err(Refusal::Unknown { group, waited: self.started.elapsed() }.into());
        }
        Err(refusal.into())
    }

    /// Waits before the next attempt: for a change of leader, or a moment.
    pub(super) async fn pause(&self, group: &Group) -> Result<(), Failure> {
        if self.left() <= RETRY_PAUSE {
            return Err(self.out_of_time(group.gid));
        }
        let mut leadership = group.leadership.clone();
        leadership.mark_unchanged();
        let _changed_or_not = tokio::time::timeout(RETRY_PAUSE, leadership.changed()).await;
        Ok(())
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

/// Tries once.
pub(super) async fn attempt(
    group: &Arc<Group>,
    command: Bytes,
    attempts: &mut Attempts,
) -> Result<Tried, Failure> {
    let result = group.writer.write(vec![command], Origin::Here, attempts.left()).await;
    let answer = match result {
        Ok(answers) => answers.into_iter().next(),
        Err(refusal) => {
            attempts.refused(refusal)?;
            return Ok(Tried::Again);
        }
    };
    match answer {
        Some(Answer::Executed { outcome, replay }) => Ok(Tried::Executed { outcome, replay }),
        Some(Answer::Rejected(rejection)) => rejected(rejection, attempts),
        None => {
            attempts.ambiguous = true;
            Ok(Tried::Again)
        }
    }
}

fn rejected(rejection: Rejection, attempts: &Attempts) -> Result<Tried, Failure> {
    match rejection {
        Rejection::NotOwner { .. } => Ok(Tried::Again),
        Rejection::Dropping => Ok(Tried::Dropping),
        Rejection::IdReused => Err(Failure::IdReused),
        Rejection::Stale { group_time_ms } | Rejection::FromFuture { group_time_ms } => {
            // Our estimate of the group's time was off. If no attempt can have
            // run, the request is as good as new and gets a new issue time.
            if attempts.ambiguous {
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
