//! Node: what can be done to one process of a cluster?

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Deserialize;

use api::status::Status;

use crate::answer::Reply;
use crate::binary;
use crate::client::{Client, Protocol};
use crate::command;
use crate::deadline::{until, until_blocking};
use crate::process;

const KILL_MAX: Duration = Duration::from_secs(10);
const STOP_MAX: Duration = Duration::from_secs(20);

/// One node of a cluster, running or not.
#[derive(Debug)]
pub struct Node {
    /// Its place in dev.json.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its id in the cluster.
    pub node_id: u64,
    /// Where nodes reach it.
    pub peer: String,
    /// Its data directory.
    pub data: PathBuf,
    /// What starts it.
    pub command: Vec<String>,
    /// Asks it over HTTP/2.
    pub client: Client,
    /// Asks it over HTTP/1.1.
    pub client_http1: Client,
    log: PathBuf,
    // The process, if we started it and not `rdb dev`.
    child: Mutex<Option<Child>>,
}

/// What dev.json says of a node.
#[derive(Clone, Debug, Deserialize)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// Its id in the cluster.
    pub node_id: u64,
    /// The process that `rdb dev` started.
    pub pid: u32,
    /// Where clients reach it.
    pub https: String,
    /// Where nodes reach it.
    pub peer: String,
    /// Its data directory.
    pub data: PathBuf,
    /// What starts it.
    pub command: Vec<String>,
}

/// How a run that was expected to fail ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub output: String,
}

impl Node {
    /// The node that is described so, whoever starts it. Its output goes to `log`.
    ///
    /// # Panics
    ///
    /// If the certificate of its authority cannot be read.
    #[must_use]
    pub fn new(index: usize, described: &Described, ca: &Path, log: PathBuf) -> Self {
        Self {
            index,
            name: described.name.clone(),
            node_id: described.node_id,
            peer: described.peer.clone(),
            data: described.data.clone(),
            command: described.command.clone(),
            client: Client::new(&described.https, ca, Protocol::Http2),
            client_http1: Client::new(&described.https, ca, Protocol::Http1),
            log,
            child: Mutex::new(None),
        }
    }

