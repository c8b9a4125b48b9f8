//! Node: one process of a cluster, from an empty directory to serving.
//!
//! A node opens its door to the other nodes first, finds or founds its
//! cluster, opens its groups, and looks after them until it is told to stop.
//! What it is doing, and why it is not ready, can be asked at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use api::figures::Figures;
use api::service::Check;
use api::snapshot::Noted;
use api::{GroupId, Refusal};
use disk::fault::OrFault;
use disk::lock::LockError;
use disk::{DirectoryLock, Fault};

use crate::asked::Asked;
use crate::clock::{Clock, ClusterClock, Entropy};
use crate::door;
use crate::figures;
use crate::founding::{self, Greeting, Registry};
use crate::group::Group;
use crate::handover;
use crate::housekeeping::Housekeeper;
use crate::identity::{Adopted, Identity, IdentityError};
use crate::opening::{self, OpenError, Opened};
use crate::peers::{Roster, Seeds};
use crate::request::router::Router;
use crate::sizes::{self, Sizes};
use crate::space::Space;
use crate::status;
use crate::steward::Steward;
use crate::storage::{Storage, StorageOptions};
use crate::switchboard::{Running, Switchboard};
use crate::transport::Transport;

/// How often free space is measured.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// Scans at once on one node. Beyond: busy.
const SCANS_MAX: usize = 16;

/// What a node is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, as in its certificate.
    pub name: String,
    /// Where its data lies.
    pub data: PathBuf,
    /// Every expected node's name and peer address, this one included.
    pub seeds: BTreeMap<String, String>,
    /// Data groups, if this node founds the cluster.
    pub groups: u32,
    /// Timers of elections and heartbeats.
    pub timers: Timers,
    /// Sizes and thresholds of log, state and snapshots.
    pub storage: StorageOptions,
}

/// Timers of elections and heartbeats.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// A leader is heard at least this often.
    pub heartbeat: Duration,
    /// The shortest silence before a follower stands.
    pub election_min: Duration,
    /// The longest.
    pub election_max: Duration,
}

/// The outside world of a node: what a simulation replaces.
pub struct World {
    /// Connections to the other nodes.
    pub transport: Arc<dyn Transport>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// The disk.
    pub disk: Arc<dyn Storage>,
    /// Called with what breaks the node. It ends the process and does not return.
    pub on_fatal: Arc<dyn Fn(Fatal) + Send + Sync>,
}

