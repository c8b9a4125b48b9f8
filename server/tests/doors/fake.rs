//! Fake: a node in memory, with exact answers and planned mishaps.
//!
//! The tests of the client crate and of rdbctl include this file as well.

#![allow(dead_code, unreachable_pub, reason = "three test binaries use different parts of it")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::figures::Figures;
use api::limits::{RANGE_BYTES_MAX, REPLAY_RESULT_BYTES_MAX};
use api::outcome::Value;
use api::service::{
    Bounds, Call, Check, Consistency, Failure, Found, Get, OutsideId, Page, Ran, Range, Route, Row,
    Scan, Service, Write, Written,
};
use api::snapshot::{Goal, Noted};
use api::status::{GroupStatus, Status};
use api::{Condition, Fingerprint, GroupId, Operation, Outcome, RequestId, Verdict};
use bytes::Bytes;
use parking_lot::Mutex;

type Rows = BTreeMap<Bytes, (Bytes, u64)>;

/// A node in memory.
#[derive(Default)]
pub struct Fake {
    world: Mutex<World>,
    plan: Mutex<VecDeque<Mishap>>,
    calls: AtomicUsize,
    pub unready: Mutex<Option<String>>,
    /// What it says of the cluster, instead of next to nothing.
    pub known: Mutex<Option<Status>>,
    pub figures: Mutex<Figures>,
    /// How often it was asked for snapshots, and why it would not note that.
    pub snapshots_asked: AtomicUsize,
    pub snapshots_refused: Mutex<Option<Failure>>,
    /// What the last call carried.
    pub last_call: Mutex<Option<Call>>,
    pub last_consistency: Mutex<Option<Consistency>>,
}

#[derive(Default)]
struct World {
    collections: BTreeMap<String, Rows>,
    version: u64,
    seen: HashMap<RequestId, (Fingerprint, Outcome)>,
}

/// What goes wrong with the next call.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// Nothing.
    Smooth,
    /// It fails and does nothing.
    Fail(Failure),
    /// It does what it should, and then fails.
    RunThenFail(Failure),
    /// It takes this long first.
    Slow(Duration),
    /// It panics.
    Panic,
}

impl Fake {
    /// How often it was asked for data.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Plans mishaps for the next calls, one each.
    pub fn plan(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.plan.lock().extend(mishaps);
    }

    /// Nothing goes wrong any more.
    pub fn forget_plan(&self) {
        self.plan.lock().clear();
    }

    /// Writes a row past all doors.
    pub fn plant(&self, collection: &str, key: &[u8], value: &[u8]) {
        let mut world = self.world.lock();
        world.version += 1;
        let version = world.version;
        let rows = world.collections.entry(collection.to_owned()).or_default();
        rows.insert(Bytes::copy_from_slice(key), (Bytes::copy_from_slice(value), version));
    }

    /// The value under a key, past all doors.
    pub fn value(&self, collection: &str, key: &[u8]) -> Option<Bytes> {
        let world = self.world.lock();
        world.collections.get(collection)?.get(key).map(|(value, _)| value.clone())
    }

    pub fn has_collection(&self, collection: &str) -> bool {
        self.world.lock().collections.contains_key(collection)
    }

    async fn mishap(&self, call: Call) -> Result<Option<Failure>, Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.last_call.lock() = Some(call);
        let mishap = self.plan.lock().pop_front().unwrap_or(Mishap::Smooth);
        match mishap {
            Mishap::Smooth => Ok(None),
            Mishap::Fail(failure) => Err(failure),
            Mishap::RunThenFail(failure) => Ok(Some(failure)),
            Mishap::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            Mishap::Panic => panic!("planned"),
        }
    }
}

fn named(call: Call) -> Option<RequestId> {
    Some(match call.request_id? {
        OutsideId::Client(id) | OutsideId::Proxy { id, .. } => id,
    })
}

impl Service for Fake {
    async fn write(&self, call: Call, write: Write) -> Result<Written, Failure> {
        let after = self.mishap(call).await?;
        let Write { collection, operation } = write;
        let route = route(&collection, operation.key());
        let fingerprint = operation.fingerprint(&collection);
        let mut world = self.world.lock();
        if let Some((first, outcome)) = named(call).and_then(|id| world.seen.get(&id)) {
            if *first != fingerprint {
                return Err(Failure::IdReused);
            }
            let mut outcome = outcome.clone();
            if matches!(&outcome.value, Value::Bytes(b) if b.len() > REPLAY_RESULT_BYTES_MAX) {
                outcome.value = Value::Omitted;
            }
            return Ok(Written { outcome, replay: true, route: Some(route) });
        }
        let outcome = world.apply(&collection, &operation);
        if let Some(id) = named(call) {
            world.seen.insert(id, (fingerprint, outcome.clone()));
        }
        match after {
            Some(failure) => Err(failure),
            None => Ok(Written { outcome, replay: false, route: Some(route) }),
        }
    }

    async fn get(&self, call: Call, get: Get) -> Result<Found, Failure> {
        self.mishap(call).await?;
        *self.last_consistency.lock() = Some(get.consistency);
        let world = self.world.lock();
        let Some(rows) = world.collections.get(&get.collection) else {
            return Ok(Found { row: None, route: None });
        };
        let row = rows.get(&get.key).map(|(value, version)| Row {
            key: get.key.clone(),
            value: value.clone(),
            version: *version,
        });
        Ok(Found { row, route: Some(route(&get.collection, &get.key)) })
    }

