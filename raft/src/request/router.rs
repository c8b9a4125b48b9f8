//! Router: from a collection's name and a key to an answer.
//!
//! Any node routes any request: name to collection (the local view of the meta
//! group), key to shard, shard to group, group to its leader, in one hop. A
//! request is tried until it has an answer or its time is up; every attempt
//! carries the same request id, so an attempt whose fate is unknown may be
//! repeated without harm.
//!
//! # Invariants
//!
//! * U1: "not found" for a collection is never answered from a view that may be
//!   old: a meta read round that started after the request comes first.
//! * U2: once an attempt may have taken effect, the request is never sent to
//!   another incarnation of its collection; it ends with an answer or `Unknown`.
//! * U3: a failure says `not applied` only if no attempt can have taken effect.
//! * U4: no attempt begins after the request's time, however long this node stood
//!   still; one that began earlier carries an issue time that shows its age.

use std::sync::Arc;

use tokio::time::Instant;

use api::figures::Figures;
use api::service::{
    Call, Consistency, Failure, Found, Get, Page, Ran, Route, Scan, Service, Write, Written,
};
use api::snapshot::Noted;
use api::status::Status;
use api::{
    CollectionId, Command, GroupId, MetaCommand, MetaOperation, Operation, Outcome, Refusal,
    ShardId, Verdict,
};
use disk::Fault;
use state::MetaView;

use crate::group::Group;
use crate::node::Node;
use crate::request::attempts::{Attempts, RequestIds, Tried, attempt, header};
use crate::request::scan;
use crate::switchboard::Running;

/// Serves requests on one node.
pub struct Router {
    node: Arc<Node>,
    ids: RequestIds,
}

/// Where a row lives now.
struct Place {
    group: Arc<Group>,
    shard: ShardId,
    collection: CollectionId,
}

impl Place {
    fn route(&self, running: &Running) -> Route {
        let leader = self.group.leadership.borrow().leader;
        let leader = leader.map(|leader| running.roster.name(leader));
        Route { shard: self.shard, group: self.group.gid, leader }
    }
}

impl Router {
    /// Routes for `node`. `nonce` is random per process start.
    #[must_use]
    pub fn new(node: Arc<Node>, nonce: u64) -> Self {
        Self { node, ids: RequestIds::new(nonce) }
    }

    fn attempts(&self, call: Call) -> Attempts {
        Attempts::new(call, &self.ids)
    }

    fn running(&self) -> Result<Arc<Running>, Failure> {
        self.node.running().map_err(Failure::from)
    }

    /// The catalogue and map as this node knows them.
    pub fn meta_view(running: &Running) -> Result<MetaView, Refusal> {
        let meta = meta_group(running)?;
        let view = meta.store.meta().map(|view| view.borrow().clone());
        view.ok_or(Refusal::NoLeader { group: GroupId::META })
    }

    /// The catalogue and map, no older than this call (U1).
    async fn fresh_meta_view(
        &self,
        running: &Running,
        attempts: &mut Attempts,
    ) -> Result<MetaView, Failure> {
        let meta = meta_group(running)?;
        self.linearize(meta, attempts).await?;
        Ok(Self::meta_view(running)?)
    }

    /// Returns once this replica of `group` has applied everything that was
    /// acknowledged before the call.
    async fn linearize(&self, group: &Arc<Group>, attempts: &mut Attempts) -> Result<(), Failure> {
        loop {
            match group.reader.read_index(false, attempts.left()).await {
                Ok(index) => return Ok(group.wait_applied(index, attempts.deadline).await?),
                Err(refusal) => attempts.refused(group.gid, refusal)?,
            }
            attempts.pause(group).await?;
        }
    }

    /// The collection's id, made if it must exist; `None` if there is none.
    async fn collection(
        &self,
        running: &Running,
        name: &str,
        create: bool,
        attempts: &mut Attempts,
    ) -> Result<Option<CollectionId>, Failure> {
        if let Some(found) = Self::meta_view(running)?.active(name) {
            return Ok(Some(found));
        }
        if !create {
            return self.existing(running, name, attempts).await;
        }
        // The inner request has an id of its own: the collection may be made by
        // anyone, and making it twice is making it once.
        let operation = MetaOperation::CreateCollection { name: name.to_owned() };
        let call = Call { request_id: None, timeout: attempts.left() };
        let (outcome, _) = self.meta_write(running, call, operation).await?;
        match outcome.verdict {
            Verdict::TooLarge => Err(too_many_collections()),
            _ => Ok(Some(collection_of(&outcome))),
        }
    }

    /// The collection's id as of now, waiting out a drop that is under way.
    async fn existing(
        &self,
        running: &Running,
        name: &str,
        attempts: &mut Attempts,
    ) -> Result<Option<CollectionId>, Failure> {
        loop {
            let view = self.fresh_meta_view(running, attempts).await?;
            if !view.is_dropping(name) {
                return Ok(view.active(name));
            }
            attempts.pause(meta_group(running)?).await?;
        }
    }

