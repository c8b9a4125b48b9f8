//! Stand: the nodes, the clients and the links of one run, tick by tick.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oracle::{Exit, Line};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use turmoil::Sim;

use crate::client::{Client, Stage};
use crate::net::Up;
use crate::node::SimNode;
use crate::plan::{NODES, Plan, TICK};
use crate::watch::Watch;

/// How long a node that stopped by itself stays down.
pub const DOWN: Duration = Duration::from_millis(500);

/// Longer than any run: whatever takes too long is found to by the run itself.
const SIMULATION_MAX: Duration = Duration::from_secs(86_400);

/// What a run is carried out on.
pub struct Stand<'a> {
    /// What is to happen.
    pub plan: &'a Plan,
    /// Where the nodes' data lies, another place in each process.
    data: String,
    /// The hosts and the links between them.
    pub sim: Sim<'a>,
    /// The nodes, up or down.
    pub nodes: Vec<Arc<SimNode>>,
    /// What the clients share.
    pub stage: Arc<Stage>,
    /// What did not hold.
    pub violations: Vec<String>,
    /// A host's software ended, and the simulation with it.
    pub ended: bool,
    /// What is chosen while things break.
    pub dice: SmallRng,
    watch: Watch,
    /// The nodes that are down, and when they come back.
    down: BTreeMap<usize, Duration>,
}

impl<'a> Stand<'a> {
    /// Nodes in `data`, which is empty, and clients; nothing has happened yet.
    #[must_use]
    pub fn new(plan: &'a Plan, data: &Path) -> Self {
        let names: Vec<String> = (0..NODES).map(|n| format!("rdb_replica_{n}")).collect();
        let mut sim = turmoil::Builder::new()
            .rng_seed(plan.seed)
            .tick_duration(TICK)
            .simulation_duration(SIMULATION_MAX)
            .min_message_latency(plan.latency.0)
            .max_message_latency(plan.latency.1)
            .tcp_capacity(1 << 16)
            .enable_random_order()
            .build();
        let mut dice = SmallRng::seed_from_u64(plan.seed ^ 0x5eed);
        let mut nodes = Vec::new();
        let up = Up::default();
        for (name, sync) in names.iter().zip(&plan.syncs) {
            let (its_data, settings) = (data.join(name), plan.settings.clone());
            let node = Arc::new(SimNode::new(
                (name, &names),
                up.clone(),
                its_data,
                settings,
                dice.random(),
            ));
            node.disk.set_sync(*sync);
            let living = Arc::clone(&node);
            sim.host(name.as_str(), move || Arc::clone(&living).live());
            nodes.push(node);
        }
        let stage = Arc::new(Stage::new(names, up, plan.load.clone()));
        for n in 0..plan.clients {
            let client = Client::new(Arc::clone(&stage), dice.random());
            sim.client(client_name(n), client.run());
        }
        Self {
            plan,
            data: data.display().to_string(),
            sim,
            nodes,
            stage,
            violations: Vec::new(),
            ended: false,
            dice,
            watch: Watch::default(),
            down: BTreeMap::new(),
        }
    }

    /// One tick. Returns whether all clients are done.
    pub fn step(&mut self) -> bool {
        if self.ended {
            return true;
        }
        let done = match self.sim.step() {
            Ok(done) => done,
            Err(error) => {
                self.violations.push(format!("a host ended: {error}"));
                self.ended = true;
                true
            }
        };
        self.watch.look(self.sim.elapsed(), &self.nodes, &self.stage.trace);
        for n in 0..NODES {
            self.bury(n);
            if self.down.get(&n).is_some_and(|back| *back <= self.sim.elapsed()) {
                self.start(n);
            }
        }
        done
    }

    /// A node that wants to end its process is taken down, and comes back later.
    fn bury(&mut self, n: usize) {
        let Some(node) = self.nodes.get(n) else { return };
        let Some(why) = node.take_fatal() else { return };
        let how = format!("{why:?}").replace(&self.data, "");
        let exit = Exit {
            node: node.name.clone(),
            at_ns: nanos(self.sim.elapsed()),
            explained: node.disk.broke(&how),
            how,
        };
        self.stage.note(Line::Exit(exit));
        let back = self.sim.elapsed() + DOWN;
        self.crash(n, back);
    }

    /// Takes the node down until `back`, or later if it stays down already.
    pub fn crash(&mut self, n: usize, back: Duration) {
        let Some(node) = self.nodes.get(n) else { return };
        self.stage.trace.add_event(self.sim.elapsed(), &node.name, "goes down");
        // What is let go of here is dropped with the host's tasks.
        node.dies();
        self.sim.crash(node.name.as_str());
        self.watch.forget(&node.name);
        let down = self.down.entry(n).or_insert(back);
        *down = back.max(*down);
    }

    /// Starts the node again.
    pub fn start(&mut self, n: usize) {
        let Some(node) = self.nodes.get(n) else { return };
        self.stage.trace.add_event(self.sim.elapsed(), &node.name, "comes up");
        self.sim.bounce(node.name.as_str());
        self.down.remove(&n);
    }

    /// Starts every node that is down.
    pub fn start_all(&mut self) {
        for n in self.down.keys().copied().collect::<Vec<_>>() {
            self.start(n);
        }
    }

    /// What the watch found, and the rest.
    pub fn take_violations(&mut self) -> Vec<String> {
        let mut violations = self.watch.violations().to_vec();
        violations.append(&mut self.violations);
        violations
    }

    /// Does something to every link from one of `from` to one of `to`.
    pub fn links(&self, from: &[usize], to: &[usize], change: impl Fn(&Sim<'a>, &str, &str)) {
        for one in from.iter().filter_map(|n| self.nodes.get(*n)) {
            for other in to.iter().filter_map(|n| self.nodes.get(*n)) {
                change(&self.sim, &one.name, &other.name);
            }
        }
    }

    /// Does something to every link between a node and a client.
    pub fn client_links(&self, n: usize, change: impl Fn(&Sim<'a>, &str, &str)) {
        let Some(node) = self.nodes.get(n) else { return };
        for client in 0..self.plan.clients {
            change(&self.sim, &node.name, &client_name(client));
        }
    }

    /// Does something to a node.
    pub fn with(&self, n: usize, change: impl FnOnce(&SimNode)) {
        if let Some(node) = self.nodes.get(n) {
            change(node);
        }
    }
}

fn client_name(n: usize) -> String {
    format!("client-{n}")
}

/// Whole nanoseconds.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
