//! Dedup: did this request run before, and what did it come to?
//!
//! Every command that ran leaves an item: its id, its fingerprint and its
//! outcome. A command whose id has an item is not run again; it is answered
//! with the stored outcome. Items are forgotten after a time, so a command
//! that is too old to tell is refused. Both state machines use this.
//!
//! # Layout
//!
//! One [`row`] per entry and class, so that a batch of commands costs one write.
//! Rows of a class are in the order of their entries, so the oldest are at the
//! left edge of the class. In memory there is a map from id to its item's place;
//! the item itself is read from the row.
//!
//! # Invariants
//!
//! * D1: within a class, an id has at most one item.
//! * D2: an item is kept until `now > item.time + TTL + SKEW`, or it is evicted
//!   and the floor is at least its issue time.
//! * D3: a command without an item runs only if
//!   `now - TTL <= issued_at <= now + SKEW` and `issued_at > floor`.
//!
//! Why no request runs twice. Let it run first at group time `t1` and be tried
//! again at `t2`. It ran at `t1`, so `issued_at <= t1 + SKEW` (D3). If it may run
//! at `t2` then `t2 - TTL <= issued_at`, so `t2 <= t1 + TTL + SKEW`, so its item
//! did not expire (D2). If the item was evicted, then `issued_at <= floor`, and
//! it may not run (D3). So the item is there, and it is answered from it. Group
//! time never goes back (X1), neither does the floor. No clock of a client or a
//! node matters: a wrong one only gets a request refused. The proof is for tries
//! with the same issue time. A client's id that a node stamps anew is safe for
//! TTL + SKEW after it ran.
//!
//! # Limits
//!
//! [`DEDUP_ITEMS_MAX`] items per class: on overflow the oldest rows are evicted
//! and the floor rises to the latest issue time in them. An entry expires at
//! most [`DEDUP_ROWS_EXPIRED_PER_ENTRY`] rows per class; what stays longer is
//! still answered from. Results above
//! [`REPLAY_RESULT_BYTES_MAX`](api::limits::REPLAY_RESULT_BYTES_MAX) are left out.

mod row;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::codec::Malformed;
use api::limits::{
    CLIENT_ID_SKEW, CLIENT_ID_TTL, DEDUP_ITEMS_MAX, DEDUP_ROWS_EXPIRED_PER_ENTRY, INTERNAL_ID_SKEW,
    INTERNAL_ID_TTL,
};
use api::{Header, Outcome, RequestClass, RequestId};
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};

use self::row::{Item, Pending, item_at, row_key};
pub(crate) use self::row::{RowReader, parse_key};
use crate::seal;
use crate::tables::Tables;
use crate::time::{read_number, write_number};

/// What is known of a request's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// Nothing.
    New,
    /// The request ran; this is what it came to.
    Replay(Outcome),
    /// Another request ran under this id.
    Reused,
}

/// Whether a request's issue time lets it run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may run.
    Timely,
    /// It is too old to tell whether it ran before.
    Stale,
    /// It is from the future.
    FromFuture,
}

/// How much is remembered: constants of the format, smaller in tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Items per class.
    pub items_max: u64,
    /// Rows of a class that one entry expires.
    pub expired_per_entry: usize,
}

impl Bounds {
    /// The bounds of the format.
    pub(crate) const FORMAT: Self =
        Self { items_max: DEDUP_ITEMS_MAX, expired_per_entry: DEDUP_ROWS_EXPIRED_PER_ENTRY };
}

/// The memory of requests of one group.
pub(crate) struct Dedup {
    internal: Class,
    client: Class,
    bounds: Bounds,
    now_ms: u64,
    path: Arc<Path>,
}

/// The memory of one class of requests.
struct Class {
    class: RequestClass,
    ttl_ms: u64,
    skew_ms: u64,
    /// The latest issue time that was evicted.
    floor_ms: Option<u64>,
    /// All rows, oldest first.
    rows: VecDeque<RowMark>,
    /// The number of the oldest row. Rows are numbered in order, wrapping.
    first_row: u32,
    /// Where each id's item is. A hash map, because half a million random ids in
    /// a tree cost several times as much to find; it is looked up, never iterated.
    places: HashMap<RequestId, Place>,
    /// The items of the entry that is being applied.
    pending: Pending,
}

/// A row's key and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowMark {
    time_ms: u64,
    index: u64,
    items: u32,
}

/// Where an item is: in which row, how far behind the row's first item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    row: u32,
    offset: u32,
}

impl Dedup {
    /// Reads all rows and builds the map.
    pub(crate) fn load(
        tables: &Tables,
        txn: &RoTxn<'_>,
        path: &Arc<Path>,
        bounds: Bounds,
    ) -> Result<Self, Fault> {
        Ok(Self {
            internal: Class::load(RequestClass::Internal, tables, txn, path)?,
            client: Class::load(RequestClass::Client, tables, txn, path)?,
            bounds,
            now_ms: 0,
            path: path.clone(),
        })
    }

