//! Cluster: five processes, from their first start to their last.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Deserialize;
use tempfile::TempDir;

use api::status::Status;

use crate::binary;
use crate::client::{Client, Protocol};
use crate::deadline::{until, until_blocking};
use crate::node::{Described, Node};
use crate::process;
use crate::slot::Slot;

/// Past the nodes' own ports, within what the slot holds.
const SPARE_PORT_OFFSET: u16 = 7;
const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(30);
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// How a cluster is started.
#[derive(Clone, Debug)]
pub struct Options {
    groups: u32,
    settings: Vec<String>,
    alone: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { groups: 2, settings: Vec::new(), alone: false }
    }
}

impl Options {
    /// As many data groups.
    #[must_use]
    pub fn groups(mut self, groups: u32) -> Self {
        self.groups = groups;
        self
    }

    /// A setting of every node, by its name in the file: `storage.log_keep_entries`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// Snapshots after little log, and little log kept behind them.
    #[must_use]
    pub fn small_snapshots(self) -> Self {
        self.set("storage.snapshot_log_bytes", "128KiB").set("storage.log_keep_entries", "20")
    }

    /// Nothing else of ours runs meanwhile: for tests that measure.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

/// A cluster on this machine. Dropped, it leaves no process behind.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, in the order of dev.json.
    pub nodes: Vec<Node>,
    /// The cluster's id.
    pub cluster_id: String,
    /// The authority of its certificates.
    pub ca: PathBuf,
    /// A certificate for clients.
    pub client_cert: PathBuf,
    /// The key of the clients' certificate.
    pub client_key: PathBuf,
    /// How long `rdb dev` took to say that it is up.
    pub started_within: Duration,
    root: Option<TempDir>,
    dev: Option<Child>,
    options: Options,
    slot: Slot,
}

/// The file that `rdb dev` leaves for tools.
#[derive(Debug, Deserialize)]
struct DevFile {
    cluster_id: String,
    ca: PathBuf,
    client_cert: PathBuf,
    client_key: PathBuf,
    nodes: Vec<Described>,
}

impl Cluster {
    /// Starts a cluster of the default settings.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts a cluster and waits until every node takes requests.
    ///
    /// # Panics
    ///
    /// If that fails or takes too long.
    pub async fn start_with(options: Options) -> Self {
        let slot = Slot::take(options.alone).await;
        let root = tempfile::Builder::new().prefix("rdb-tests-").tempdir();
        let root = root.expect("make a temporary directory");
        let mut cluster = Self {
            nodes: Vec::new(),
            cluster_id: String::new(),
            ca: PathBuf::new(),
            client_cert: PathBuf::new(),
            client_key: PathBuf::new(),
            started_within: Duration::ZERO,
            root: Some(root),
            dev: None,
            options,
            slot,
        };
        cluster.resume(&[]).await;
        cluster
    }

    /// Runs `rdb dev` on the directory, again or for the first time, and waits
    /// until every node takes requests.
    ///
    /// # Panics
    ///
    /// If it runs already, fails or takes too long.
    pub async fn resume(&mut self, args: &[&str]) {
        self.spawn_dev(args);
        let start = Instant::now();
        let file = until("dev.json", START_MAX, async || self.dev_file()).await;
        self.started_within = start.elapsed();
        self.take_dev_file(file);
        self.wait_settled().await;
    }

    /// Runs `rdb dev` and waits for nothing.
    ///
    /// # Panics
    ///
    /// If it runs already or cannot be started.
    pub fn spawn_dev(&mut self, args: &[&str]) {
        assert!(self.dev.is_none(), "rdb dev runs already");
        // What an earlier run left must not be taken for this one's.
        let _absent = fs::remove_file(self.directory().join("dev.json"));
        let log = File::options().create(true).append(true).open(self.dev_log());
        let log = log.expect("open the log of rdb dev");
        let mut command = binary::command();
        command.arg("dev").arg("--data-dir").arg(self.directory());
        command.args(["--nodes", "5"]);
        command.args(["--https-port", &self.slot.https_port.to_string()]);
        command.args(["--peer-port", &self.slot.peer_port.to_string()]);
        command.args(["--groups", &self.options.groups.to_string()]);
        command.args(self.options.settings.iter().flat_map(|setting| ["--set", setting]));
        command.args(args).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a second handle on the log")).stderr(log);
        self.dev = Some(command.spawn().expect("start rdb dev"));
    }

