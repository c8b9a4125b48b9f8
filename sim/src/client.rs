//! Client: who keeps the cluster busy, and what they saw.
//!
//! Each client has one request in flight. It asks any node, goes on with that one
//! for a while, and repeats a request whose outcome it does not know only if the
//! request has an id, through another node. A client whose request ended unknown
//! goes on under a new number, as somebody else would.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use oracle::{Line, Op, Operation, Outcome, Phase};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{sleep, timeout};
use turmoil::net::TcpStream;

use crate::door::{self, Action, Reply, Request};
use crate::net::Up;
use crate::node::CLIENT_PORT;
use crate::trace::Trace;

/// How long a client waits after the node should have answered.
const GRACE: Duration = Duration::from_millis(500);
/// How often a request with an id is sent at most.
const SENT_MAX: usize = 6;

/// What a run asks of its clients.
#[derive(Clone, Debug)]
pub struct Load {
    /// Rows that are written at one time.
    pub keys: u64,
    /// A row is left for a new one after this many requests.
    pub key_requests: u64,
    /// The longest a client waits between requests.
    pub pause: Duration,
    /// The longest a client gives a node.
    pub timeout: Duration,
}

/// What all clients of a run share.
pub struct Stage {
    /// The nodes' names.
    pub nodes: Vec<String>,
    up: Up,
    /// What is asked of the clients.
    pub load: Load,
    /// What happened, to the letter.
    pub trace: Trace,
    over: AtomicBool,
    next_id: AtomicU64,
    next_proc: AtomicU64,
    requests: AtomicU64,
    acknowledged: AtomicUsize,
    lines: Mutex<Vec<Line>>,
}

impl Stage {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(nodes: Vec<String>, up: Up, load: Load) -> Self {
        Self {
            nodes,
            up,
            load,
            trace: Trace::default(),
            over: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            next_proc: AtomicU64::new(1),
            requests: AtomicU64::new(0),
            acknowledged: AtomicUsize::new(0),
            lines: Mutex::default(),
        }
    }

