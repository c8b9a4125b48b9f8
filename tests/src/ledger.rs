//! Ledger: is what is found what was acknowledged?
//!
//! Two kinds of writes are entered. *Appends* add a unique token to the value
//! under a key, under one request id, until some node acknowledges them. *Solos*
//! put a unique value under a key of their own and are never sent again.
//!
//! # What must hold
//!
//! * An acknowledged token occurs, exactly once.
//! * No other token occurs twice, and none that nobody sent.
//! * Tokens of one writer occur in the order in which it sent them.
//! * A read that began after an acknowledgement shows the acknowledged token.
//! * A solo that was acknowledged is there; one that was refused as not applied
//!   is not, now or later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};

use crate::answer::Effect;
use crate::client::Client;
use crate::command::Command;
use crate::deadline::until;

const READ_MAX: Duration = Duration::from_secs(30);
const READS_AT_ONCE: usize = 32;
const FAILURES_SHOWN: usize = 5;
const BROKEN_SHOWN: usize = 10;

/// What was sent and what came of it.
#[derive(Debug)]
pub struct Ledger {
    collection: String,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    // By key, then token: whether it was acknowledged.
    appends: BTreeMap<String, BTreeMap<Token, bool>>,
    solos: BTreeMap<String, Effect>,
    acknowledgements: Vec<Acknowledgement>,
    broken: Vec<String>,
    failures: usize,
    last_failure: String,
    reads: usize,
    retries: usize,
}

/// What one append adds: unique, and ordered within its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// Who appends it.
    pub writer: u32,
    /// The how many-th append of that writer.
    pub number: u32,
}

/// That a write was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledgement {
    /// When.
    pub at: Instant,
    /// By which group.
    pub group: u32,
}

/// How much was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Appends that were acknowledged.
    pub acknowledged: usize,
    /// Appends whose outcome nobody knows.
    pub unknown: usize,
    /// Solos that were refused and did not happen.
    pub refused: usize,
    /// Reads that were compared.
    pub reads: usize,
    /// Appends that had to be sent again.
    pub retries: usize,
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let (writer, number) = text.strip_prefix('w')?.split_once('.')?;
        Some(Self { writer: writer.parse().ok()?, number: number.parse().ok()? })
    }

    /// The bytes that are appended.
    #[must_use]
    pub fn text(self) -> String {
        format!("w{}.{};", self.writer, self.number)
    }
}

impl Ledger {
    /// An empty ledger of one collection.
    #[must_use]
    pub fn new(collection: &str) -> Self {
        Self { collection: collection.to_owned(), book: Mutex::default() }
    }

    /// The collection.
    #[must_use]
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// Enters an append before it is sent.
    pub fn attempt(&self, key: &str, token: Token) {
        self.book().appends.entry(key.to_owned()).or_default().insert(token, false);
    }

    /// Enters that an append was acknowledged, after `sent` attempts.
    pub fn acknowledged(&self, key: &str, token: Token, group: u32, sent: usize) {
        let at = Instant::now();
        let mut book = self.book();
        book.appends.entry(key.to_owned()).or_default().insert(token, true);
        book.acknowledgements.push(Acknowledgement { at, group });
        book.retries += sent.saturating_sub(1);
    }

    /// Enters why a request failed for its client.
    pub fn failed(&self, why: String) {
        let mut book = self.book();
        book.failures += 1;
        if book.failures <= FAILURES_SHOWN {
            eprintln!("       failed: {why}");
        }
        book.last_failure = why;
    }

    /// Why the last request that failed did.
    #[must_use]
    pub fn last_failure(&self) -> String {
        self.book().last_failure.clone()
    }

    /// Enters what came of a solo.
    pub fn solo(&self, key: &str, effect: Effect) {
        self.book().solos.insert(key.to_owned(), effect);
    }

    /// How many solos there were, and which of them were not acknowledged. A solo is
    /// sent once, so each of these is a request that failed for its client.
    #[must_use]
    pub fn solos(&self) -> (usize, Vec<(String, Effect)>) {
        let book = self.book();
        let failed = book.solos.iter().filter(|(_, effect)| **effect != Effect::Done);
        (book.solos.len(), failed.map(|(key, effect)| (key.clone(), *effect)).collect())
    }

