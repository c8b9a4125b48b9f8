//! Calls: every action as a method, and the loop that carries them out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::Applied;
use futures::future::join_all;
use parking_lot::Mutex;
use reqwest::Url;
use tokio::time::{Instant, sleep};

use crate::answer::{Answer, Page, Row, Written};
use crate::attempt::{Attempt, attempt};
use crate::builder::Builder;
use crate::error::Error;
use crate::health::{self, Health, Probe};
use crate::locate::{Held, Located};
use crate::request::{Payload, Request};
use crate::retry::{Budget, Decision, Policy, Progress};
use crate::snapshots::{self, Asked};
use crate::status::{self, Seen};
use crate::trace::{Step, Trace};

/// The consistency of reads that take what the asked node has.
const STALE: &str = "stale";

/// A connection to a cluster. Cheap to clone; clones share connections and budget.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    stale: bool,
    key: Option<Arc<str>>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    urls: Vec<Url>,
    timeout: Duration,
    attempt_timeout: Duration,
    policy: Policy,
    trace: Trace,
    /// The node that answered last.
    preferred: AtomicUsize,
    /// Held for an addition only, never across an await.
    budget: Mutex<Budget>,
}

/// What a `cas` expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'e> {
    /// No row.
    Absent,
    /// A row with this value.
    Value(&'e str),
    /// A row with this version; 0 for no row.
    Version(u64),
}

/// Which rows a range reads. The default is all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range<'r> {
    /// The first key or value that may be in it.
    pub start: &'r str,
    /// The first that is past it.
    pub end: Option<&'r str>,
    /// What all in it start with.
    pub prefix: Option<&'r str>,
    /// Rows at most. `None`: as many as the cluster gives unasked.
    pub limit: Option<usize>,
    /// Where the last page ended.
    pub cursor: Option<&'r str>,
}

