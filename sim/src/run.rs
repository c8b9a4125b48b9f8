//! Run: one cluster, one seed, from founding to the last read.
//!
//! First things break while clients write. Then everything is healed, and the
//! cluster has a bounded time to serve again and to make its replicas equal. Then
//! every row is read, through the cluster and from every replica.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oracle::{Exit, Fault as FaultLine, Header, History, Line, Plan as Goal};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use turmoil::Sim;

use crate::client::{Client, Stage};
use crate::faults::{Fault, Planned};
use crate::net::Up;
use crate::node::SimNode;
use crate::plan::{NODES, Plan, TICK};
use crate::watch::Watch;

/// How long a healed cluster may take until it serves and its replicas are equal.
const HEALING: Duration = Duration::from_secs(30);
/// Writes that the healed cluster must acknowledge.
const HEALED_WRITES: usize = 20;
/// How long the last reads may take.
const READING: Duration = Duration::from_secs(120);
/// How long a node that stopped by itself stays down.
const DOWN: Duration = Duration::from_millis(500);

/// What came of a run.
pub struct Ran {
    /// What happened.
    pub history: History,
    /// What did not hold, tick by tick and at the end.
    pub violations: Vec<String>,
    /// Simulated time in all.
    pub simulated: Duration,
}

struct Stand<'a> {
    plan: &'a Plan,
    sim: Sim<'a>,
    nodes: Vec<Arc<SimNode>>,
    stage: Arc<Stage>,
    watch: Watch,
    /// When a node comes back.
    down: Vec<Option<Duration>>,
    /// Nodes whose disk is about to break.
    armed: Vec<bool>,
    /// The one fault of the links that is at work.
    link_fault: bool,
    /// A host's software ended, and the simulation with it.
    ended: bool,
    violations: Vec<String>,
}

/// Runs the plan in `data`, which is empty.
#[must_use]
pub fn run(plan: &Plan, data: &Path) -> Ran {
    disk::blocking::inline_on_this_thread();
    raft::runtime::seed_this_thread(plan.seed);
    let mut stand = Stand::new(plan, data);
    stand.break_things();
    stand.heal();
    stand.finish();
    stand.into_ran()
}

impl<'a> Stand<'a> {
    fn new(plan: &'a Plan, data: &Path) -> Self {
        let names: Vec<String> = (0..NODES).map(|n| format!("rdb_replica_{n}")).collect();
        let mut sim = turmoil::Builder::new()
            .rng_seed(plan.seed)
            .tick_duration(TICK)
            .simulation_duration(plan.run + HEALING * 4 + READING * 2)
            .min_message_latency(plan.latency.0)
            .max_message_latency(plan.latency.1)
            .tcp_capacity(1 << 16)
            .enable_random_order()
            .build();
        let mut dice = SmallRng::seed_from_u64(plan.seed ^ 0x5eed);
        let mut nodes = Vec::new();
        let up = Up::default();
        for (name, sync) in names.iter().zip(&plan.syncs) {
            let (data, settings) = (data.join(name), plan.settings.clone());
            let node =
                Arc::new(SimNode::new((name, &names), up.clone(), data, settings, dice.random()));
            node.disk.set_sync(*sync);
            let living = Arc::clone(&node);
            sim.host(name.as_str(), move || Arc::clone(&living).live());
            nodes.push(node);
        }
        let stage = Arc::new(Stage::new(names, up, plan.load.clone()));
        for n in 0..plan.clients {
            let client = Client::new(Arc::clone(&stage), dice.random());
            sim.client(format!("client-{n}"), client.run());
        }
        let (down, armed) = (vec![None; NODES], vec![false; NODES]);
        Self {
            plan,
            sim,
            nodes,
            stage,
            watch: Watch::default(),
            down,
            armed,
            link_fault: false,
            ended: false,
            violations: Vec::new(),
        }
    }

    /// One tick. Returns whether all clients are done.
    fn step(&mut self) -> bool {
        let done = match self.sim.step() {
            Ok(done) => done,
            Err(error) => {
                self.violations.push(format!("a host ended: {error}"));
                self.ended = true;
                true
            }
        };
        self.watch.look(&self.nodes);
        for n in 0..NODES {
            self.bury(n);
        }
        done
    }

    /// A node that wants to end its process is taken down, and comes back later.
    fn bury(&mut self, n: usize) {
        let (Some(node), Some(armed)) = (self.nodes.get(n), self.armed.get_mut(n)) else { return };
        if let Some(why) = node.take_fatal() {
            let exit = Exit {
                node: node.name.clone(),
                at_ns: nanos(self.sim.elapsed()),
                how: format!("{why:?}"),
                explained: std::mem::take(armed),
            };
            self.stage.note(Line::Exit(exit));
            let back = self.sim.elapsed() + DOWN;
            self.crash(n, back);
        }
        let back = self.down.get(n).copied().flatten();
        if back.is_some_and(|back| back <= self.sim.elapsed()) {
            self.start(n);
        }
    }