    /// Starts the entry at `index`; forgets what is past its time.
    pub(crate) fn begin(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        now_ms: u64,
        index: u64,
    ) -> Result<(), Fault> {
        assert!(now_ms >= self.now_ms, "X1: time went back from {} to {now_ms}", self.now_ms);
        self.now_ms = now_ms;
        for class in [&mut self.internal, &mut self.client] {
            assert!(class.pending.count == 0, "an entry begins while another is open");
            class.pending.mark = Some((now_ms, index));
            class.expire(self.bounds.expired_per_entry, tables, txn, &self.path)?;
        }
        Ok(())
    }

    /// What is known of the request's id.
    pub(crate) fn recall(
        &self,
        tables: &Tables,
        txn: &RoTxn<'_>,
        header: &Header,
    ) -> Result<Recall, Fault> {
        let class = self.class(header.class);
        let Some(place) = class.places.get(&header.id) else { return Ok(Recall::New) };
        let item = class.item(*place, tables, txn, &self.path)?;
        if item.id != header.id {
            let what = format!("item of request {} is another's", header.id);
            return Err(Fault::corrupt("recall request", &*self.path, what));
        }
        Ok(match item.fingerprint == header.fingerprint {
            true => Recall::Replay(item.outcome),
            false => Recall::Reused,
        })
    }

    /// Whether a request without an item may run now (D3).
    pub(crate) fn admit(&self, header: &Header) -> Admission {
        let class = self.class(header.class);
        let issued = header.issued_at_ms;
        if issued.saturating_add(class.ttl_ms) < self.now_ms || Some(issued) <= class.floor_ms {
            Admission::Stale
        } else if issued > self.now_ms.saturating_add(class.skew_ms) {
            Admission::FromFuture
        } else {
            Admission::Timely
        }
    }

    /// Remembers what a request came to. It must be [`Recall::New`].
    pub(crate) fn record(&mut self, header: &Header, outcome: &Outcome) {
        let class = match header.class {
            RequestClass::Internal => &mut self.internal,
            RequestClass::Client => &mut self.client,
        };
        let offset = class.pending.push(header, outcome);
        let place = Place { row: class.next_row(), offset };
        let before = class.places.insert(header.id, place);
        assert!(before.is_none(), "D1: request {} ran twice", header.id);
    }

    /// Ends the entry: writes its rows, and evicts the oldest if there are too many items.
    pub(crate) fn finish(&mut self, tables: &Tables, txn: &mut RwTxn<'_>) -> Result<(), Fault> {
        for class in [&mut self.internal, &mut self.client] {
            class.flush(tables, txn, &self.path)?;
            class.evict(self.bounds.items_max, tables, txn, &self.path)?;
        }
        Ok(())
    }

    /// The items remembered now, of both classes.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.internal.places.len() + self.client.places.len()
    }

    fn class(&self, class: RequestClass) -> &Class {
        match class {
            RequestClass::Internal => &self.internal,
            RequestClass::Client => &self.client,
        }
    }
}

impl Class {
    fn load(
        class: RequestClass,
        tables: &Tables,
        txn: &RoTxn<'_>,
        path: &Path,
    ) -> Result<Self, Fault> {
        let (ttl, skew) = match class {
            RequestClass::Internal => (INTERNAL_ID_TTL, INTERNAL_ID_SKEW),
            RequestClass::Client => (CLIENT_ID_TTL, CLIENT_ID_SKEW),
        };
        let mut loaded = Self {
            class,
            ttl_ms: millis(ttl),
            skew_ms: millis(skew),
            floor_ms: read_number(tables, txn, floor_key(class), path)?,
            rows: VecDeque::new(),
            first_row: 0,
            places: HashMap::new(),
            pending: Pending::default(),
        };
        let prefix = [class.tag()];
        let rows = tables.dedup.prefix_iter(txn, &prefix).or_fault("read dedup rows", path)?;
        for row in rows {
            let (key, value) = row.or_fault("read dedup rows", path)?;
            loaded.load_row(key, value, path)?;
        }
        Ok(loaded)
    }

    fn load_row(&mut self, key: &[u8], value: &[u8], path: &Path) -> Result<(), Fault> {
        let malformed = |error: Malformed| malformed(key, &error, path);
        let (time_ms, index) = parse_key(key).map_err(malformed)?;
        let body = seal::open(key, value).ok_or_else(|| seal::broken(key, path))?;
        let number = self.next_row();
        let mut items = 0;
        let mut row = RowReader::new(body).map_err(malformed)?;
        while let Some((offset, item)) = row.next().map_err(malformed)? {
            items += 1;
            if self.places.insert(item.id, Place { row: number, offset }).is_some() {
                let what = format!("request {} has two dedup items", item.id);
                return Err(Fault::corrupt("read dedup rows", path, what));
            }
        }
        self.rows.push_back(RowMark { time_ms, index, items });
        Ok(())
    }