    /// Takes down what happened.
    pub fn note(&self, line: Line) {
        if let Line::Op(operation) = &line
            && operation.acknowledged()
        {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.trace.add(serde_json::to_string(&line).expect("a line is plain data"));
        self.lines.lock().push(line);
    }

    /// What happened so far.
    pub fn take_lines(&self) -> Vec<Line> {
        std::mem::take(&mut self.lines.lock())
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// From now on, clients stop after the request they have in hand.
    pub fn end_run(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn runs(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// The row that the next request is about.
    fn next_key(&self, dice: &mut SmallRng) -> String {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed);
        let era = requests / (self.load.keys * self.load.key_requests);
        key(era, dice.random_range(0..self.load.keys))
    }

    /// Every row that was written to.
    #[must_use]
    pub fn all_keys(&self) -> Vec<String> {
        let requests = self.requests.load(Ordering::Relaxed);
        let eras = requests / (self.load.keys * self.load.key_requests) + 1;
        (0..eras).flat_map(|era| (0..self.load.keys).map(move |n| key(era, n))).collect()
    }
}

fn key(era: u64, n: u64) -> String {
    // Half of the rows are lists that are appended to, half are registers.
    let kind = if n.is_multiple_of(2) { "list" } else { "row" };
    format!("{kind}-{era}-{n}")
}

/// One client.
pub struct Client {
    stage: Arc<Stage>,
    dice: SmallRng,
    proc: u64,
    writes: u64,
    node: usize,
    connection: Option<TcpStream>,
}

impl Client {
    /// A client whose choices follow from `seed`.
    #[must_use]
    pub fn new(stage: Arc<Stage>, seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let node = dice.random_range(0..stage.nodes.len());
        let proc = stage.next_proc.fetch_add(1, Ordering::Relaxed);
        Self { stage, dice, proc, writes: 0, node, connection: None }
    }

    /// Asks until the run ends.
    pub async fn run(mut self) -> turmoil::Result {
        while self.stage.runs() {
            let pause = self.stage.load.pause;
            sleep(self.dice.random_range(Duration::ZERO..=pause)).await;
            if self.dice.random_range(0..8) == 0 {
                self.move_on();
            }
            let key = self.stage.next_key(&mut self.dice);
            let action = self.choose(&key);
            let outcome = self.ask(key, action, Phase::Run).await;
            if outcome == Outcome::Unknown {
                self.proc = self.stage.next_proc.fetch_add(1, Ordering::Relaxed);
                self.writes = 0;
            }
        }
        Ok(())
    }

    /// Reads every row, until it is answered.
    pub async fn read_all(mut self) -> turmoil::Result {
        for key in self.stage.all_keys() {
            self.insist(&key, Action::Get, Phase::Final).await;
        }
        Ok(())
    }

    /// Reads every replica's own copy of every row.
    pub async fn read_replicas(mut self) -> turmoil::Result {
        for node in 0..self.stage.nodes.len() {
            self.connect_to(node);
            for key in self.stage.all_keys() {
                self.insist(&key, Action::GetStale, Phase::Replica).await;
            }
        }
        Ok(())
    }

    async fn insist(&mut self, key: &str, action: Action, phase: Phase) {
        let node = self.node;
        while self.ask(key.to_owned(), action.clone(), phase).await != Outcome::Ok {
            sleep(Duration::from_millis(100)).await;
            self.connect_to(node);
        }
    }

    fn choose(&mut self, key: &str) -> Action {
        let roll = self.dice.random_range(0..100);
        let value = format!("p{}.{};", self.proc, self.writes);
        let action = match roll {
            0..50 => return Action::Get,
            _ if key.starts_with("list") => Action::Append(value),
            50..80 => Action::Put(value),
            80..85 => return Action::Delete,
            _ => Action::Cas(self.guess(), value),
        };
        self.writes += 1;
        action
    }

    /// What a row may hold: what some client wrote not long ago, or nothing.
    fn guess(&mut self) -> Option<String> {
        let lines = self.stage.lines.lock();
        let back = self.dice.random_range(1..=16).min(lines.len());
        let line = lines.get(lines.len() - back)?;
        match line {
            Line::Op(operation) => operation.out.clone(),
            _ => None,
        }
    }

    fn move_on(&mut self) {
        let node = self.dice.random_range(0..self.stage.nodes.len());
        self.connect_to(node);
    }

    fn connect_to(&mut self, node: usize) {
        if self.node != node {
            self.node = node;
            self.connection = None;
        }
    }

    /// Asks, again if it may, and takes down what came of it.
    async fn ask(&mut self, key: String, action: Action, phase: Phase) -> Outcome {
        let id = self.stage.next_id.fetch_add(1, Ordering::Relaxed);
        let reads = matches!(action, Action::Get | Action::GetStale);
        let has_id = !reads && self.dice.random_range(0..2) == 0;
        let longest = self.stage.load.timeout;
        let patience = self.dice.random_range(longest / 8..=longest);
        let request = Request {
            idempotency_key: has_id.then(|| format!("op-{id}")),
            timeout_ms: crate::node::millis(patience),
            key,
            action,
        };
        let call_ns = now_ns();
        let mut reply = self.send(&request, patience).await;
        let mut may_have_run = matches!(reply, Reply::Unknown(_));
        for _ in 1..SENT_MAX {
            if !may_have_run || !has_id || matches!(reply, Reply::Done { .. }) {
                break;
            }
            sleep(Duration::from_millis(self.dice.random_range(5..50))).await;
            self.move_on();
            reply = self.send(&request, patience).await;
            may_have_run |= matches!(reply, Reply::Unknown(_));
        }
        // What an earlier sending may have done, a later refusal does not undo.
        if may_have_run && let Reply::NotApplied(text) = reply {
            reply = Reply::Unknown(text);
        }
        let operation = self.record(id, request, reply, (call_ns, phase));
        let outcome = operation.outcome;
        self.stage.note(Line::Op(operation));
        outcome
    }

    /// Sends once. A read that has no answer was not done.
    async fn send(&mut self, request: &Request, patience: Duration) -> Reply {
        let sent = timeout(patience + GRACE, self.exchange(request)).await;
        let why = match sent {
            Ok(Ok(reply)) => return reply,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        self.connection = None;
        self.move_on();
        match request.action {
            Action::Get | Action::GetStale => Reply::NotApplied(why),
            _ => Reply::Unknown(why),
        }
    }

    async fn exchange(&mut self, request: &Request) -> io::Result<Reply> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => {
                let node = self.stage.nodes.get(self.node).map_or("", String::as_str);
                match self.stage.up.connect(node, CLIENT_PORT).await {
                    Ok(stream) => stream,
                    Err(error) => return Ok(Reply::NotApplied(error.to_string())),
                }
            }
        };
        door::write(&mut stream, request).await?;
        let reply = door::read(&mut stream).await?;
        self.connection = Some(stream);
        Ok(reply)
    }

    fn record(
        &self,
        id: u64,
        request: Request,
        reply: Reply,
        (call_ns, phase): (u64, Phase),
    ) -> Operation {
        let (op, arg, expected) = match request.action {
            Action::Get | Action::GetStale => (Op::Get, None, None),
            Action::Put(value) => (Op::Put, Some(value), None),
            Action::Delete => (Op::Delete, None, None),
            Action::Cas(expected, value) => (Op::Cas, Some(value), expected),
            Action::Append(value) => (Op::Append, Some(value), None),
        };
        let (outcome, row, mismatch) = match reply {
            Reply::Done { row, mismatch } => (Outcome::Ok, row, mismatch),
            Reply::NotApplied(_) => (Outcome::Fail, None, false),
            Reply::Unknown(_) => (Outcome::Unknown, None, false),
        };
        let answered = outcome == Outcome::Ok;
        let ver = answered.then(|| row.as_ref().map_or(0, |row| row.version));
        Operation {
            id,
            proc: self.proc,
            req: request.idempotency_key,
            node: self.stage.nodes.get(self.node).cloned().unwrap_or_default(),
            phase,
            op,
            key: request.key,
            arg,
            expected,
            outcome,
            mismatch,
            out: row.and_then(|row| row.value),
            ver,
            call_ns,
            ret_ns: (outcome != Outcome::Unknown).then(now_ns),
        }
    }
}

fn now_ns() -> u64 {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
