//! Steward: brings a group to what the meta group has decided.
//!
//! Every node runs one steward per group; only the leader's acts. It looks at
//! replicated state alone (the meta view, and its own group's shards and
//! fences) and takes the next step that is missing, so a new leader goes on
//! where the old one stopped. Every step is harmless if it was taken already.
//!
//! * meta group: writes the first state of the cluster.
//! * data groups: start to own the shards that the map gives them; fence
//!   collections that are being dropped, sweep their rows, report both.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use api::limits::{DROP_ROWS_PER_STEP, REQUEST_TIMEOUT_DEFAULT, SHARDS};
use api::service::{Call, Failure};
use api::{Content, GroupId, MetaOperation, Payload, Refusal};

use crate::clock::ClusterClock;
use crate::group::Group;
use crate::identity::Adopted;
use crate::request::router::Router;
use crate::switchboard::Running;

/// How often a steward looks when nothing calls it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long it waits after a step failed.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// One group's steward on one node.
pub struct Steward {
    /// The group.
    pub group: Arc<Group>,
    /// The node's groups, for the meta group's view.
    pub running: Arc<Running>,
    /// The way to the meta group.
    pub router: Arc<Router>,
    /// What time the entries it proposes get.
    pub clock: Arc<ClusterClock>,
    /// What the cluster was founded with.
    pub adopted: Adopted,
}

impl Steward {
    /// Acts until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut leadership = self.group.leadership.clone();
        let meta = self.running.groups.get(&GroupId::META);
        let Some(mut views) = meta.and_then(|meta| meta.store.meta()) else { return };
        loop {
            let more = if self.leads() { self.step().await } else { Ok(false) };
            match more {
                Ok(true) => continue,
                Ok(false) => {}
                Err(failure) => {
                    tracing::debug!(group = %self.group.gid, %failure, "a step has to wait");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = news(&mut views, &mut leadership) => {}
            }
        }
    }

    fn leads(&self) -> bool {
        self.group.leader() == Some(self.running.roster.me)
    }

    /// Takes the next missing step. Returns whether there may be another.
    async fn step(&self) -> Result<bool, Failure> {
        if self.group.gid == GroupId::META {
            return self.found().await;
        }
        Ok(self.assign().await? || self.fence().await? || self.sweep().await?)
    }

    async fn found(&self) -> Result<bool, Failure> {
        let founded = self.group.store.meta().is_none_or(|view| view.borrow().cluster().is_some());
        if founded {
            return Ok(false);
        }
        let members = self.adopted.members().map(|(id, member)| (id, member.clone())).collect();
        let operation = MetaOperation::Found {
            cluster: self.adopted.cluster_id,
            shards: SHARDS,
            groups: self.adopted.groups,
            members,
        };
        self.tell_meta(operation).await?;
        tracing::info!(cluster = %self.adopted.cluster_id, "the cluster is founded");
        Ok(true)
    }

    /// Starts to own shards that the map gives this group.
    async fn assign(&self) -> Result<bool, Failure> {
        let view = Router::meta_view(&self.running)?;
        let state = self.look()?;
        let owned = state.owned_shards().map_err(|fault| self.broken(&fault))?;
        let epochs: std::collections::BTreeMap<_, _> = owned.into_iter().collect();
        let missing = view
            .shards_of(self.group.gid)
            .into_iter()
            .filter(|(shard, epoch)| epochs.get(shard).is_none_or(|own| own < epoch));
        let mut by_epoch = std::collections::BTreeMap::<_, Vec<_>>::new();
        for (shard, epoch) in missing {
            by_epoch.entry(epoch).or_default().push(shard);
        }
        drop(state);
        let Some((epoch, shards)) = by_epoch.pop_first() else { return Ok(false) };
        tracing::info!(group = %self.group.gid, shards = shards.len(), "taking over shards");
        self.propose(Content::Assign { epoch, shards }).await?;
        Ok(true)
    }

    /// Fences the next dropping collection, and reports it.
    async fn fence(&self) -> Result<bool, Failure> {
        let view = Router::meta_view(&self.running)?;
        let group = self.group.gid;
        if let Some((collection, config)) = view.unfenced(group).into_iter().next() {
            let fence = self.look()?.fence(collection).map_err(|fault| self.broken(&fault))?;
            if fence.is_none() {
                self.propose(Content::Fence { collection, config }).await?;
            }
            self.tell_meta(MetaOperation::AckFence { collection, group }).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Deletes some rows of the next dropped collection, or reports that none is left.
    async fn sweep(&self) -> Result<bool, Failure> {
        let view = Router::meta_view(&self.running)?;
        let group = self.group.gid;
        if let Some(collection) = view.unswept(group).into_iter().next() {
            let fence = self.look()?.fence(collection).map_err(|fault| self.broken(&fault))?;
            match fence {
                Some(fence) if fence.swept => {
                    self.tell_meta(MetaOperation::AckSwept { collection, group }).await?;
                }
                Some(_) => {
                    let rows_max = DROP_ROWS_PER_STEP;
                    self.propose(Content::Sweep { collection, rows_max }).await?;
                }
                None => return Ok(false),
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn look(&self) -> Result<state::View, Failure> {
        self.group.store.view().map_err(|fault| self.broken(&fault))
    }

    async fn propose(&self, content: Content) -> Result<(), Failure> {
        let payload = Payload::encode(self.clock.stamp_ms(), &content);
        self.group.handle.propose(self.group.gid, payload).await?;
        Ok(())
    }

    async fn tell_meta(&self, operation: MetaOperation) -> Result<(), Failure> {
        let call = Call { request_id: None, timeout: REQUEST_TIMEOUT_DEFAULT };
        self.router.meta_write(&self.running, call, operation).await?;
        Ok(())
    }

    /// The store stops the process by itself; this step just ends.
    fn broken(&self, fault: &disk::Fault) -> Failure {
        tracing::error!(group = %self.group.gid, %fault, "cannot read the group's state");
        Refusal::Stopping.into()
    }
}

/// Waits for either to change, or until it is time to look. Of a group that has stopped
/// nothing changes any more.
async fn news<A, B>(views: &mut watch::Receiver<A>, leadership: &mut watch::Receiver<B>) {
    tokio::select! {
        biased;
        Ok(()) = views.changed() => {}
        Ok(()) = leadership.changed() => {}
        () = tokio::time::sleep(LOOK_EVERY) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_group_that_has_stopped_keeps_nobody_busy() {
        let (changing, mut views) = watch::channel(0);
        let (ending, mut leadership) = watch::channel(0);
        let start = Instant::now();
        changing.send_replace(1);
        news(&mut views, &mut leadership).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop((changing, ending));
        news(&mut views, &mut leadership).await;
        assert_eq!(start.elapsed(), LOOK_EVERY);
    }
}
