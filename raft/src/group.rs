//! Group: one Raft group's copy on this node, ready to write and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use api::meter::Counter;
use api::{Answer, Command, Content, GroupId, MetaCommand, NodeId, Payload, Refusal};
use state::{Applied, Store};

use crate::binding::Types;
use crate::clock::ClusterClock;
use crate::codec::Codec;
use crate::group_time::GroupTime;
use crate::handle::Handle;
use crate::peers::Roster;
use crate::request::forward;
use crate::request::reader::{Confirm, Reader};
use crate::request::writer::{Propose, Writer};
use crate::space::Space;
use crate::transport::BoxFuture;

/// Who leads a group, as this node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The current term.
    pub term: u64,
    /// Who leads in it.
    pub leader: Option<NodeId>,
}

/// A reader of one group's log.
pub type LogReader = wal::LogReader<Types, Codec>;

/// What a group is made of.
pub struct Parts {
    /// The group.
    pub gid: GroupId,
    /// Its consensus.
    pub handle: Handle,
    /// Its state.
    pub store: Store,
    /// Its log.
    pub log: LogReader,
}

/// One group's copy on this node.
pub struct Group {
    /// The group.
    pub gid: GroupId,
    /// Its consensus.
    pub handle: Handle,
    /// Its state.
    pub store: Store,
    /// Who leads it; changes are seen at once.
    pub leadership: watch::Receiver<Leadership>,
    /// How far its state is.
    pub applied: watch::Receiver<Applied>,
    /// Its write path.
    pub writer: Arc<Writer>,
    /// Its read gate.
    pub reader: Arc<Reader>,
    /// Its time, as this replica knows it.
    pub time: Arc<GroupTime>,
    /// Held while a snapshot from a peer arrives and is installed.
    pub arrival: Arc<Semaphore>,
    /// Leaders seen to take office.
    pub(crate) leader_changes: Arc<Counter>,
    /// Snapshots from a peer that broke off or were refused.
    pub(crate) arrivals_failed: Counter,
    /// The way to its leader.
    path: Arc<Path>,
    /// Its log, for figures.
    log: LogReader,
    /// What the log had taken in when the last snapshot was started.
    snapshot_at_bytes: AtomicU64,
}

impl Group {
    /// Joins the parts of a running group.
    #[must_use]
    pub fn new(
        parts: Parts,
        roster: Arc<Roster>,
        clock: Arc<ClusterClock>,
        space: Arc<Space>,
    ) -> Arc<Self> {
        let Parts { gid, handle, store, log } = parts;
        let leader_changes = Arc::<Counter>::default();
        let changes = Arc::clone(&leader_changes);
        let leadership = watch_leadership(gid, &handle, Arc::clone(&roster), changes);
        let applied = store.applied();
        let path = Arc::new(Path {
            gid,
            handle: handle.clone(),
            leadership: leadership.clone(),
            roster,
            clock,
            space,
            forwarded: Counter::default(),
        });
        let writer = Writer::new(gid, Arc::clone(&path) as Arc<dyn Propose>);
        let reader = Reader::new(gid, Arc::clone(&path) as Arc<dyn Confirm>);
        let time = Arc::<GroupTime>::default();
        tokio::spawn(Arc::clone(&time).follow(applied.clone()));
        let snapshot_at_bytes = AtomicU64::new(0);
        Arc::new(Self {
            gid,
            handle,
            store,
            leadership,
            applied,
            writer,
            reader,
            time,
            arrival: Arc::new(Semaphore::new(1)),
            leader_changes,
            arrivals_failed: Counter::default(),
            path,
            log,
            snapshot_at_bytes,
        })
    }

    /// Bytes of log since the last snapshot, or since the start of the process.
    #[must_use]
    pub fn log_bytes_behind_snapshot(&self) -> u64 {
        self.appended_bytes().saturating_sub(self.snapshot_at_bytes.load(Ordering::Relaxed))
    }

    /// Bytes that the log has taken in since the start of the process.
    #[must_use]
    pub fn appended_bytes(&self) -> u64 {
        self.log.appended_bytes()
    }

    /// There is a snapshot from when the log had taken in so many bytes.
    pub fn count_log_from(&self, appended_bytes: u64) {
        self.snapshot_at_bytes.store(appended_bytes, Ordering::Relaxed);
    }

    /// The last index in the newest snapshot on the disk.
    #[must_use]
    pub fn newest_snapshot(&self) -> Option<u64> {
        self.store.listed_snapshot()?.header().last_index()
    }

