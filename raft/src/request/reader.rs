//! Reader: from which log index on is a read linearizable?
//!
//! ReadIndex (Raft thesis 6.4): the leader notes its commit index, makes sure
//! with one round of heartbeats that it still leads, and any replica that has
//! applied that index may answer. Rounds are single-flight: one at a time, and
//! a reader that arrives during a round waits for the *next* one, because a
//! round may only vouch for what was asked before it began.
//!
//! # Invariants
//!
//! * R1: a reader is answered by a round that started after the reader arrived.
//! * R2: a round runs in its own task, never in a reader's future.
//!
//! # Limits
//!
//! [`READERS_MAX`] readers wait. Beyond: busy.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use api::limits::READERS_MAX;
use api::{GroupId, Refusal};

use crate::transport::BoxFuture;

/// Readers a round must have served for the next one to linger: with fewer,
/// waiting would cost more than it saves.
const CROWD: usize = 4;

/// How long a round lingers for more readers after a crowded one.
const LINGER: Duration = Duration::from_millis(1);

/// What a round asks.
pub trait Confirm: Send + Sync + 'static {
    /// The read index: asked of openraft here, or of the leader. `may_forward`
    /// is false if another node asks.
    fn confirm(&self, may_forward: bool) -> BoxFuture<'static, Result<u64, Refusal>>;
}

/// One group's read rounds on one node.
pub struct Reader {
    group: GroupId,
    confirmer: Arc<dyn Confirm>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<oneshot::Sender<Result<u64, Refusal>>>,
    /// A reader for another node waits: the round must not be forwarded.
    for_peer: bool,
    round_runs: bool,
}

impl Reader {
    /// A reader without waiters.
    #[must_use]
    pub fn new(group: GroupId, confirmer: Arc<dyn Confirm>) -> Arc<Self> {
        Arc::new(Self { group, confirmer, queue: Mutex::default() })
    }

    /// An index that covers every write acknowledged before this call.
    pub async fn read_index(
        self: &Arc<Self>,
        for_peer: bool,
        timeout: Duration,
    ) -> Result<u64, Refusal> {
        let (done, answer) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock();
            if queue.waiting.len() >= READERS_MAX {
                return Err(Refusal::Busy { group: self.group });
            }
            queue.waiting.push(done);
            queue.for_peer |= for_peer;
            !std::mem::replace(&mut queue.round_runs, true)
        };
        if start {
            tokio::spawn(Arc::clone(self).run(timeout));
        }
        let expired = Refusal::Expired { group: self.group, waited: timeout };
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(expired),
        }
    }

    /// Runs rounds until nobody waits.
    async fn run(self: Arc<Self>, timeout: Duration) {
        loop {
            let (readers, for_peer) = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.round_runs = false;
                    return;
                }
                (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.for_peer))
            };
            let round = self.confirmer.confirm(!for_peer);
            let result = match tokio::time::timeout(timeout, round).await {
                Ok(result) => result,
                Err(_) => Err(Refusal::Expired { group: self.group, waited: timeout }),
            };
            let served = readers.len();
            for reader in readers {
                let _gone = reader.send(result.clone());
            }
            if served >= CROWD {
                tokio::time::sleep(LINGER).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