    fn crash(&mut self, n: usize, back: Duration) {
        let Some(node) = self.nodes.get(n) else { return };
        // What is let go of here is dropped with the host's tasks.
        node.dies();
        self.sim.crash(node.name.as_str());
        self.watch.forget(&node.name);
        if let Some(down) = self.down.get_mut(n) {
            *down = Some(back.max(down.unwrap_or_default()));
        }
    }

    fn start(&mut self, n: usize) {
        let Some(node) = self.nodes.get(n) else { return };
        self.sim.bounce(node.name.as_str());
        if let Some(down) = self.down.get_mut(n) {
            *down = None;
        }
    }

    fn break_things(&mut self) {
        let mut at_work: Vec<Planned> = Vec::new();
        let faults = self.plan.faults.clone();
        let mut waiting = faults.into_iter().peekable();
        while self.sim.elapsed() < self.plan.run {
            let now = self.sim.elapsed();
            at_work.retain(|planned| {
                let over = planned.end <= now;
                if over {
                    self.end(&planned.fault);
                }
                !over
            });
            while let Some(planned) = waiting.next_if(|planned| planned.begin <= now) {
                let installed = self.begin(&planned);
                self.note(&planned, installed);
                if installed {
                    at_work.push(planned);
                }
            }
            if self.step() {
                return;
            }
        }
        for planned in at_work {
            self.end(&planned.fault);
        }
    }

    fn note(&self, planned: &Planned, installed: bool) {
        self.stage.note(Line::Fault(FaultLine {
            kind: planned.fault.kind().to_owned(),
            target: format!("{:?}", planned.fault),
            begin_ns: nanos(planned.begin),
            end_ns: Some(nanos(planned.end)),
            installed,
        }));
    }

    /// Returns whether the fault is at work now.
    fn begin(&mut self, planned: &Planned) -> bool {
        match &planned.fault {
            Fault::Kill(nodes) | Fault::PowerLoss(nodes) => {
                let power = matches!(planned.fault, Fault::PowerLoss(_));
                for n in nodes {
                    if power && let Some(node) = self.nodes.get(*n) {
                        node.disk.power_off();
                    }
                    self.crash(*n, planned.end);
                }
            }
            Fault::Partition(..) | Fault::OneWay(..) | Fault::Hold(..) if self.link_fault => {
                return false;
            }
            Fault::Partition(one, other) => {
                self.link_fault = true;
                self.links(one, other, |sim, a, b| sim.partition(a, b));
            }
            Fault::OneWay(from, to) => {
                self.link_fault = true;
                self.links(&[*from], to, |sim, a, b| sim.partition_oneway(a, b));
            }
            Fault::Hold(one, other) => {
                self.link_fault = true;
                self.links(&[*one], &[*other], |sim, a, b| sim.hold(a, b));
            }
            Fault::Loss(rate) => self.sim.set_fail_rate(*rate),
            Fault::Delay(most) => self.sim.set_max_message_latency(*most),
            Fault::SlowDisk(n, sync) => self.with(*n, |node| node.disk.set_sync(*sync)),
            Fault::BrokenDisk(n, batch, failure) => {
                if self.down.get(*n).is_some_and(Option::is_some) {
                    return false;
                }
                self.with(*n, |node| node.disk.break_at(*batch, *failure));
                if let Some(armed) = self.armed.get_mut(*n) {
                    *armed = true;
                }
                self.crash(*n, planned.begin + DOWN);
            }
            Fault::FullDisk(n) => {
                let room = self.plan.settings.disk_reserve_bytes / 2;
                self.with(*n, |node| node.disk.set_free_bytes(Some(room)));
            }
            Fault::Clock(n, skew) => {
                let skew = skew.cast_unsigned();
                self.with(*n, |node| node.skew_ms.store(skew, Ordering::Relaxed));
            }
        }
        true
    }

