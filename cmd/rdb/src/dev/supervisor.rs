//! Supervisor: starts the nodes, watches them, stops them.
//!
//! A node may be our child, or a process that was found holding the node's
//! data directory: left over from an earlier run, or started by hand. Both are
//! watched and, at the end, stopped. None is ever restarted.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use disk::fault::OrFault;
use nix::sys::signal::Signal as Posix;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::flags::FILE_VARIABLE;
use crate::config::setting;
use crate::dev::plan::{NodePlan, Plan};
use crate::dev::report::{self, NodeFacts};
use crate::dev::status::{self, Asker, Judgement};
use crate::dev::{DevError, port, process};
use crate::exit::Exit;
use crate::output;

const LOOK_EVERY: Duration = Duration::from_millis(100);
// How long a cluster that serves may lack a node before it counts as up anyway.
const PATIENCE_FOR_THE_REST: Duration = Duration::from_secs(15);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_TAIL_BYTES: u64 = 8 << 10;
const LOG_TAIL_LINES: usize = 8;

/// The nodes of a plan and their processes.
#[derive(Debug)]
pub struct Supervisor {
    plan: Plan,
    nodes: Vec<Node>,
    cluster_id: String,
}

#[derive(Debug)]
struct Node {
    process: Process,
    facts: NodeFacts,
}

#[derive(Debug)]
enum Process {
    /// We started it.
    Ours(Child),
    /// It holds the data directory; someone else started it.
    Found(u32),
    /// There is none.
    None,
}

/// What happened to a node since the last look.
#[derive(Debug)]
enum Change {
    /// Its process ended; with its status if it was our child.
    Ended { n: usize, pid: u32, status: Option<ExitStatus> },
    /// Someone started it.
    Appeared { n: usize, pid: u32 },
}

