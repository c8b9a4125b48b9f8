//! Client: who keeps the cluster busy, and what they saw.
//!
//! Each client has one request in flight and connections of its own. It asks any
//! node, goes on with that one for a while, and repeats a request whose outcome it
//! does not know only if the request has an id, through another node. A client whose
//! request ended unknown goes on under a new number, as somebody else would.

use std::sync::Arc;
use std::time::Duration;

use oracle::{Line, Op, Operation, Outcome, Phase};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tests::{Answer, Command, Protocol};
use tokio::time::sleep;

use crate::rota::Turn;
use crate::stage::{COLLECTION, Stage};

/// How long a client waits after the node should have answered.
const GRACE: Duration = Duration::from_millis(500);
/// How often a request with an id is sent at most.
const SENT_MAX: usize = 6;
/// The longest pause, milliseconds, after which somebody else is asked.
const BACK_OFF_MS: u64 = 100;
/// How often reading a row at the end is tried.
const INSIST_MAX: usize = 100;

/// What to do with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Get,
    GetStale,
    Put(String),
    Delete,
    /// Write the second if it holds the first; `None`: if it is not there.
    Cas(Option<String>, String),
    Append(String),
}

/// What a node said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Done { row: Option<Row>, mismatch: bool },
    NotApplied,
    Unknown,
}

/// A row as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    /// `None`: not shown.
    value: Option<String>,
    version: u64,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    stage: Arc<Stage>,
    dice: SmallRng,
    proc: u64,
    writes: u64,
    node: usize,
    http: Vec<tests::Client>,
}

impl Client {
    /// A client whose choices follow from `seed`.
    #[must_use]
    pub fn new(stage: Arc<Stage>, seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let node = dice.random_range(0..stage.nodes.len());
        let proc = stage.new_proc();
        let protocol = if dice.random() { Protocol::Http1 } else { Protocol::Http2 };
        let at = |(_, base): &(String, String)| tests::Client::new(base, &stage.ca, protocol);
        let http = stage.nodes.iter().map(at).collect();
        Self { stage, dice, proc, writes: 0, node, http }
    }

    /// Asks until the run ends.
    pub async fn run(mut self) {
        while self.stage.runs() {
            let pause = self.stage.load.pause;
            sleep(self.dice.random_range(Duration::ZERO..=pause)).await;
            if self.dice.random_range(0..8) == 0 {
                self.move_on();
            }
            let Some(turn) = self.stage.rota.take(&mut self.dice) else { continue };
            let action = self.choose(&turn);
            let asked = self.ask(&turn.key, action, Phase::Run).await;
            let unknown = asked.outcome == Outcome::Unknown;
            let shown = asked.outcome == Outcome::Ok && asked.op != Op::Delete;
            let seen =
                shown.then_some(asked.out).filter(|out| out.is_some() || asked.ver == Some(0));
            self.stage.rota.give_back(&turn, unknown, seen);
            if unknown {
                self.proc = self.stage.new_proc();
                self.writes = 0;
            }
            if asked.outcome != Outcome::Ok {
                sleep(Duration::from_millis(self.dice.random_range(0..BACK_OFF_MS))).await;
                self.move_on();
            }
        }
    }

    /// Reads rows through one node, each until it is answered.
    pub async fn read_all(mut self, node: usize, keys: Arc<[String]>) {
        self.node = node;
        for key in keys.iter() {
            self.insist(key, &Action::Get, Phase::Final).await;
        }
    }

    /// Reads one replica's own copy of rows.
    pub async fn read_replica(mut self, node: usize, keys: Arc<[String]>) {
        self.node = node;
        for key in keys.iter() {
            self.insist(key, &Action::GetStale, Phase::Replica).await;
        }
    }