    /// Waits until this replica has applied `index`.
    pub async fn wait_applied(&self, index: u64, deadline: Instant) -> Result<(), Refusal> {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| applied.covers(index));
        match tokio::time::timeout_at(deadline, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Refusal::Stopping),
            Err(_) => Err(Refusal::NoLeader { group: self.gid }),
        }
    }

    /// The index of the last entry applied here; 0 before the first.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.applied.borrow().index().unwrap_or(0)
    }

    /// Commands of clients of this node that were sent on to the leader.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.path.forwarded.get()
    }

    /// Who leads now, as far as this node knows.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leadership.borrow().leader
    }
}

/// Follows openraft's figures until the group stops.
fn watch_leadership(
    group: GroupId,
    handle: &Handle,
    roster: Arc<Roster>,
    changes: Arc<Counter>,
) -> watch::Receiver<Leadership> {
    let mut figures = handle.0.server_metrics();
    let (sender, receiver) = watch::channel(Leadership::default());
    tokio::spawn(async move {
        // The same leader, lost from sight and seen again, did not change.
        let mut in_office = Leadership::default();
        loop {
            let now = {
                let figures = figures.borrow_and_update();
                Leadership { term: figures.vote.leader_id.term, leader: figures.current_leader }
            };
            let before = *sender.borrow();
            if now != before {
                sender.send_replace(now);
            }
            if now.leader.is_some() && now != in_office {
                in_office = now;
                changes.add();
            }
            match now.leader {
                _ if now == before => {}
                Some(leader) => {
                    let leader = roster.name(leader);
                    tracing::info!(%group, term = now.term, leader, "new leader");
                }
                None if before.leader.is_some() => {
                    tracing::info!(%group, term = now.term, "the leader is lost");
                }
                None => {}
            }
            if figures.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}

/// The way from this node to the group's leader.
struct Path {
    gid: GroupId,
    handle: Handle,
    leadership: watch::Receiver<Leadership>,
    roster: Arc<Roster>,
    clock: Arc<ClusterClock>,
    space: Arc<Space>,
    /// Commands sent on to the leader.
    forwarded: Counter,
}

/// Where a call goes.
enum Target {
    Here,
    There(NodeId),
}

impl Path {
    fn target(&self, may_forward: bool) -> Result<Target, Refusal> {
        let group = self.gid;
        match self.leadership.borrow().leader {
            Some(leader) if leader == self.roster.me => Ok(Target::Here),
            Some(leader) if may_forward => Ok(Target::There(leader)),
            leader @ Some(_) => Err(Refusal::NotLeader { group, leader }),
            None => Err(Refusal::NoLeader { group }),
        }
    }

    /// Refuses what this node's disk has no room for, wherever it came from.
    fn admit(&self, commands: &[Bytes]) -> Result<(), Refusal> {
        if self.takes_room(commands) { self.space.admit() } else { Ok(()) }
    }
}

impl Propose for Path {
    fn propose(
        &self,
        commands: Vec<Bytes>,
        may_forward: bool,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Vec<Answer>, Refusal>> {
        let group = self.gid;
        match self.target(may_forward) {
            Err(refusal) => Box::pin(async { Err(refusal) }),
            Ok(Target::Here) => {
                if let Err(refusal) = self.admit(&commands) {
                    return Box::pin(async { Err(refusal) });
                }
                let content = Content::Commands(commands);
                let payload = Payload::encode(self.clock.stamp_ms(), &content);
                let handle = self.handle.clone();
                Box::pin(async move { Ok(handle.propose(group, payload).await?.0) })
            }
            Ok(Target::There(leader)) => {
                self.forwarded.add_many(commands.len() as u64);
                Box::pin(forward::propose(
                    Arc::clone(&self.roster),
                    group,
                    leader,
                    self.leadership.clone(),
                    commands,
                    deadline,
                ))
            }
        }
    }

    fn leads(&self) -> bool {
        self.leadership.borrow().leader == Some(self.roster.me)
    }

    fn takes_room(&self, commands: &[Bytes]) -> bool {
        commands.iter().any(|command| match self.gid {
            GroupId::META => MetaCommand::takes_room(command),
            _ => Command::takes_room(command),
        })
    }
}

impl Confirm for Path {
    fn confirm(&self, may_forward: bool) -> BoxFuture<'static, Result<u64, Refusal>> {
        let group = self.gid;
        match self.target(may_forward) {
            Err(refusal) => Box::pin(async { Err(refusal) }),
            Ok(Target::Here) => {
                let handle = self.handle.clone();
                Box::pin(async move { handle.read_index(group).await })
            }
            Ok(Target::There(leader)) => Box::pin(forward::read_index(
                Arc::clone(&self.roster),
                group,
                leader,
                self.leadership.clone(),
            )),
        }
    }
}