    /// Where `key` of the collection lives by the map this node has.
    fn place(
        running: &Running,
        name: &str,
        collection: CollectionId,
        key: &[u8],
    ) -> Result<Place, Refusal> {
        let shard = shard::of_key(name, key);
        let view = Self::meta_view(running)?;
        let owner = view.owner(shard).unwrap_or(GroupId::META);
        let group = running.groups.get(&owner).filter(|group| group.gid != GroupId::META);
        let group = group.cloned().ok_or(Refusal::NoLeader { group: owner })?;
        Ok(Place { group, shard, collection })
    }

    /// Runs a data command to its answer.
    async fn run(
        &self,
        running: &Running,
        write: &Write,
        attempts: &mut Attempts,
    ) -> Result<Written, Failure> {
        let creates =
            !matches!(write.operation, Operation::Delete { .. } | Operation::DeleteValue { .. });
        let fingerprint = write.operation.fingerprint(&write.collection);
        let mut issued_at_ms = None;
        let mut sent_to = None;
        loop {
            // Looking the collection up may itself be refused, and may find
            // another incarnation: neither may speak for a request that is out.
            let collection = match sent_to {
                Some(collection) if attempts.ambiguous => Some(collection),
                _ => self.collection(running, &write.collection, creates, attempts).await?,
            };
            sent_to = collection;
            let Some(collection) = collection else {
                let outcome = Outcome::bare(Verdict::NotFound, 0);
                return Ok(Written { outcome, replay: false, route: None });
            };
            let key = write.operation.key();
            let place = match Self::place(running, &write.collection, collection, key) {
                Ok(place) => place,
                Err(refusal) => {
                    attempts.refused(GroupId::META, refusal)?;
                    attempts.pause(meta_group(running)?).await?;
                    continue;
                }
            };
            let issued = *issued_at_ms.get_or_insert_with(|| {
                attempts.issue_time(place.group.time.now_ms(), self.node.wall_ms())
            });
            let wall_ms = self.node.wall_ms();
            let command = Command {
                header: header(attempts, issued, fingerprint, place.shard, place.collection),
                operation: write.operation.clone(),
            };
            match attempt(&place.group, command.encode(), (issued, wall_ms), attempts).await? {
                Tried::Executed { outcome, replay } => {
                    let route = place.route(running);
                    return Ok(Written { outcome, replay, route: Some(route) });
                }
                Tried::Again => {}
                Tried::Restamp(now_ms) => {
                    issued_at_ms = Some(attempts.issue_time(now_ms, wall_ms));
                }
                Tried::Dropping if attempts.ambiguous => {
                    return Err(attempts.unknown(place.group.gid));
                }
                Tried::Dropping => {}
            }
            attempts.pause(&place.group).await?;
        }
    }

    /// Runs a meta command to its outcome, and says whether it was a replay.
    pub async fn meta_write(
        &self,
        running: &Running,
        call: Call,
        operation: MetaOperation,
    ) -> Result<(Outcome, bool), Failure> {
        let meta = meta_group(running)?;
        let mut attempts = self.attempts(call);
        let fingerprint = operation.fingerprint();
        let mut issued = attempts.issue_time(meta.time.now_ms(), self.node.wall_ms());
        loop {
            let wall_ms = self.node.wall_ms();
            let command = MetaCommand {
                header: header(&attempts, issued, fingerprint, ShardId(0), CollectionId(0)),
                operation: operation.clone(),
            };
            match attempt(meta, command.encode(), (issued, wall_ms), &mut attempts).await? {
                Tried::Executed { outcome, replay } => return Ok((outcome, replay)),
                Tried::Restamp(now_ms) => issued = attempts.issue_time(now_ms, wall_ms),
                Tried::Again | Tried::Dropping => {}
            }
            attempts.pause(meta).await?;
        }
    }

    async fn read_row(
        &self,
        running: &Running,
        get: &Get,
        attempts: &mut Attempts,
    ) -> Result<Found, Failure> {
        let stale = get.consistency == Consistency::Stale;
        loop {
            let collection = if stale {
                Self::meta_view(running)?.active(&get.collection)
            } else {
                self.collection(running, &get.collection, false, attempts).await?
            };
            let Some(collection) = collection else { return Ok(Found { row: None, route: None }) };
            let place = Self::place(running, &get.collection, collection, &get.key)?;
            if !stale {
                self.linearize(&place.group, attempts).await?;
            }
            let view = place.group.store.view().map_err(|fault| self.node.broken(&fault))?;
            let read = view.get(place.shard, place.collection, &get.key);
            drop(view);
            match read.map_err(|fault| self.node.broken(&fault))? {
                Ok(row) => {
                    let route = place.route(running);
                    return Ok(Found { row, route: Some(route) });
                }
                // The shard moved or the collection goes: look again.
                Err(_) if stale => return Ok(Found { row: None, route: None }),
                Err(_) => attempts.pause(&place.group).await?,
            }
        }
    }
}