/// Why a running node must stop.
#[derive(Debug)]
pub enum Fatal {
    /// Storage or an invariant is broken.
    Fault(String),
    /// The disk is full.
    DiskFull {
        /// What is left of it.
        free_bytes: u64,
    },
    /// The data does not belong to what this node is.
    Refused(String),
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory is not ours.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The disk does not work.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A data directory that is ours and that nobody else uses. Taken before
/// anything else, so that a second process is told about the first one and not
/// about a port that is in use.
pub struct Claim {
    options: Options,
    identity: Identity,
    lock: DirectoryLock,
}

impl Claim {
    /// Locks the data directory and reads who it is, or gives it an identity.
    pub fn take(options: Options, entropy: &dyn Entropy) -> Result<Self, StartError> {
        std::fs::create_dir_all(&options.data).or_fault("make data directory", &options.data)?;
        let lock = DirectoryLock::take(&options.data)?;
        let identity = Identity::load_or_create(&options.data, &options.name, || {
            api::Incarnation(entropy.id())
        })?;
        Ok(Self { options, identity, lock })
    }
}

/// One node.
pub struct Node {
    options: Options,
    world: World,
    registry: Arc<Registry>,
    seeds: Arc<Seeds>,
    clock: Arc<ClusterClock>,
    space: Arc<Space>,
    sizes: Arc<Sizes>,
    asked: Arc<Asked>,
    switchboard: Arc<Switchboard>,
    reason: watch::Sender<String>,
    /// Groups that have not caught up since the start.
    behind: Mutex<BTreeSet<GroupId>>,
    draining: AtomicBool,
    /// Scans at once: each holds a thread and a page of rows.
    pub(crate) scans: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
    opened: Mutex<Option<Opened>>,
    _lock: DirectoryLock,
}

impl Node {
    /// Puts a node on its claimed directory. Starts nothing yet.
    pub fn open(claim: Claim, world: World) -> Result<Arc<Self>, StartError> {
        let Claim { options, identity, lock } = claim;
        let storage = options.storage;
        let data = options.data.clone();
        let limits = (storage.disk_reserve_bytes, storage.disk_floor_bytes);
        let space = Space::measure(Arc::clone(&world.disk), data.clone(), limits)?;
        let seeds = Seeds::new(&world.transport, &options.name, options.seeds.clone());
        let on_fatal = Arc::clone(&world.on_fatal);
        let registry =
            Registry::new(data, identity, move |fault| on_fatal(Fatal::Fault(fault.to_string())));
        Ok(Arc::new(Self {
            clock: Arc::new(ClusterClock::new(Arc::clone(&world.clock))),
            options,
            world,
            registry,
            seeds: Arc::new(seeds),
            space: Arc::new(space),
            sizes: Arc::default(),
            asked: Arc::default(),
            switchboard: Arc::default(),
            reason: watch::Sender::new("starting".to_owned()),
            behind: Mutex::default(),
            draining: AtomicBool::new(false),
            scans: Arc::new(Semaphore::new(SCANS_MAX)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            opened: Mutex::default(),
            _lock: lock,
        }))
    }

    /// Starts the node's tasks. They run until [`Node::stop`].
    pub fn start(self: &Arc<Self>, router: Arc<Router>) {
        let greeting = Greeting {
            registry: Arc::clone(&self.registry),
            clock: Arc::clone(&self.clock),
            seeds: Arc::clone(&self.seeds),
            log: Arc::default(),
        };
        self.tasks.spawn(door::serve(
            Arc::clone(&self.world.transport),
            Arc::clone(&self.switchboard),
            greeting.clone(),
            self.stop.clone(),
        ));
        self.tasks.spawn(Arc::clone(self).watch_space());
        let node = Arc::clone(self);
        self.tasks.spawn(async move {
            let stop = node.stop.clone();
            tokio::select! {
                biased;
                () = node.live(greeting, router) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Finds the cluster, opens the groups and looks after them.
    async fn live(self: Arc<Self>, greeting: Greeting, router: Arc<Router>) {
        let entropy = Arc::clone(&self.world.entropy);
        founding::search(&greeting, &*entropy, self.options.groups, &self.reason).await;
        let adopted = self.registry.adopted().await;
        self.reason.send_replace("opening its data".to_owned());
        let running = match self.open_groups(&adopted).await {
            Ok(running) => running,
            Err(error) => {
                tracing::error!(%error, "cannot open this node's data");
                (self.world.on_fatal)(error.into());
                return;
            }
        };
        self.switchboard.connect(Arc::clone(&running));
        self.reason.send_replace("catching up with the cluster".to_owned());
        self.look_after(&running, &adopted, router);
        let foreign = founding::keep_in_touch(greeting, adopted).await;
        (self.world.on_fatal)(Fatal::Refused(foreign));
    }

    async fn open_groups(&self, adopted: &Adopted) -> Result<Arc<Running>, OpenError> {
        let members = adopted.members().map(|(id, member)| (id, member.clone())).collect();
        let (cluster, me) = (adopted.cluster_id, adopted.node_id);
        let transport = &self.world.transport;
        let roster = Arc::new(Roster::new(cluster, me, members, transport, &self.seeds));
        let on_fatal = Arc::clone(&self.world.on_fatal);
        let site = opening::Site {
            data: self.options.data.clone(),
            timers: self.options.timers,
            storage: self.options.storage,
            roster: Arc::clone(&roster),
            clock: Arc::clone(&self.clock),
            space: Arc::clone(&self.space),
            disk: Arc::clone(&self.world.disk),
            registry: Arc::clone(&self.registry),
            on_fault: Arc::new(move |fault: &Fault| on_fatal(Fatal::Fault(fault.to_string()))),
        };
        let opened = opening::open(site, adopted.clone()).await?;
        let groups = opened.groups.clone();
        *self.behind.lock() = groups.keys().copied().collect();
        *self.opened.lock() = Some(opened);
        Ok(Arc::new(Running { roster, groups }))
    }

    /// Starts what each group needs beside consensus.
    fn look_after(
        self: &Arc<Self>,
        running: &Arc<Running>,
        adopted: &Adopted,
        router: Arc<Router>,
    ) {
        for group in running.groups.values() {
            let members = running.roster.members.clone();
            let rank = members.keys().position(|id| *id == running.roster.me).unwrap_or(0);
            let (group_, stop) = (Arc::clone(group), self.stop.clone());
            if !adopted.founded {
                self.tasks.spawn(opening::initialize(group_, members, rank, stop));
            }
            let steward = Steward {
                group: Arc::clone(group),
                running: Arc::clone(running),
                router: Arc::clone(&router),
                clock: Arc::clone(&self.clock),
                adopted: adopted.clone(),
            };
            self.tasks.spawn(steward.run(self.stop.clone()));
            self.tasks.spawn(Arc::clone(self).catch_up(Arc::clone(group)));
        }
        self.tasks.spawn(Arc::clone(self).note_founded(Arc::clone(running)));
        if let Some(wal) = self.wal() {
            let (sizes, running) = (Arc::clone(&self.sizes), Arc::clone(running));
            self.tasks.spawn(sizes::follow(sizes, running, wal, self.stop.clone()));
        }
        let (data, trigger) = (self.options.data.clone(), self.options.storage.snapshot);
        let (running, asked) = (Arc::clone(running), Arc::clone(&self.asked));
        let housekeeper = Housekeeper::new(running, data, trigger, asked);
        self.tasks.spawn(housekeeper.run(self.stop.clone()));
    }

    /// Waits until the group has applied what was committed when it first asked.
    async fn catch_up(self: Arc<Self>, group: Arc<Group>) {
        const PATIENCE: Duration = Duration::from_secs(5);
        const PAUSE: Duration = Duration::from_millis(50);
        let caught_up = async {
            while let Err(_refused) = async {
                let index = group.reader.read_index(false, PATIENCE).await?;
                group.wait_applied(index, tokio::time::Instant::now() + PATIENCE).await
            }
            .await
            {
                tokio::time::sleep(PAUSE).await;
            }
        };
        // Before the founding is applied, nobody knows who owns a shard.
        let founded = async {
            if let Some(mut views) = group.store.meta() {
                let _closed = views.wait_for(|view| view.cluster().is_some()).await;
            }
        };
        tokio::select! {
            biased;
            () = async { caught_up.await; founded.await } => {}
            () = self.stop.cancelled() => return,
        }
        let mut behind = self.behind.lock();
        behind.remove(&group.gid);
        if behind.is_empty() {
            tracing::info!("ready: all groups have caught up");
            self.reason.send_replace(String::new());
        }
    }

    /// Notes durably that the cluster is founded, once it is.
    async fn note_founded(self: Arc<Self>, running: Arc<Running>) {
        let meta = running.groups.get(&GroupId::META);
        let Some(mut views) = meta.and_then(|meta| meta.store.meta()) else { return };
        let founded = views.wait_for(|view| view.cluster().is_some());
        tokio::select! {
            biased;
            founded = founded => if founded.is_err() { return },
            () = self.stop.cancelled() => return,
        }
        let registry = Arc::clone(&self.registry);
        let noted = disk::blocking::run(move || registry.note(|adopted| adopted.founded = true));
        if let Ok(Err(error)) = noted.await {
            tracing::error!(error, "cannot note that the cluster is founded");
        }
    }

    async fn watch_space(self: Arc<Self>) {
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(SPACE_EVERY) => {}
                () = self.stop.cancelled() => return,
            }
            // A disk that stands still must not hold up the node's other tasks.
            let space = Arc::clone(&self.space);
            let Ok(measured) = disk::blocking::run(move || space.refresh()).await else {
                return;
            };
            match measured {
                Ok(Ok(())) => {}
                Ok(Err(free_bytes)) => (self.world.on_fatal)(Fatal::DiskFull { free_bytes }),
                Err(fault) => self.fault(&fault),
            }
        }
    }

    /// The running groups, or why there are none to ask.
    pub fn running(&self) -> Result<Arc<Running>, Refusal> {
        if self.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let reason = || Refusal::NotReady { reason: self.reason.borrow().clone() };
        self.switchboard.running().ok_or_else(reason)
    }

    /// Refuses a write that takes room if the disk has none.
    pub fn admit(&self) -> Result<(), Refusal> {
        self.space.admit()
    }

    /// Storage is broken: ends the process.
    pub fn fault(&self, fault: &Fault) {
        (self.world.on_fatal)(Fatal::Fault(fault.to_string()));
    }

    /// The checks behind `/readyz`. Never "has a leader": one election would
    /// take every node out of the proxy.
    #[must_use]
    pub fn readiness(&self) -> Vec<Check> {
        let check = |name, failure| Check { name, failure };
        let has_cluster = self.switchboard.running().is_some();
        let reason = self.reason.borrow().clone();
        let behind = self.behind.lock();
        let groups = || behind.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let lagging = (has_cluster && !behind.is_empty())
            .then(|| format!("groups {} have not caught up since the start", groups()));
        let no_room = (!self.space.is_writable()).then(|| "disk nearly full".to_owned());
        let draining = self.draining.load(Ordering::Relaxed).then(|| "stopping".to_owned());
        vec![
            check("cluster", (!has_cluster).then_some(reason.clone())),
            check("caught-up", if has_cluster { lagging } else { Some(reason) }),
            check("storage-writable", no_room),
            check("not-draining", draining),
        ]
    }

    /// This machine's wall clock.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// Marks every group here for a snapshot of what is applied now.
    pub fn ask_snapshots(&self) -> Result<Noted, Refusal> {
        let running = self.running()?;
        if self.draining.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        let node = self.options.name.clone();
        Ok(Noted { node, groups: self.asked.mark_all(&running) })
    }

    /// What this node knows of the cluster.
    #[must_use]
    pub fn status(&self) -> api::status::Status {
        let reason = self.readiness().into_iter().find_map(|check| check.failure);
        let (name, space) = (&*self.options.name, self.space.figures());
        let own = status::Own { name, reason, sizes: &self.sizes, space };
        match self.switchboard.running() {
            Some(running) => status::of(own, &running),
            None => status::alone(own, &self.seeds),
        }
    }

    /// The log. Not used under the lock, which a stop takes from the runtime.
    fn wal(&self) -> Option<wal::Wal> {
        self.opened.lock().as_ref().map(|opened| opened.wal().clone())
    }

    /// What this node measures of itself. Blocks on the disk, briefly.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let running = self.switchboard.running();
        Figures {
            groups: running.as_deref().map(figures::of_groups).unwrap_or_default(),
            log: self.wal().map(|wal| wal.figures()),
            space: Some(self.space.figures()),
            peers: self.seeds.others().map(|p| (p.name.clone(), p.is_reachable())).collect(),
        }
    }

    /// Not ready from here on, so that a proxy sends nothing new; others lead
    /// what this node led. It still serves.
    pub async fn retire(&self) {
        self.draining.store(true, Ordering::Relaxed);
        if let Some(running) = self.switchboard.running() {
            handover::hand_over(&running).await;
        }
    }

    /// Retires, ends all tasks and closes the files.
    pub async fn stop(&self) {
        self.retire().await;
        self.stop.cancel();
        self.switchboard.disconnect();
        self.tasks.close();
        let opened = self.opened.lock().take();
        if let Some(opened) = opened {
            opened.close().await;
        }
        self.tasks.wait().await;
    }
}