    /// Enters a promise that was broken on the way.
    pub fn broken(&self, what: String) {
        self.book().broken.push(what);
    }

    /// The tokens that a read of `key` that begins now must show.
    #[must_use]
    pub fn must_show(&self, key: &str) -> Vec<Token> {
        let book = self.book();
        let tokens = book.appends.get(key).into_iter().flatten();
        tokens.filter(|(_, acknowledged)| **acknowledged).map(|(token, _)| *token).collect()
    }

    /// Compares a read with the tokens it had to show when it began.
    pub fn read(&self, key: &str, value: &str, must_show: &[Token], by: &str) {
        let found = tokens(value);
        let mut book = self.book();
        book.reads += 1;
        for token in must_show.iter().filter(|token| !found.contains(token)) {
            book.broken.push(format!(
                "a read of {key} from {by} began after {} was acknowledged and lacks it",
                token.text()
            ));
        }
    }

    /// How many appends were acknowledged so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.book().acknowledgements.len()
    }

    /// The longest time after `from` in which nothing was acknowledged, by group.
    #[must_use]
    pub fn longest_gaps(&self, from: Instant) -> BTreeMap<u32, Duration> {
        let mut last: BTreeMap<u32, Instant> = BTreeMap::new();
        let mut gaps: BTreeMap<u32, Duration> = BTreeMap::new();
        let mut acknowledgements = self.book().acknowledgements.clone();
        acknowledgements.sort_by_key(|acknowledgement| acknowledgement.at);
        for Acknowledgement { at, group } in acknowledgements {
            let before = last.insert(group, at).unwrap_or(from).max(from);
            let gap = gaps.entry(group).or_default();
            *gap = (*gap).max(at.saturating_duration_since(before));
        }
        gaps
    }

    /// Reads everything back through `clients` and compares.
    ///
    /// # Panics
    ///
    /// If anything does not hold.
    pub async fn judge(&self, clients: &[Client]) -> Judged {
        let (appends, solos) = {
            let book = self.book();
            (book.appends.clone(), book.solos.clone())
        };
        let mut turn = clients.iter().cycle();
        for (key, sent) in &appends {
            let client = turn.next().expect("there is a client");
            let value = self.value(client, key).await;
            self.judge_appends(key, &value, sent);
        }
        stream::iter(solos.iter().zip(turn))
            .for_each_concurrent(READS_AT_ONCE, |((key, effect), client)| async move {
                let value = self.value(client, key).await;
                self.judge_solo(key, &value, *effect);
            })
            .await;
        self.verdict()
    }

    fn judge_appends(&self, key: &str, value: &str, sent: &BTreeMap<Token, bool>) {
        let mut seen = BTreeSet::new();
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        let mut broken = Vec::new();
        for text in value.split_terminator(';') {
            let Some(token) = Token::parse(text).filter(|token| sent.contains_key(token)) else {
                broken.push(format!("{key} holds {text:?}, which nobody appended"));
                continue;
            };
            if !seen.insert(token) {
                broken.push(format!("{key} holds {text} twice"));
            }
            let before = last.insert(token.writer, token.number);
            if before.is_some_and(|before| before > token.number) {
                broken.push(format!("{key} holds {text} after a later one of its writer"));
            }
        }
        for (token, _) in sent.iter().filter(|(token, done)| **done && !seen.contains(token)) {
            broken.push(format!("{key} lacks {}, which was acknowledged", token.text()));
        }
        self.book().broken.extend(broken);
    }

    fn judge_solo(&self, key: &str, value: &str, effect: Effect) {
        match effect {
            Effect::Done if value.is_empty() => {
                self.broken(format!("{key} was acknowledged and is not there"));
            }
            Effect::None if !value.is_empty() => {
                self.broken(format!("{key} was refused as not applied and is there"));
            }
            Effect::Done | Effect::None | Effect::Unknown => {}
        }
    }

    fn verdict(&self) -> Judged {
        let book = self.book();
        let broken = &book.broken;
        let shown = broken.iter().take(BROKEN_SHOWN).cloned().collect::<Vec<_>>().join("\n");
        assert!(broken.is_empty(), "{} promises broken, among them:\n{shown}", broken.len());
        let sent = || book.appends.values().flatten();
        let judged = Judged {
            acknowledged: sent().filter(|(_, acknowledged)| **acknowledged).count(),
            unknown: sent().filter(|(_, acknowledged)| !**acknowledged).count(),
            refused: book.solos.values().filter(|effect| **effect == Effect::None).count(),
            reads: book.reads,
            retries: book.retries,
        };
        eprintln!("ledger of {}: {judged:?}", self.collection);
        judged
    }

    async fn value(&self, client: &Client, key: &str) -> String {
        let command = Command::get_key(&self.collection, key);
        until(&format!("a read of {key} from {}", client.base()), READ_MAX, async || {
            let answer = client.send(&command).await.map_err(|none| none.why)?;
            match answer.status {
                200 => Ok(answer.triple().value),
                status => Err(format!("{status}: {}", answer.text())),
            }
        })
        .await
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tokens(value: &str) -> BTreeSet<Token> {
    value.split_terminator(';').filter_map(Token::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Token = Token { writer: 1, number: 0 };
    const SECOND: Token = Token { writer: 1, number: 1 };

    fn broken(value: &str) -> Vec<String> {
        let ledger = Ledger::new("c");
        ledger.attempt("k", FIRST);
        ledger.acknowledged("k", FIRST, 1, 1);
        ledger.attempt("k", SECOND);
        let sent = ledger.book().appends["k"].clone();
        ledger.judge_appends("k", value, &sent);
        ledger.book().broken.clone()
    }

    #[test]
    fn what_was_acknowledged_or_may_have_happened_is_right() {
        assert_eq!(broken("w1.0;"), [""; 0]);
        assert_eq!(broken("w1.0;w1.1;"), [""; 0]);
    }

    #[test]
    fn loss_repetition_disorder_and_strangers_are_found() {
        assert_eq!(broken("").len(), 1);
        assert_eq!(broken("w1.0;w1.0;").len(), 1);
        assert_eq!(broken("w1.1;w1.0;").len(), 1);
        assert_eq!(broken("w1.0;w9.9;").len(), 1);
        assert_eq!(broken("w1.0;rubbish").len(), 1);
    }

    #[test]
    fn a_read_must_show_what_was_acknowledged_before_it() {
        let ledger = Ledger::new("c");
        ledger.attempt("k", FIRST);
        assert_eq!(ledger.must_show("k"), []);
        ledger.acknowledged("k", FIRST, 1, 1);
        let must_show = ledger.must_show("k");
        ledger.read("k", "w1.0;", &must_show, "n");
        assert!(ledger.book().broken.is_empty());
        ledger.read("k", "", &must_show, "n");
        assert_eq!(ledger.book().broken.len(), 1);
    }

    #[test]
    fn solos_are_there_or_not_as_promised() {
        let ledger = Ledger::new("c");
        ledger.judge_solo("done", "v", Effect::Done);
        ledger.judge_solo("none", "", Effect::None);
        ledger.judge_solo("unknown", "v", Effect::Unknown);
        assert!(ledger.book().broken.is_empty());
        ledger.judge_solo("done", "", Effect::Done);
        ledger.judge_solo("none", "v", Effect::None);
        assert_eq!(ledger.book().broken.len(), 2);
    }

    #[test]
    fn gaps_are_measured_by_group_and_from_the_fault_on() {
        let ledger = Ledger::new("c");
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        ledger.book().acknowledgements = vec![
            Acknowledgement { at: at(10), group: 1 },
            Acknowledgement { at: at(300), group: 1 },
            Acknowledgement { at: at(350), group: 1 },
            Acknowledgement { at: at(310), group: 2 },
        ];
        let gaps = ledger.longest_gaps(at(100));
        assert_eq!(gaps[&1], Duration::from_millis(200));
        assert_eq!(gaps[&2], Duration::from_millis(210));
    }
}