impl Client {
    /// Starts to make a client.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        http: reqwest::Client,
        urls: Vec<Url>,
        timeout: Duration,
        attempt_timeout: Duration,
        policy: Policy,
        trace: Trace,
    ) -> Self {
        // Clients that start together should not all ask the first node.
        let preferred = AtomicUsize::new(rand::random_range(0..urls.len().max(1)));
        let budget = Mutex::default();
        let shared =
            Shared { http, urls, timeout, attempt_timeout, policy, trace, preferred, budget };
        Self { shared: Arc::new(shared), stale: false, key: None }
    }

    /// The same client, whose reads take what the asked node has, however old.
    #[must_use]
    pub fn stale(&self) -> Self {
        Self { stale: true, ..self.clone() }
    }

    /// The same client for exactly one write, under the caller's own idempotency
    /// key: repeated later under the same key, even by another process, that
    /// write still takes effect at most once. 1 to 255 visible ASCII characters.
    #[must_use]
    pub fn with_idempotency_key(&self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// Writes `value` under `key`.
    pub async fn put(&self, collection: &str, key: &str, value: &str) -> Result<Written, Error> {
        let payload = Payload { key: Some(key), value: Some(value), ..Payload::default() };
        self.write("put", collection, payload).await?.written()
    }

    /// Adds `value` to the collection's set of values. The row's key is its hash.
    pub async fn put_value(&self, collection: &str, value: &str) -> Result<Written, Error> {
        let payload = Payload { value: Some(value), ..Payload::default() };
        self.write("put", collection, payload).await?.written()
    }

    /// Writes `value` under `key` if what is there is what is expected.
    pub async fn cas(
        &self,
        collection: &str,
        key: &str,
        value: &str,
        expected: Expected<'_>,
    ) -> Result<Written, Error> {
        let mut payload = Payload { key: Some(key), value: Some(value), ..Payload::default() };
        match expected {
            Expected::Absent => payload.expected = Some(None),
            Expected::Value(value) => payload.expected = Some(Some(value)),
            Expected::Version(version) => payload.if_version = Some(version),
        }
        self.write("cas", collection, payload).await?.written()
    }

    /// Adds `value` to the end of the row's value; an absent row counts as empty.
    /// The answer has the whole new value.
    pub async fn append(&self, collection: &str, key: &str, value: &str) -> Result<Written, Error> {
        let payload = Payload { key: Some(key), value: Some(value), ..Payload::default() };
        self.write("append", collection, payload).await?.written()
    }

    /// Removes the row under `key` and gives it back.
    pub async fn delete(&self, collection: &str, key: &str) -> Result<Option<Row>, Error> {
        let payload = Payload { key: Some(key), ..Payload::default() };
        Ok(self.write("delete", collection, payload).await?.row())
    }

    /// Removes the row under `key` if it has this version.
    pub async fn delete_version(
        &self,
        collection: &str,
        key: &str,
        version: u64,
    ) -> Result<Option<Row>, Error> {
        let if_version = Some(version);
        let payload = Payload { key: Some(key), if_version, ..Payload::default() };
        Ok(self.write("delete", collection, payload).await?.row())
    }

    /// Removes a value that was put without a key.
    pub async fn delete_value(&self, collection: &str, value: &str) -> Result<Option<Row>, Error> {
        let payload = Payload { value: Some(value), ..Payload::default() };
        Ok(self.write("delete", collection, payload).await?.row())
    }

    /// The row under `key`.
    pub async fn get(&self, collection: &str, key: &str) -> Result<Option<Row>, Error> {
        let payload = Payload { key: Some(key), ..Payload::default() };
        Ok(self.read("get", collection, payload).await?.row())
    }

    /// The row under `key`, and where it lives.
    pub async fn locate(&self, collection: &str, key: &str) -> Result<Located, Error> {
        let payload = Payload { key: Some(key), ..Payload::default() };
        Ok(Located::of(self.read("get", collection, payload).await?))
    }

    /// What each endpoint has of the row under `key`, in the order they were
    /// given, however old. All are asked at once and none twice.
    pub async fn locate_everywhere(&self, collection: &str, key: &str) -> Vec<Held> {
        let payload = Payload {
            collection: Some(collection),
            key: Some(key),
            consistency: Some(STALE),
            ..Payload::default()
        };
        let request = &Request { action: "get", payload };
        let asked = self.shared.urls.iter().map(async |url| {
            let endpoint = url.origin().ascii_serialization();
            let located = self.shared.ask_once(url.clone(), request).await.map(Located::of);
            Held { endpoint, located }
        });
        join_all(asked).await
    }

    /// The row of a value that was put without a key.
    pub async fn get_value(&self, collection: &str, value: &str) -> Result<Option<Row>, Error> {
        let payload = Payload { value: Some(value), ..Payload::default() };
        Ok(self.read("get", collection, payload).await?.row())
    }

    /// Rows in the order of their keys.
    pub async fn range_by_key(&self, collection: &str, range: Range<'_>) -> Result<Page, Error> {
        let payload = Payload { key: Some(range.start), ..range.payload() };
        Ok(self.read("range", collection, payload).await?.page())
    }

    /// Rows in the order of their values.
    pub async fn range(&self, collection: &str, range: Range<'_>) -> Result<Page, Error> {
        let payload = Payload { value: Some(range.start), ..range.payload() };
        Ok(self.read("range", collection, payload).await?.page())
    }

    /// The rows that hold exactly `value`, whatever their keys, from `cursor` on.
    pub async fn find(
        &self,
        collection: &str,
        value: &str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page, Error> {
        let payload = Payload { value: Some(value), limit, cursor, ..Payload::default() };
        Ok(self.read("find", collection, payload).await?.page())
    }

    /// The names of all collections, in byte order.
    pub async fn list_collections(&self) -> Result<Vec<String>, Error> {
        let request = Request { action: "list collections", payload: Payload::default() };
        Ok(self.call(&request, true).await?.body.collections)
    }

    /// Makes sure the collection exists.
    pub async fn create_collection(&self, collection: &str) -> Result<(), Error> {
        self.write("create collection", collection, Payload::default()).await.map(drop)
    }

    /// Drops the collection with all its rows.
    pub async fn drop_collection(&self, collection: &str) -> Result<(), Error> {
        self.write("drop collection", collection, Payload::default()).await.map(drop)
    }

    /// What each endpoint knows of the cluster, in the order they were given. All
    /// are asked at once and none twice: who does not answer is part of the answer.
    pub async fn statuses(&self) -> Vec<Seen> {
        let shared = &*self.shared;
        status::ask(&shared.http, &shared.urls, shared.patience(), &shared.trace).await
    }

    /// Each endpoint's word on its health, in the order they were given. All are
    /// asked at once and none twice.
    pub async fn healths(&self, probe: Probe) -> Vec<Health> {
        let shared = &*self.shared;
        health::ask(&shared.http, &shared.urls, probe, shared.patience(), &shared.trace).await
    }

    /// Asks each endpoint's node to take snapshots, in the order they were given.
    /// All are asked at once and none twice.
    pub async fn ask_snapshots(&self) -> Vec<Asked> {
        let shared = &*self.shared;
        snapshots::ask(&shared.http, &shared.urls, shared.patience(), &shared.trace).await
    }

    async fn write<'r>(
        &self,
        action: &'static str,
        collection: &'r str,
        payload: Payload<'r>,
    ) -> Result<Answer, Error> {
        let payload = Payload { collection: Some(collection), ..payload };
        self.call(&Request { action, payload }, false).await
    }

    async fn read<'r>(
        &self,
        action: &'static str,
        collection: &'r str,
        payload: Payload<'r>,
    ) -> Result<Answer, Error> {
        let consistency = self.stale.then_some(STALE);
        let payload = Payload { collection: Some(collection), consistency, ..payload };
        self.call(&Request { action, payload }, true).await
    }

    /// Makes attempts until one is answered, or none can help any more.
    async fn call(&self, request: &Request<'_>, reads: bool) -> Result<Answer, Error> {
        let shared = &*self.shared;
        let body = serde_json::to_vec(request).expect("a request is texts and numbers");
        // Made once: every attempt is the same request to whoever gets it (E1).
        let key = match &self.key {
            Some(key) if !reads => Arc::clone(key),
            _ => format!("{:032x}", rand::random::<u128>()).into(),
        };
        let deadline = Instant::now() + shared.timeout;
        let mut endpoint = shared.preferred.load(Ordering::Relaxed);
        let mut attempts = 0;
        let mut unknown = false;
        shared.budget.lock().earn();
        loop {
            let patience = remaining(deadline).min(shared.attempt_timeout);
            let url = shared.url(endpoint);
            let address = url.origin().ascii_serialization();
            shared.trace.step(Step::Asked { endpoint: &address, what: request.action });
            let failed = match attempt(&shared.http, url, body.clone(), &key, patience).await {
                Attempt::Answered(answer) => {
                    shared.preferred.store(endpoint, Ordering::Relaxed);
                    return Ok(answer);
                }
                Attempt::Mismatch(answer) => {
                    shared.preferred.store(endpoint, Ordering::Relaxed);
                    return Err(Error::Conflict { present: answer.row() });
                }
                Attempt::Failed(failed) => failed,
            };
            attempts += 1;
            // Remembered for good: a later, certain refusal says nothing of this one (E2).
            unknown |= !reads && failed.trouble.applied() == Applied::Unknown;
            let decision =
                shared.policy.decide(failed.trouble, shared.progress(attempts, deadline));
            let again = match decision {
                Decision::Again(pause) => shared.budget.lock().spend().then_some(pause),
                Decision::GiveUp => None,
            };
            shared.trace.step(failed.step(&address, again));
            let Some(pause) = again else { return Err(failed.into_error(unknown)) };
            sleep(pause).await;
            endpoint = endpoint.wrapping_add(1);
        }
    }
}