    async fn insist(&mut self, key: &str, action: &Action, phase: Phase) {
        let node = self.node;
        for _ in 0..INSIST_MAX {
            if self.ask(key, action.clone(), phase).await.outcome == Outcome::Ok {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            self.node = node;
        }
        let what = format!("{key} cannot be read at the end ({phase:?}, node {node})");
        self.stage.violated(what);
    }

    fn choose(&mut self, turn: &Turn) -> Action {
        let roll = self.dice.random_range(0..100);
        let value = format!("p{}.{};", self.proc, self.writes);
        let action = match roll {
            0..50 => return Action::Get,
            _ if turn.key.starts_with("list") => Action::Append(value),
            50..80 => Action::Put(value),
            80..85 => return Action::Delete,
            _ => Action::Cas(turn.guess.clone(), value),
        };
        self.writes += 1;
        action
    }

    fn move_on(&mut self) {
        self.node = self.dice.random_range(0..self.http.len());
    }

    /// Asks, again if it may, and takes down what came of it.
    async fn ask(&mut self, key: &str, action: Action, phase: Phase) -> Operation {
        let id = self.stage.new_id();
        let reads = matches!(action, Action::Get | Action::GetStale);
        let has_id = !reads && self.dice.random_range(0..2) == 0;
        let longest = self.stage.load.timeout;
        let patience = self.dice.random_range(longest / 8..=longest);
        let mut command = command(key, &action).within(patience);
        if has_id {
            command = command.id(format!("op-{id}"));
        }
        let call_ns = self.stage.now_ns();
        let mut reply = self.send(&command, &action, patience).await;
        let mut may_have_run = reply == Reply::Unknown;
        for _ in 1..SENT_MAX {
            if !may_have_run || !has_id || matches!(reply, Reply::Done { .. }) {
                break;
            }
            sleep(Duration::from_millis(self.dice.random_range(5..BACK_OFF_MS))).await;
            self.move_on();
            reply = self.send(&command, &action, patience).await;
            may_have_run |= reply == Reply::Unknown;
        }
        // What an earlier sending may have done, a later refusal does not undo.
        if may_have_run && reply == Reply::NotApplied {
            reply = Reply::Unknown;
        }
        let ret_ns = (reply != Reply::Unknown).then(|| self.stage.now_ns());
        let node = self.stage.nodes.get(self.node).map(|(name, _)| name.clone());
        let asked = (id, self.proc, node.unwrap_or_default());
        let mut operation = operation(asked, key, action, reply, phase);
        operation.req = command.idempotency_key;
        (operation.call_ns, operation.ret_ns) = (call_ns, ret_ns);
        self.stage.note(Line::Op(operation.clone()));
        operation
    }

    /// Sends once. A read that has no answer was not done.
    async fn send(&mut self, command: &Command, action: &Action, patience: Duration) -> Reply {
        let reads = matches!(action, Action::Get | Action::GetStale);
        let Some(http) = self.http.get(self.node) else { return Reply::NotApplied };
        match http.send_within(command, patience + GRACE).await {
            Ok(answer) => read(&answer, action).unwrap_or_else(|why| {
                let (name, _) = self.stage.nodes.get(self.node).cloned().unwrap_or_default();
                self.stage.violated(format!("{name} answers {command:?} with {why}"));
                if reads { Reply::NotApplied } else { Reply::Unknown }
            }),
            Err(none) if reads || !none.connected => Reply::NotApplied,
            Err(_) => Reply::Unknown,
        }
    }
}

fn command(key: &str, action: &Action) -> Command {
    match action {
        Action::Get => Command::get_key(COLLECTION, key),
        Action::GetStale => Command::get_key(COLLECTION, key).stale(),
        Action::Put(value) => Command::put_key(COLLECTION, key, value),
        Action::Delete => Command::delete_key(COLLECTION, key),
        Action::Cas(expected, value) => {
            Command::cas_value(COLLECTION, key, value, expected.as_deref())
        }
        Action::Append(value) => Command::append(COLLECTION, key, value),
    }
}

/// What an answer means; an error if it is none that a node may give.
fn read(answer: &Answer, action: &Action) -> Result<Reply, String> {
    let strange = || format!("{} {:?}: {}", answer.status, answer.headers, answer.text());
    match (answer.status, answer.version()) {
        (200, Some(version)) => {
            let row = (version > 0).then(|| row(answer, version)).transpose()?;
            Ok(Reply::Done { row, mismatch: false })
        }
        (409, Some(version)) if matches!(action, Action::Cas(..)) => {
            let row = (version > 0).then(|| row(answer, version)).transpose()?;
            Ok(Reply::Done { row, mismatch: true })
        }
        // Too old to tell, busy, no leader or late, unknown, no room.
        (409 | 429 | 503 | 504 | 507, None) => match answer.header("rdb-applied") {
            "no" => Ok(Reply::NotApplied),
            "unknown" => Ok(Reply::Unknown),
            _ => Err(strange()),
        },
        _ => Err(strange()),
    }
}

fn row(answer: &Answer, version: u64) -> Result<Row, String> {
    let json: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{}: {error}: {}", answer.status, answer.text()))?;
    let value = json.get("value").and_then(serde_json::Value::as_str);
    let value = value.ok_or_else(|| format!("no value in {json}"))?.to_owned();
    let shown = answer.header("rdb-replay-value") != "omitted";
    Ok(Row { value: shown.then_some(value), version })
}

fn operation(
    (id, proc, node): (u64, u64, String),
    key: &str,
    action: Action,
    reply: Reply,
    phase: Phase,
) -> Operation {
    let (op, arg, expected) = match action {
        Action::Get | Action::GetStale => (Op::Get, None, None),
        Action::Put(value) => (Op::Put, Some(value), None),
        Action::Delete => (Op::Delete, None, None),
        Action::Cas(expected, value) => (Op::Cas, Some(value), expected),
        Action::Append(value) => (Op::Append, Some(value), None),
    };
    let (outcome, row, mismatch) = match reply {
        Reply::Done { row, mismatch } => (Outcome::Ok, row, mismatch),
        Reply::NotApplied => (Outcome::Fail, None, false),
        Reply::Unknown => (Outcome::Unknown, None, false),
    };
    let answered = outcome == Outcome::Ok;
    let ver = answered.then(|| row.as_ref().map_or(0, |row| row.version));
    Operation {
        id,
        proc,
        req: None,
        node,
        phase,
        op,
        key: key.to_owned(),
        arg,
        expected,
        outcome,
        mismatch,
        out: row.and_then(|row| row.value),
        ver,
        call_ns: 0,
        ret_ns: None,
    }
}