/// The signals that ask to stop.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Supervisor {
    /// Nothing runs yet, as far as this one knows.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let nodes =
            plan.nodes.iter().map(|_| Node { process: Process::None, facts: NodeFacts::default() });
        Self { nodes: nodes.collect(), plan, cluster_id: String::new() }
    }

    /// Starts whatever does not run, and supervises until a signal asks to stop.
    pub async fn run(mut self, timeout: Duration) -> Result<Exit, DevError> {
        let mut signals = Signals::listen()?;
        self.start().await?;
        let up = tokio::select! {
            up = self.wait_until_up(timeout) => up,
            () = signals.asked_to_stop() => {
                self.stop(&mut signals).await;
                return Ok(Exit::Success);
            }
        };
        if let Err(error) = up.and_then(|()| self.announce()) {
            self.stop(&mut signals).await;
            return Err(error);
        }
        self.watch(&mut signals).await;
        self.stop(&mut signals).await;
        disk::file::remove_if_present(&self.plan.report_file())?;
        Ok(Exit::Success)
    }

    async fn start(&mut self) -> Result<(), DevError> {
        for change in self.look() {
            if let Change::Appeared { n, pid } = change {
                self.say(n, format_args!("runs already, pid {pid}"));
            }
        }
        let idle: Vec<_> = self
            .plan
            .nodes
            .iter()
            .zip(&self.nodes)
            .filter(|(_, node)| matches!(node.process, Process::None))
            .map(|(plan, _)| plan.clone())
            .collect();
        let ports: Vec<_> =
            idle.iter().flat_map(|plan| [plan.https_port, plan.peer_port]).collect();
        port::wait_until_free(&ports).await.map_err(|taken| {
            DevError::Refused(format!("{taken}; choose others with --https-port and --peer-port"))
        })?;
        for n in 0..self.nodes.len() {
            let (Some(plan), Some(node)) = (self.plan.nodes.get(n), self.nodes.get_mut(n)) else {
                continue;
            };
            if matches!(node.process, Process::None) {
                let child = spawn(plan)?;
                let pid = child.id();
                node.facts.pid = pid;
                node.process = Process::Ours(child);
                self.say(n, format_args!("started, pid {pid}"));
            }
        }
        Ok(())
    }

    async fn wait_until_up(&mut self, timeout: Duration) -> Result<(), DevError> {
        let asker = Asker::new(&self.plan.ca())?;
        let start = Instant::now();
        let mut serving_since = None;
        let mut said = String::new();
        loop {
            self.report_changes();
            let answers = asker.ask(&self.plan).await;
            for (node, status) in self.nodes.iter_mut().zip(&answers) {
                if let Some(status) = status {
                    node.facts.node_id = status.node_id;
                    if !status.cluster_id.is_empty() {
                        self.cluster_id.clone_from(&status.cluster_id);
                    }
                }
            }
            let running: Vec<_> = self.nodes.iter().map(Node::runs).collect();
            let judgement = status::judge(self.plan.groups, &running, &answers);
            if judgement.whole {
                output::progress(format_args!("up after {:.1?}", start.elapsed()));
                return Ok(());
            }
            serving_since = judgement.serving.then(|| serving_since.unwrap_or_else(Instant::now));
            if serving_since.is_some_and(|since| since.elapsed() > PATIENCE_FOR_THE_REST) {
                output::warning(format_args!("the cluster serves, but {}", judgement.text));
                return Ok(());
            }
            self.give_up_if_hopeless(&judgement, &running, start.elapsed() > timeout)?;
            if judgement.text != said {
                output::progress(format_args!("waiting: {}", judgement.text));
                said = judgement.text;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn give_up_if_hopeless(
        &self,
        judgement: &Judgement,
        running: &[bool],
        late: bool,
    ) -> Result<(), DevError> {
        let alive = running.iter().filter(|runs| **runs).count();
        let all = running.len();
        let reason = if alive * 2 <= all {
            format!("only {alive} of {all} nodes still run, a majority is needed")
        } else if alive < all && judgement.unfounded {
            format!("only {alive} of {all} nodes still run, a new cluster needs all of them")
        } else if late {
            format!("the cluster is not up in time: {}", judgement.text)
        } else {
            return Ok(());
        };
        let root = self.plan.root.display();
        Err(DevError::Unavailable(format!(
            "{reason}\nhint: the nodes' logs are {root}/node-*.log; --timeout gives them more \
             time, --fresh starts over"
        )))
    }

    fn announce(&self) -> Result<(), DevError> {
        let facts = self.facts();
        output::data(report::table(&self.plan, &facts));
        output::data(format_args!("\nTry it:\n  {}", report::curl(&self.plan)));
        output::data("\nCtrl-C stops the cluster; its data stays.");
        report::write(&self.plan, &self.cluster_id, &facts)
    }

    async fn watch(&mut self, signals: &mut Signals) {
        loop {
            tokio::select! {
                () = signals.asked_to_stop() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if self.report_changes()
                && let Err(error) = report::write(&self.plan, &self.cluster_id, &self.facts())
            {
                output::warning(error);
            }
        }
    }

    /// Stops whatever runs, whoever started it and even if it was started just
    /// now. After ten seconds, or on a second signal, nodes are killed.
    async fn stop(&mut self, signals: &mut Signals) {
        output::progress("stopping the nodes");
        let start = Instant::now();
        let mut impatient = false;
        let (mut asked, mut killed) = (BTreeSet::new(), BTreeSet::new());
        let mut quiet_looks = 0;
        // Twice, so that a node in the middle of its start is seen too.
        while quiet_looks < 2 {
            self.note_ends();
            let running = self.running();
            quiet_looks = if running.is_empty() { quiet_looks + 1 } else { 0 };
            impatient |= start.elapsed() > STOP_TIMEOUT;
            for (name, pid) in running {
                if asked.insert(pid) {
                    process::send(pid, Posix::SIGTERM);
                }
                if impatient && killed.insert(pid) {
                    output::warning(format_args!("{name} (pid {pid}) did not stop: killed"));
                    process::send(pid, Posix::SIGKILL);
                }
            }
            if start.elapsed() > STOP_TIMEOUT + KILL_TIMEOUT {
                output::warning("gave up on nodes that cannot be killed");
                return;
            }
            tokio::select! {
                () = signals.asked_to_stop() => impatient = true,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Looks who ended and who appeared.
    fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (n, (plan, node)) in self.plan.nodes.iter().zip(&mut self.nodes).enumerate() {
            let ended = match &mut node.process {
                Process::Ours(child) => child.try_wait().ok().flatten().map(Some),
                Process::Found(pid) => {
                    if process::holder(&plan.data) == Some(*pid) {
                        None
                    } else {
                        Some(None)
                    }
                }
                Process::None => None,
            };
            if let Some(status) = ended {
                node.process = Process::None;
                changes.push(Change::Ended { n, pid: node.facts.pid, status });
            }
            if matches!(node.process, Process::None)
                && let Some(pid) = process::holder(&plan.data)
            {
                node.process = Process::Found(pid);
                node.facts.pid = pid;
                changes.push(Change::Appeared { n, pid });
            }
        }
        changes
    }

    /// Looks, says what changed, and whether anything did.
    fn report_changes(&mut self) -> bool {
        let changes = self.look();
        for change in &changes {
            match change {
                Change::Appeared { n, pid } => self.say(*n, format_args!("is back, pid {pid}")),
                Change::Ended { n, pid, status } => {
                    self.say(*n, format_args!("pid {pid} died: {}", describe(*status)));
                    if let Some(plan) = self.plan.nodes.get(*n) {
                        log_tail(&plan.log)
                            .iter()
                            .for_each(|line| output::progress(format_args!("  | {line}")));
                        let words: Vec<_> =
                            plan.command.iter().map(|word| report::quoted(word)).collect();
                        output::progress(format_args!("  start it again: {}", words.join(" ")));
                    }
                }
            }
        }
        !changes.is_empty()
    }

    /// Looks, and says only who did not end well.
    fn note_ends(&mut self) {
        for change in self.look() {
            if let Change::Ended { n, pid, status: Some(status) } = change
                && !status.success()
            {
                self.say(n, format_args!("pid {pid} ended: {}", describe(Some(status))));
            }
        }
    }

    fn running(&self) -> Vec<(String, u32)> {
        let nodes = self.plan.nodes.iter().zip(&self.nodes);
        let running = nodes.filter(|(_, node)| node.runs());
        running.map(|(plan, node)| (plan.name.clone(), node.facts.pid)).collect()
    }

    fn facts(&self) -> Vec<NodeFacts> {
        self.nodes.iter().map(|node| node.facts).collect()
    }

    fn say(&self, n: usize, what: fmt::Arguments<'_>) {
        if let Some(plan) = self.plan.nodes.get(n) {
            output::progress(format_args!("{}: {what}", plan.name));
        }
    }
}

impl Node {
    fn runs(&self) -> bool {
        !matches!(self.process, Process::None)
    }
}

impl Signals {
    fn listen() -> Result<Self, DevError> {
        let listen = |kind| {
            signal(kind).map_err(|error| DevError::System { operation: "handle signals", error })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Starts a node in its own process group, so that Ctrl-C reaches only us. Its
/// file decides, not our environment.
fn spawn(plan: &NodePlan) -> Result<Child, DevError> {
    let log = File::options()
        .append(true)
        .create(true)
        .open(&plan.log)
        .or_fault("open log file", &plan.log)?;
    let errors = log.try_clone().or_fault("open log file", &plan.log)?;
    let (program, args) = plan.command.split_first().expect("a command has a program");
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    command.env_remove(FILE_VARIABLE);
    for setting in setting::ALL {
        command.env_remove(setting.variable());
    }
    command.spawn().map_err(|error| DevError::System { operation: "start a node", error })
}

fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else { return "not our child, status unknown".to_owned() };
    let known = |exit: &&Exit| status.code() == Some(exit.code().into());
    match Exit::ALL.iter().find(known) {
        Some(exit) => format!("{status} ({})", exit.meaning()),
        None => status.to_string(),
    }
}

fn log_tail(path: &Path) -> Vec<String> {
    let tail = || {
        let mut file = File::open(path)?;
        let length = fs::metadata(path)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = tail().unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let skipped = lines.len().saturating_sub(LOG_TAIL_LINES);
    lines.into_iter().skip(skipped).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn an_end_is_described_by_its_meaning() {
        assert_eq!(
            describe(Some(ExitStatus::from_raw(22 << 8))),
            "exit status: 22 (refused: data directory in use, of another node or damaged)"
        );
        assert_eq!(describe(Some(ExitStatus::from_raw(9))), "signal: 9 (SIGKILL)");
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(log_tail(&log), Vec::<String>::new());
        let lines: Vec<_> = (0..5_000).map(|n| n.to_string()).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        let tail = log_tail(&log);
        assert_eq!(tail.len(), LOG_TAIL_LINES);
        assert_eq!(tail.last().map(String::as_str), Some("4999"));
    }
}