impl Service for Router {
    async fn write(&self, call: Call, write: Write) -> Result<Written, Failure> {
        let running = self.running()?;
        if write.operation.takes_room() {
            self.node.admit()?;
        }
        self.run(&running, &write, &mut self.attempts(call)).await
    }

    async fn get(&self, call: Call, get: Get) -> Result<Found, Failure> {
        let running = self.running()?;
        self.read_row(&running, &get, &mut self.attempts(call)).await
    }

    async fn scan(&self, call: Call, scan: Scan) -> Result<Page, Failure> {
        let running = self.running()?;
        let mut attempts = self.attempts(call);
        loop {
            let stale = scan.consistency == Consistency::Stale;
            let collection = if stale {
                Self::meta_view(&running)?.active(&scan.collection)
            } else {
                self.collection(&running, &scan.collection, false, &mut attempts).await?
            };
            let Some(collection) = collection else { return Ok(Page::default()) };
            if !stale {
                let rounds = data_groups(&running).map(|group| {
                    let mut attempts = attempts.clone();
                    async move { self.linearize(group, &mut attempts).await }
                });
                futures::future::try_join_all(rounds).await?;
            }
            match scan::page(&self.node, &running, collection, &scan, attempts.left()).await? {
                Some(page) => return Ok(page),
                None => attempts.pause(meta_group(&running)?).await?,
            }
        }
    }

    async fn create_collection(&self, call: Call, name: String) -> Result<Ran, Failure> {
        let running = self.running()?;
        self.node.admit()?;
        let operation = MetaOperation::CreateCollection { name };
        let (outcome, replay) = self.meta_write(&running, call, operation).await?;
        match outcome.verdict {
            Verdict::TooLarge => Err(too_many_collections()),
            _ => Ok(Ran { replay }),
        }
    }

    async fn drop_collection(&self, call: Call, name: String) -> Result<Ran, Failure> {
        let running = self.running()?;
        let started = Instant::now();
        let operation = MetaOperation::BeginDrop { name };
        let (outcome, replay) = self.meta_write(&running, call, operation).await?;
        if outcome.verdict == Verdict::NotFound {
            return Ok(Ran { replay });
        }
        // From here on the drop goes on whatever happens to this request.
        let dropping = collection_of(&outcome);
        let unknown = || Refusal::Unknown { group: GroupId::META, waited: started.elapsed() };
        let left = call.timeout.saturating_sub(started.elapsed());
        let mut attempts = self.attempts(Call { request_id: None, timeout: left });
        // This node may not have seen the drop begin yet.
        let meta = meta_group(&running)?;
        self.linearize(meta, &mut attempts).await.map_err(|_| unknown())?;
        let mut views = meta.store.meta().ok_or_else(unknown)?;
        let gone = views.wait_for(|view| !view.is_collection_dropping(dropping));
        match tokio::time::timeout(attempts.left(), gone).await {
            Ok(Ok(_)) => Ok(Ran { replay }),
            Ok(Err(_)) | Err(_) => Err(unknown().into()),
        }
    }

    async fn list_collections(&self, call: Call) -> Result<Vec<String>, Failure> {
        let running = self.running()?;
        let view = self.fresh_meta_view(&running, &mut self.attempts(call)).await?;
        Ok(view.collection_names())
    }

    fn ask_snapshots(&self) -> Result<Noted, Failure> {
        Ok(self.node.ask_snapshots()?)
    }

    fn status(&self) -> Status {
        self.node.status()
    }

    fn readiness(&self) -> Vec<api::service::Check> {
        self.node.readiness()
    }

    fn figures(&self) -> Figures {
        self.node.figures()
    }
}

fn meta_group(running: &Running) -> Result<&Arc<Group>, Refusal> {
    let meta = running.groups.get(&GroupId::META);
    meta.ok_or(Refusal::NoLeader { group: GroupId::META })
}

fn data_groups(running: &Running) -> impl Iterator<Item = &Arc<Group>> {
    running.groups.values().filter(|group| group.gid != GroupId::META)
}

/// The meta group answers with the collection's id where others have a version.
fn collection_of(outcome: &Outcome) -> CollectionId {
    CollectionId(u32::try_from(outcome.version).expect("the meta machine puts an id here"))
}

fn too_many_collections() -> Failure {
    Failure::TooManyCollections { limit: api::limits::COLLECTIONS_MAX }
}

/// Reading the state failed: the process is about to stop.
impl Node {
    fn broken(&self, fault: &Fault) -> Failure {
        self.fault(fault);
        Refusal::Stopping.into()
    }
}
