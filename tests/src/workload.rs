//! Workload: who keeps the cluster busy while it breaks?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::answer::{Effect, effect};
use crate::client::Client;
use crate::command::Command;
use crate::ledger::{Ledger, Token};

/// How long a writer goes on trying after it was told to stop.
const FINISH_MAX: Duration = Duration::from_secs(30);
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const SOLO_PAUSE: Duration = Duration::from_millis(10);

/// How busy.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Tasks that append, each one token at a time.
    pub writers: u32,
    /// Tasks that put values nobody else touches and never retry.
    pub soloists: u32,
    /// Tasks that read what is appended to.
    pub readers: u32,
    /// Keys that are appended to. As many as writers: each writer has its own,
    /// so that a group that stands still stops no writer of another one.
    pub keys: u32,
}

/// Tasks that write to a cluster and read from it, and the ledger they keep.
#[derive(Debug)]
pub struct Workload {
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// What all tasks share.
#[derive(Clone, Debug)]
struct Shared {
    // Writers ask these,
    writers_ask: Arc<[Client]>,
    // soloists and readers these.
    others_ask: Arc<[Client]>,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    keys: u32,
    own_keys: bool,
}

impl Workload {
    /// Starts the tasks. Each begins at another client and goes to the next one when
    /// it gets no answer.
    #[must_use]
    pub fn start(clients: Vec<Client>, collection: &str, size: Size) -> Self {
        Self::start_apart(clients.clone(), clients, collection, size)
    }

    /// The same, but soloists and readers ask other clients than writers.
    #[must_use]
    pub fn start_apart(
        writers_ask: Vec<Client>,
        others_ask: Vec<Client>,
        collection: &str,
        size: Size,
    ) -> Self {
        let ledger = Arc::new(Ledger::new(collection));
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            writers_ask: writers_ask.into(),
            others_ask: others_ask.into(),
            ledger: Arc::clone(&ledger),
            stop: Arc::clone(&stop),
            keys: size.keys,
            own_keys: size.keys == size.writers,
        };
        let mut tasks = JoinSet::new();
        for writer in 0..size.writers {
            tasks.spawn(append(shared.clone(), writer));
        }
        for soloist in 0..size.soloists {
            tasks.spawn(put_once(shared.clone(), soloist));
        }
        for reader in 0..size.readers {
            tasks.spawn(read(shared.clone(), reader));
        }
        Self { ledger, stop, tasks }
    }

    /// What they have written down.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Waits until `more` further appends were acknowledged.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`.
    pub async fn wait_acknowledged(&self, more: usize, limit: Duration) {
        let goal = self.ledger.count() + more;
        crate::deadline::until("progress of the writers", limit, async || {
            let count = self.ledger.count();
            let why = || format!("{count} of {goal}, last failure: {}", self.ledger.last_failure());
            if count >= goal { Ok(()) } else { Err(why()) }
        })
        .await;
    }

    /// Lets every task finish what it is at, and gives the ledger.
    ///
    /// # Panics
    ///
    /// If a task panicked.
    pub async fn finish(mut self) -> Arc<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a task of the workload panicked");
        }
        self.ledger
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn other(&self, turn: usize) -> &Client {
        client(&self.others_ask, turn)
    }

    fn key(&self, of: u32, number: u32) -> String {
        if self.own_keys {
            return format!("key-{}", of % self.keys);
        }
        // Every writer visits all keys, each in an order of its own.
        let step = (of * 2 + 1) % self.keys;
        format!("key-{}", (of + number.wrapping_mul(step.max(1))) % self.keys)
    }
}

fn client(clients: &[Client], turn: usize) -> &Client {
    clients.get(turn % clients.len()).expect("there is a client")
}

async fn append(shared: Shared, writer: u32) {
    let mut turn = writer as usize;
    let mut number = 0;
    while !shared.stopped() {
        let (key, token) = (shared.key(writer, number), Token { writer, number });
        shared.ledger.attempt(&key, token);
        let id = format!("{}-{}", shared.ledger.collection(), token.text());
        let command = Command::append(shared.ledger.collection(), &key, &token.text()).id(id);
        if !append_until_acknowledged(&shared, &mut turn, &key, token, &command).await {
            return;
        }
        number += 1;
    }
}

/// Sends the command through one node after the other. Gives up some time after the stop.
async fn append_until_acknowledged(
    shared: &Shared,
    turn: &mut usize,
    key: &str,
    token: Token,
    command: &Command,
) -> bool {
    let mut give_up = None;
    for sent in 1.. {
        let reply = client(&shared.writers_ask, *turn).send(command).await;
        match &reply {
            Ok(answer) if answer.status == 200 => {
                let group = answer.group().unwrap_or_default();
                shared.ledger.acknowledged(key, token, group, sent);
                return true;
            }
            Ok(answer) if answer.status < 429 => {
                let (status, text) = (answer.status, answer.text());
                shared.ledger.broken(format!("append {}: {status} {text}", token.text()));
                return false;
            }
            Ok(answer) => shared.ledger.failed(format!("{}: {}", answer.status, answer.text())),
            Err(none) => shared.ledger.failed(none.why.clone()),
        }
        *turn += 1;
        if shared.stopped() {
            let give_up = *give_up.get_or_insert_with(|| Instant::now() + FINISH_MAX);
            if Instant::now() > give_up {
                return false;
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    false
}

async fn put_once(shared: Shared, soloist: u32) {
    let mut number = 0;
    while !shared.stopped() {
        let key = format!("solo-{soloist}-{number}");
        let command = Command::put_key(shared.ledger.collection(), &key, &key);
        let reply = shared.other(soloist as usize + number).send(&command).await;
        if let Ok(answer) = &reply
            && answer.status != 200
            && answer.header("rdb-applied").is_empty()
        {
            let (status, text) = (answer.status, answer.text());
            shared.ledger.broken(format!("error {status} without Rdb-Applied: {text}"));
            return;
        }
        let effect = effect(&reply);
        shared.ledger.solo(&key, effect);
        if effect != Effect::Done {
            shared.ledger.failed(match &reply {
                Ok(answer) => format!(
                    "{key}: {} by {:?} after {:?}: {}",
                    answer.status,
                    answer.header("rdb-served-by"),
                    answer.took,
                    answer.text()
                ),
                Err(none) => none.why.clone(),
            });
            tokio::time::sleep(SOLO_PAUSE).await;
        }
        number += 1;
    }
}

async fn read(shared: Shared, reader: u32) {
    let mut number = 0;
    while !shared.stopped() {
        let key = shared.key(reader, number);
        let client = shared.other((reader + number) as usize);
        let must_show = shared.ledger.must_show(&key);
        let command = Command::get_key(shared.ledger.collection(), &key);
        match client.send(&command).await {
            Ok(answer) if answer.status == 200 => {
                shared.ledger.read(&key, &answer.triple().value, &must_show, client.base());
            }
            _ => tokio::time::sleep(SOLO_PAUSE).await,
        }
        number = number.wrapping_add(1);
    }
}