    /// The running process that holds the data directory.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.data.join("lock")).ok()?.trim().parse().ok()?;
        (process::runs(pid) && process::is_of(pid, self.data.parent()?)).then_some(pid)
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.pid().is_some()
    }

    /// Ends it without warning.
    ///
    /// # Panics
    ///
    /// If it does not run, or outlives the signal.
    pub fn kill(&self) {
        let pid = self.running();
        process::signal(pid, Signal::SIGKILL);
        self.until_gone(pid, KILL_MAX);
    }

    /// Asks it to end; returns when it has, and how long that took.
    ///
    /// # Panics
    ///
    /// If it does not run, or does not end in time.
    pub fn terminate(&self) -> Duration {
        let (pid, start) = (self.running(), Instant::now());
        process::signal(pid, Signal::SIGTERM);
        self.until_gone(pid, STOP_MAX);
        start.elapsed()
    }

    /// Stops its clock: it does nothing until [`resume`](Self::resume).
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn pause(&self) {
        let pid = self.running();
        process::signal(pid, Signal::SIGSTOP);
        until_blocking("pause", KILL_MAX, || {
            process::is_paused(pid).then_some(()).ok_or_else(|| "it runs".to_owned())
        });
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// If it is gone.
    pub fn resume(&self) {
        process::signal(self.running(), Signal::SIGCONT);
    }

    /// Starts it as dev.json says, and does not wait for it.
    ///
    /// # Panics
    ///
    /// If it runs, or cannot be started.
    pub fn start(&self) {
        self.start_through(&[]);
    }

    /// The same, by a command in front that becomes the node's own process, such as `env`.
    ///
    /// # Panics
    ///
    /// If it runs, or cannot be started.
    pub fn start_through(&self, front: &[String]) {
        assert!(!self.runs(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.unwrap_or_else(|error| panic!("open {}: {error}", self.log.display()));
        let errors = log.try_clone().expect("a second handle on the log");
        let command = [front, self.command.as_slice()].concat();
        let started = as_command(&command).stdout(log).stderr(errors).spawn();
        let child = started.unwrap_or_else(|error| panic!("start {}: {error}", self.name));
        let before = self.slot().replace(child);
        assert!(before.is_none(), "{} was never waited for", self.name);
    }

    /// Runs it, with more arguments, and expects that it ends by itself within `limit`.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn run_to_end(&self, args: &[&str], limit: Duration) -> Ended {
        let command = as_command(&self.command)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = command.unwrap_or_else(|error| panic!("start {}: {error}", self.name));
        let pid = child.id();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output());
        let Ok(ended) = tokio::time::timeout(limit, output).await else {
            process::signal(pid, Signal::SIGKILL);
            panic!("{} still runs after {limit:?}", self.name);
        };
        let ended = ended.expect("waiting does not panic").expect("a child can be waited for");
        let text = [ended.stdout, ended.stderr].concat();
        let output = String::from_utf8_lossy(&text).into_owned();
        Ended { code: ended.status.code(), output }
    }

    /// The process we started, from the moment it exists until its end was seen.
    #[must_use]
    pub fn started(&self) -> Option<u32> {
        self.slot().as_ref().map(Child::id)
    }

    /// How the process we started ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        let mut slot = self.slot();
        let status = slot.as_mut()?.try_wait().ok().flatten();
        if status.is_some() {
            *slot = None;
        }
        status
    }

    /// Starts it and waits until it takes requests; gives how long that took.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`.
    pub async fn start_ready(&self, limit: Duration) -> Duration {
        let start = Instant::now();
        self.start();
        self.wait_ready(limit).await;
        start.elapsed()
    }

    /// Waits until it takes requests.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`.
    pub async fn wait_ready(&self, limit: Duration) {
        until(&format!("readiness of {}", self.name), limit, async || {
            if let Some(status) = self.ended() {
                return Err(format!("it ended: {status}; see {}", self.log.display()));
            }
            let answer = self.client.page("/readyz?verbose").await.map_err(|none| none.why)?;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await;
    }

    /// Removes everything it has stored. It must not run.
    ///
    /// # Panics
    ///
    /// If it runs or the files cannot be removed.
    pub fn wipe(&self) {
        assert!(!self.runs(), "{} runs", self.name);
        fs::remove_dir_all(&self.data).expect("remove the data directory of a stopped node");
    }

    /// Sends it a command.
    pub async fn send(&self, command: &command::Command) -> Reply {
        self.client.send(command).await
    }

    /// What it knows of the cluster.
    pub async fn status(&self) -> Result<Status, String> {
        self.client.status().await
    }

    /// The environment of its log.
    #[must_use]
    pub fn replication(&self) -> PathBuf {
        self.data.join("replication")
    }

    /// The folder of one group's state.
    #[must_use]
    pub fn state(&self, gid: u32) -> PathBuf {
        self.data.join("state").join(gid.to_string())
    }

    /// The whole snapshots of one group.
    #[must_use]
    pub fn snapshots(&self, gid: u32) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.state(gid)) else { return Vec::new() };
        let is_snapshot = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.is_some_and(|name| name.starts_with("state_") && name.ends_with(".gz"))
        };
        entries.flatten().map(|entry| entry.path()).filter(is_snapshot).collect()
    }

    /// Bytes of memory it holds.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        process::resident_bytes(self.running()).unwrap_or_default()
    }

    /// What it has printed in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn running(&self) -> u32 {
        self.pid().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    fn until_gone(&self, pid: u32, limit: Duration) {
        until_blocking(&format!("the end of {}", self.name), limit, || {
            self.ended();
            if process::runs(pid) { Err(format!("process {pid} runs")) } else { Ok(()) }
        });
        // It is our child and a zombie, or somebody else's.
        if let Some(mut child) = self.slot().take() {
            let _ended = child.wait();
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_command(words: &[String]) -> Command {
    let (program, args) = words.split_first().expect("dev.json names a command");
    let mut command = binary::quiet(Command::new(program));
    command.args(args).stdin(Stdio::null());
    command
}