    /// The number of the row after the last.
    fn next_row(&self) -> u32 {
        let rows = u32::try_from(self.rows.len()).expect("rows hold items, which are bounded");
        self.first_row.wrapping_add(rows)
    }

    fn item(
        &self,
        place: Place,
        tables: &Tables,
        txn: &RoTxn<'_>,
        path: &Path,
    ) -> Result<Item, Fault> {
        let position = place.row.wrapping_sub(self.first_row) as usize;
        let Some(mark) = self.rows.get(position) else {
            assert!(place.row == self.next_row(), "an item is in a row or in the open entry");
            let item = self.pending.item(place.offset);
            return item.map_err(|error| malformed(b"open entry", &error, path));
        };
        let key = row_key(self.class, mark.time_ms, mark.index);
        let body = seal::read(tables.dedup, txn, &key, path)?;
        let body = body.ok_or_else(|| missing(&key, path))?;
        item_at(body, place.offset).map_err(|error| malformed(&key, &error, path))
    }

    fn expire(
        &mut self,
        rows_max: usize,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        path: &Path,
    ) -> Result<(), Fault> {
        let now_ms = self.pending.mark.map_or(0, |(time_ms, _)| time_ms);
        for _ in 0..rows_max {
            let Some(oldest) = self.rows.front() else { break };
            let kept_until =
                oldest.time_ms.saturating_add(self.ttl_ms).saturating_add(self.skew_ms);
            if now_ms <= kept_until {
                break;
            }
            let _latest_issued = self.forget_oldest(tables, txn, path)?;
        }
        Ok(())
    }

    /// Forgets the oldest rows until at most `items_max` items are left, and
    /// refuses from then on whatever was issued when they were (D2).
    fn evict(
        &mut self,
        items_max: u64,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        path: &Path,
    ) -> Result<(), Fault> {
        let before = self.floor_ms;
        while self.places.len() as u64 > items_max {
            let latest_issued_ms = self.forget_oldest(tables, txn, path)?;
            self.floor_ms = self.floor_ms.max(Some(latest_issued_ms));
        }
        assert!(self.floor_ms >= before, "D2: the floor sank");
        match self.floor_ms {
            Some(floor) if self.floor_ms != before => {
                write_number(tables, txn, floor_key(self.class), floor, path)
            }
            _ => Ok(()),
        }
    }

    /// Removes the oldest row and its items; returns the latest issue time in it.
    fn forget_oldest(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn<'_>,
        path: &Path,
    ) -> Result<u64, Fault> {
        let mark = self.rows.pop_front().expect("items are in rows");
        let key = row_key(self.class, mark.time_ms, mark.index);
        let malformed = |error: Malformed| malformed(&key, &error, path);
        let body = seal::read(tables.dedup, txn, &key, path)?;
        let mut row =
            RowReader::new(body.ok_or_else(|| missing(&key, path))?).map_err(malformed)?;
        let latest_issued_ms = row.latest_issued_ms;
        let mut forgotten = 0;
        while let Some((offset, item)) = row.next().map_err(malformed)? {
            forgotten += 1;
            let place = self.places.remove(&item.id);
            let expected = Place { row: self.first_row, offset };
            assert!(place == Some(expected), "D1: item of {} is at {place:?}", item.id);
        }
        assert!(forgotten == mark.items, "a row of {} items held {forgotten}", mark.items);
        self.first_row = self.first_row.wrapping_add(1);
        let deleted = tables.dedup.delete(txn, &key).or_fault("delete dedup row", path)?;
        assert!(deleted, "a row that was read is deleted");
        Ok(latest_issued_ms)
    }

    fn flush(&mut self, tables: &Tables, txn: &mut RwTxn<'_>, path: &Path) -> Result<(), Fault> {
        let pending = std::mem::take(&mut self.pending);
        if pending.count == 0 {
            return Ok(());
        }
        let (time_ms, index) = pending.mark.expect("items are recorded inside an entry");
        if let Some(last) = self.rows.back() {
            let (this, last) = ((time_ms, index), (last.time_ms, last.index));
            assert!(this > last, "dedup rows out of order: {this:?} after {last:?}");
        }
        let key = row_key(self.class, time_ms, index);
        let value = seal::seal(&key, pending.body());
        tables.dedup.put(txn, &key, &value).or_fault("write dedup row", path)?;
        self.rows.push_back(RowMark { time_ms, index, items: pending.count });
        Ok(())
    }
}

fn floor_key(class: RequestClass) -> &'static [u8] {
    match class {
        RequestClass::Internal => b"dedup floor internal",
        RequestClass::Client => b"dedup floor client",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("limits are far below 2^64 milliseconds")
}

fn malformed(key: &[u8], error: &Malformed, path: &Path) -> Fault {
    let what = format!("dedup row {}: {error}", hex::encode(key));
    Fault::corrupt("read dedup row", path, what)
}

fn missing(key: &[u8], path: &Path) -> Fault {
    let what = format!("dedup row {} is gone", hex::encode(key));
    Fault::corrupt("read dedup row", path, what)
}