    fn end(&mut self, fault: &Fault) {
        match fault {
            // Whoever is down comes back at its time.
            Fault::Kill(_) | Fault::PowerLoss(_) | Fault::BrokenDisk(..) => {}
            Fault::Partition(one, other) => {
                self.links(one, other, |sim, a, b| sim.repair(a, b));
                self.link_fault = false;
            }
            Fault::OneWay(from, to) => {
                self.links(&[*from], to, |sim, a, b| sim.repair_oneway(a, b));
                self.link_fault = false;
            }
            Fault::Hold(one, other) => {
                self.links(&[*one], &[*other], |sim, a, b| sim.release(a, b));
                self.link_fault = false;
            }
            Fault::Loss(_) => self.sim.set_fail_rate(0.0),
            Fault::Delay(_) => self.sim.set_max_message_latency(self.plan.latency.1),
            Fault::SlowDisk(n, _) => {
                let sync = self.plan.syncs.get(*n).copied().unwrap_or_default();
                self.with(*n, |node| node.disk.set_sync(sync));
            }
            Fault::FullDisk(n) => self.with(*n, |node| node.disk.set_free_bytes(None)),
            Fault::Clock(n, _) => self.with(*n, |node| node.skew_ms.store(0, Ordering::Relaxed)),
        }
    }

    /// Nothing breaks any more: the cluster must serve and its replicas become equal.
    fn heal(&mut self) {
        for n in 0..NODES {
            if self.armed.get_mut(n).is_some_and(std::mem::take) {
                self.crash(n, Duration::ZERO);
            }
            if self.down.get(n).is_some_and(Option::is_some) {
                self.start(n);
            }
        }
        self.wait(HEALING, "every group has one leader for everyone", |stand| {
            stand.are_equal().is_some()
        });
        let before = self.stage.acknowledged();
        self.wait(HEALING, "the healed cluster acknowledges writes", |stand| {
            stand.stage.acknowledged() > before + HEALED_WRITES
        });
        self.stage.end_run();
        self.wait_clients(HEALING, "the clients end");
        self.wait(HEALING, "the replicas become equal", |stand| stand.are_equal() == Some(true));
    }

    /// Reads everything back.
    fn finish(&mut self) {
        let reader = Client::new(Arc::clone(&self.stage), self.plan.seed);
        self.sim.client("reader", reader.read_all());
        self.wait_clients(READING, "every row is read");
        let reader = Client::new(Arc::clone(&self.stage), self.plan.seed);
        self.sim.client("replica-reader", reader.read_replicas());
        self.wait_clients(READING, "every replica is read");
    }

    /// Steps until `reached`; too late is a violation.
    fn wait(&mut self, most: Duration, what: &str, reached: impl Fn(&Self) -> bool) {
        let deadline = self.sim.elapsed() + most;
        while !reached(self) && !self.is_over(deadline, what) {
            self.step();
        }
    }

    /// Steps until every client is done; too late is a violation.
    fn wait_clients(&mut self, most: Duration, what: &str) {
        let deadline = self.sim.elapsed() + most;
        while !self.step() && !self.is_over(deadline, what) {}
    }

    fn is_over(&mut self, deadline: Duration, what: &str) -> bool {
        let at = self.sim.elapsed();
        if at >= deadline && !self.ended {
            self.violations.push(format!("not in time, at {at:?}: {what}"));
        }
        at >= deadline || self.ended
    }

    /// Whether every group's replicas have applied the same, if every group has one
    /// leader on whom all agree.
    fn are_equal(&self) -> Option<bool> {
        let mut equal = true;
        let mut seen = std::collections::BTreeMap::new();
        for node in &self.nodes {
            let running = node.running()?.running().ok()?;
            for group in running.groups.values() {
                let leader = group.leadership.borrow().leader?;
                let last = group.applied.borrow().last;
                let (first_leader, first_last) = *seen.entry(group.gid).or_insert((leader, last));
                if first_leader != leader {
                    return None;
                }
                equal &= first_last == last;
            }
        }
        Some(equal)
    }

    /// Does something to every link from one of `from` to one of `to`.
    fn links(&self, from: &[usize], to: &[usize], change: impl Fn(&Sim<'a>, &str, &str)) {
        for one in from.iter().filter_map(|n| self.nodes.get(*n)) {
            for other in to.iter().filter_map(|n| self.nodes.get(*n)) {
                change(&self.sim, &one.name, &other.name);
            }
        }
    }

    fn with(&self, n: usize, change: impl FnOnce(&SimNode)) {
        if let Some(node) = self.nodes.get(n) {
            change(node);
        }
    }

    fn into_ran(mut self) -> Ran {
        let header = Header {
            format: oracle::history::FORMAT,
            seed: self.plan.seed,
            made_by: "sim".to_owned(),
            plan: Goal::default(),
        };
        let mut history = History::new(header);
        for line in self.stage.take_lines() {
            if let Err(wrong) = history.push(line.clone()) {
                self.violations.push(format!("{wrong}: {line:?}"));
            }
        }
        let mut violations = self.watch.violations().to_vec();
        violations.append(&mut self.violations);
        Ran { history, violations, simulated: self.sim.elapsed() }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