    /// Sends a signal to `rdb dev`; gives its exit code.
    ///
    /// # Panics
    ///
    /// If it does not run or does not end in time.
    pub fn end_dev(&mut self, with: Signal) -> Option<i32> {
        let mut dev = self.dev.take().expect("rdb dev runs");
        process::signal(dev.id(), with);
        let status = until_blocking("the end of rdb dev", STOP_MAX, || {
            dev.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned())
        });
        status.code()
    }

    /// How `rdb dev` ended by itself, within `limit`.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn dev_ended(&mut self, limit: Duration) -> Option<i32> {
        let mut dev = self.dev.take().expect("rdb dev was started");
        let status = until_blocking("the end of rdb dev", limit, || {
            dev.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned())
        });
        status.code()
    }

    /// What `rdb dev` has printed.
    #[must_use]
    pub fn dev_output(&self) -> String {
        fs::read_to_string(self.dev_log()).unwrap_or_default()
    }

    /// The process id of `rdb dev`.
    #[must_use]
    pub fn dev_pid(&self) -> Option<u32> {
        self.dev.as_ref().map(Child::id)
    }

    /// Where the cluster keeps everything.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.root().join("cluster")
    }

    /// A directory for the test's own files; it goes with the cluster.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.as_ref().expect("held until the drop").path()
    }

    /// A node.
    ///
    /// # Panics
    ///
    /// If there is none of that number.
    #[must_use]
    pub fn node(&self, index: usize) -> &Node {
        self.nodes.get(index).expect("a node of five")
    }

    /// A client of each node, in their order.
    #[must_use]
    pub fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(|node| node.client.clone()).collect()
    }

    /// Two addresses on which no node of the cluster listens.
    #[must_use]
    pub fn spare_addresses(&self) -> [String; 2] {
        let spare = |port| format!("127.0.0.1:{}", port + SPARE_PORT_OFFSET);
        [spare(self.slot.https_port), spare(self.slot.peer_port)]
    }

    /// A client of a node that shares no connection with another one.
    #[must_use]
    pub fn another_client(&self, index: usize) -> Client {
        Client::new(self.node(index).client.base(), &self.ca, Protocol::Http2)
    }

    /// The groups' ids, the meta group's first.
    #[must_use]
    pub fn groups(&self) -> Vec<u32> {
        (0..=self.options.groups).collect()
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.runs())
    }

    /// The node that leads a group, as most running nodes say.
    ///
    /// # Panics
    ///
    /// If they do not come to agree.
    pub async fn leader(&self, gid: u32) -> &Node {
        until(&format!("agreement on the leader of group {gid}"), SETTLE_MAX, async || {
            let statuses = self.statuses().await;
            let named = |node: &Node| {
                statuses.iter().filter(|status| status.leader(gid) == Some(&*node.name)).count()
            };
            let leader = self.running().find(|node| named(node) > statuses.len() / 2);
            leader.ok_or_else(|| format!("{statuses:?}"))
        })
        .await
    }

    /// What each running node says of the cluster.
    pub async fn statuses(&self) -> Vec<Status> {
        let asked = self.running().map(Node::status);
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }

    /// Waits until every running node takes requests and names a running leader of each group.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub async fn wait_settled(&self) {
        for node in self.running() {
            node.wait_ready(SETTLE_MAX).await;
        }
        until("a leader of every group, known everywhere", SETTLE_MAX, async || {
            let statuses = self.statuses().await;
            let names: Vec<_> = self.running().map(|node| &*node.name).collect();
            let leads = |status: &Status, gid| {
                status.leader(gid).is_some_and(|leader| names.contains(&leader))
            };
            let settled = statuses.len() == names.len()
                && statuses.iter().all(|s| self.groups().iter().all(|&gid| leads(s, gid)));
            settled.then_some(()).ok_or_else(|| format!("{statuses:?}"))
        })
        .await;
    }

    /// Waits until every running node has applied what any of them has committed by now.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`.
    pub async fn wait_caught_up(&self, limit: Duration) {
        let now = self.statuses().await;
        let committed = |gid| now.iter().filter_map(|s| Some(s.group(gid)?.committed)).max();
        let goals: Vec<_> =
            self.groups().into_iter().map(|gid| (gid, committed(gid).unwrap_or(0))).collect();
        until("everybody catching up", limit, async || {
            let statuses = self.statuses().await;
            let reached = |status: &Status, (gid, goal): (u32, u64)| {
                status.group(gid).is_some_and(|group| group.applied >= goal)
            };
            let all = statuses.len() == self.running().count()
                && statuses.iter().all(|status| goals.iter().all(|goal| reached(status, *goal)));
            all.then_some(()).ok_or_else(|| format!("goals {goals:?}: {statuses:?}"))
        })
        .await;
    }

    /// Ends every node without warning, and `rdb dev` with them.
    pub fn kill_all(&mut self) {
        self.end_processes();
    }

    fn dev_log(&self) -> PathBuf {
        self.root().join("dev.log")
    }

    /// Reads the file once it is there. Fails at once if `rdb dev` has ended.
    fn dev_file(&self) -> Result<DevFile, String> {
        let dev = self.dev_pid().expect("rdb dev was started");
        assert!(process::runs(dev), "rdb dev ended:\n{}", self.dev_output());
        let path = self.directory().join("dev.json");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = serde_json::from_slice(&text);
        Ok(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn take_dev_file(&mut self, file: DevFile) {
        let directory = self.directory();
        let node = |(index, described): (usize, &Described)| {
            let log = directory.join(format!("node-{index}.log"));
            Node::new(index, described, &file.ca, log)
        };
        self.nodes = file.nodes.iter().enumerate().map(node).collect();
        self.cluster_id = file.cluster_id;
        self.ca = file.ca;
        self.client_cert = file.client_cert;
        self.client_key = file.client_key;
    }

    /// Ends `rdb dev` first, so that it starts nothing more, then what it and we started.
    fn end_processes(&mut self) {
        if let Some(mut dev) = self.dev.take() {
            let _gone = dev.kill();
            let _ended = dev.wait();
        }
        let directory = self.directory();
        let start = Instant::now();
        let mut left = BTreeSet::new();
        loop {
            // A process that is ending no longer shows its command line.
            left.extend(process::all_of(&directory));
            left.retain(|&pid| process::runs(pid));
            left.iter().for_each(|&pid| process::signal(pid, Signal::SIGKILL));
            for node in &self.nodes {
                let _reaped = node.ended();
            }
            if left.is_empty() || start.elapsed() > STOP_MAX {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end_processes();
        let Some(root) = self.root.take() else { return };
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("{test}: logs and data are kept in {}", root.keep().display());
        }
    }
}