impl Shared {
    fn url(&self, endpoint: usize) -> Url {
        let url = self.urls.get(endpoint % self.urls.len().max(1));
        url.expect("a client has at least one endpoint").clone()
    }

    /// How long one attempt may take.
    fn patience(&self) -> Duration {
        self.attempt_timeout.min(self.timeout)
    }

    /// One attempt of a read, at that endpoint and no other.
    async fn ask_once(&self, url: Url, request: &Request<'_>) -> Result<Answer, Error> {
        let body = serde_json::to_vec(request).expect("a request is texts and numbers");
        let key = format!("{:032x}", rand::random::<u128>());
        let endpoint = url.origin().ascii_serialization();
        self.trace.step(Step::Asked { endpoint: &endpoint, what: request.action });
        match attempt(&self.http, url, body, &key, self.patience()).await {
            Attempt::Answered(answer) => Ok(answer),
            Attempt::Mismatch(_) => Err(Error::Garbled {
                message: "a conflict, though nothing was expected".to_owned(),
            }),
            Attempt::Failed(failed) => {
                self.trace.step(failed.step(&endpoint, None));
                Err(failed.into_error(false))
            }
        }
    }

    fn progress(&self, attempts: u32, deadline: Instant) -> Progress {
        Progress {
            attempts,
            endpoints: u32::try_from(self.urls.len()).unwrap_or(u32::MAX),
            remaining: remaining(deadline),
            jitter: rand::random(),
        }
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

impl<'r> Range<'r> {
    fn payload(&self) -> Payload<'r> {
        let Self { end, prefix, limit, cursor, .. } = *self;
        Payload { end, prefix, limit, cursor, ..Payload::default() }
    }
}