    async fn scan(&self, call: Call, scan: Scan) -> Result<Page, Failure> {
        self.mishap(call).await?;
        *self.last_consistency.lock() = Some(scan.consistency);
        let skip = match &scan.cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| Failure::BadCursor)?,
        };
        let world = self.world.lock();
        let mut rows: Vec<Row> = world
            .collections
            .get(&scan.collection)
            .into_iter()
            .flatten()
            .map(|(key, (value, version))| Row {
                key: key.clone(),
                value: value.clone(),
                version: *version,
            })
            .filter(|row| in_range(&scan.range, row))
            .collect();
        if let Range::Values(_) = scan.range {
            rows.sort_by(|a, b| (&a.value, &a.key).cmp(&(&b.value, &b.key)));
        }
        let mut bytes = 0;
        let all = rows.len();
        let page: Vec<Row> = rows
            .into_iter()
            .skip(skip)
            .take(scan.limit)
            .take_while(|row| {
                bytes += row.key.len() + row.value.len();
                bytes <= RANGE_BYTES_MAX
            })
            .collect();
        let next = skip + page.len();
        Ok(Page { cursor: (next < all).then(|| next.to_string()), rows: page })
    }

    async fn create_collection(&self, call: Call, name: String) -> Result<Ran, Failure> {
        let after = self.mishap(call).await?;
        self.world.lock().collections.entry(name).or_default();
        after.map_or(Ok(Ran { replay: false }), Err)
    }

    async fn drop_collection(&self, call: Call, name: String) -> Result<Ran, Failure> {
        let after = self.mishap(call).await?;
        self.world.lock().collections.remove(&name);
        after.map_or(Ok(Ran { replay: false }), Err)
    }

    async fn list_collections(&self, call: Call) -> Result<Vec<String>, Failure> {
        self.mishap(call).await?;
        Ok(self.world.lock().collections.keys().cloned().collect())
    }

    fn ask_snapshots(&self) -> Result<Noted, Failure> {
        self.snapshots_asked.fetch_add(1, Ordering::SeqCst);
        if let Some(failure) = self.snapshots_refused.lock().clone() {
            return Err(failure);
        }
        let Status { node, groups, .. } = self.status();
        let goal = |group: &GroupStatus| Goal { gid: group.gid, index: group.applied };
        Ok(Noted { node, groups: groups.iter().map(goal).collect() })
    }

    fn status(&self) -> Status {
        let alone =
            || Status { node: "n1".to_owned(), node_id: 1, ready: true, ..Status::default() };
        self.known.lock().clone().unwrap_or_else(alone)
    }

    fn readiness(&self) -> Vec<Check> {
        vec![Check { name: "storage", failure: self.unready.lock().clone() }]
    }

    fn figures(&self) -> Figures {
        self.figures.lock().clone()
    }
}

impl World {
    fn apply(&mut self, collection: &str, operation: &Operation) -> Outcome {
        let removes = matches!(operation, Operation::Delete { .. } | Operation::DeleteValue { .. });
        if removes && !self.collections.contains_key(collection) {
            return Outcome::bare(Verdict::NotFound, 0);
        }
        let rows = self.collections.entry(collection.to_owned()).or_default();
        let present = rows.get(operation.key()).cloned();
        let version = present.as_ref().map_or(0, |(_, version)| *version);
        let carrying = |verdict, value: Option<Bytes>| Outcome {
            verdict,
            version,
            value: value.map_or(Value::None, Value::Bytes),
        };
        let value = present.map(|(value, _)| value);
        let (write, result) = match operation {
            Operation::Put { condition, .. } | Operation::Delete { condition, .. }
                if !holds(condition, value.as_ref(), version) =>
            {
                return carrying(Verdict::Mismatch, value);
            }
            Operation::Put { value, .. } => (value.clone(), None),
            Operation::PutValue { value: new, .. } => match value {
                Some(old) if old == *new => return carrying(Verdict::Already, None),
                Some(_) => return carrying(Verdict::Conflict, None),
                None => (new.clone(), None),
            },
            Operation::Delete { key, .. } => {
                rows.remove(key);
                let verdict = if value.is_some() { Verdict::Done } else { Verdict::NotFound };
                return carrying(verdict, value);
            }
            Operation::DeleteValue { key, value: old } => {
                let verdict = match value {
                    None => Verdict::NotFound,
                    Some(present) if present == *old => Verdict::Done,
                    Some(_) => return carrying(Verdict::Conflict, None),
                };
                rows.remove(key);
                return carrying(verdict, None);
            }
            Operation::Append { value: more, bytes_max, .. } => {
                let whole = [&*value.unwrap_or_default(), more].concat();
                if whole.len() > *bytes_max as usize {
                    return carrying(Verdict::TooLarge, None);
                }
                let whole = Bytes::from(whole);
                (whole.clone(), Some(whole))
            }
        };
        self.version += 1;
        rows.insert(operation.key().clone(), (write, self.version));
        let value = result.map_or(Value::None, Value::Bytes);
        Outcome { verdict: Verdict::Done, version: self.version, value }
    }
}

fn holds(condition: &Condition, present: Option<&Bytes>, version: u64) -> bool {
    match condition {
        Condition::Always => true,
        Condition::Absent => present.is_none(),
        Condition::Version(expected) => version == *expected,
        Condition::Value(expected) => present == Some(expected),
    }
}

fn in_range(range: &Range, row: &Row) -> bool {
    let within = |bounds: &Bounds, it: &Bytes| {
        *it >= bounds.start
            && bounds.end.as_ref().is_none_or(|end| it < end)
            && it.starts_with(&bounds.prefix)
    };
    match range {
        Range::Values(bounds) => within(bounds, &row.value),
        Range::Keys(bounds) => within(bounds, &row.key),
        Range::Value(value) => row.value == *value,
    }
}

fn route(collection: &str, key: &[u8]) -> Route {
    let leader = Some("rdb_replica_3".to_owned());
    Route { shard: shard::of_key(collection, key), group: GroupId(1), leader }
}
