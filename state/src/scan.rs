//! Scan: which rows of a collection come next, in order, over many shards?
//!
//! Every shard has its own sorted range of the table, so a scan merges them: a
//! heap holds the next class of each shard. Keys come from `rows`, where every
//! class is one row; values come from the index `values`, where rows that differ
//! only behind a cut form one class (see `data::index`). The rows of the smallest
//! class, of all shards, are read, sorted and appended; then the next class.
//!
//! What is returned is true at one instant, that of the view. It names the shards
//! it covers with their epochs, so that a coordinator can see that every shard was
//! covered exactly once.
//!
//! # Invariants
//!
//! * K5: rows are in strictly ascending order, all behind the resume position, and
//!   none that belongs between two of them is missing.
//!
//! # Limits
//!
//! A page ends at its row limit or at [`RANGE_BYTES_MAX`] of keys and values, but
//! has at least one row. Rows of a class are sorted as references into the
//! transaction's pages, never more of them than fit the page.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;

use api::limits::RANGE_BYTES_MAX;
use api::service::{self, Range};
use api::{CollectionId, Epoch, ShardId};
use bytes::Bytes;
use disk::Fault;
use disk::fault::OrFault;
use heed::RoRange;

use crate::data::counts::Counts;
use crate::data::index;
use crate::key::{self, PLACE_BYTES};
use crate::read::ReadRejection;
use crate::row::{self, Row};
use crate::view::View;

/// Which rows to read.
#[derive(Clone, Debug)]
pub struct ScanRequest<'r> {
    /// The collection.
    pub collection: CollectionId,
    /// Which rows, in which order.
    pub range: &'r Range,
    /// The last row of the page before; rows behind it are read.
    pub after: Option<&'r Position>,
    /// Rows at most; at least one is read.
    pub limit: usize,
    /// Only these shards, or all that the group serves. Shards it does not serve
    /// are passed over and missing in [`ScanPart::served`].
    pub shards: Option<&'r [ShardId]>,
}

/// A place in the order of a scan: that of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The row's value if the scan is by value, else empty.
    pub value: Bytes,
    /// The row's key.
    pub key: Bytes,
}

/// The rows that one group has for a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPart {
    /// The rows, in order.
    pub rows: Vec<service::Row>,
    /// The shards that were read, in order, each with its owner's epoch.
    pub served: Vec<(ShardId, Epoch)>,
    /// Whether there may be rows behind the last one; `false` is certain.
    pub more: bool,
}

impl Position {
    /// Where a row stands in a scan of `range`.
    #[must_use]
    pub fn of(range: &Range, row: &service::Row) -> Self {
        let value = match range {
            Range::Values(_) => row.value.clone(),
            Range::Keys(_) | Range::Value(_) => Bytes::new(),
        };
        Self { value, key: row.key.clone() }
    }
}

impl View {
    /// Reads rows in order, over the shards the group serves.
    pub fn scan(
        &self,
        request: &ScanRequest<'_>,
    ) -> Result<Result<ScanPart, ReadRejection>, Fault> {
        if self.fence(request.collection)?.is_some() {
            return Ok(Err(ReadRejection::Dropping));
        }
        let wanted: Option<BTreeSet<_>> = request.shards.map(|list| list.iter().collect());
        let mut served = self.owned_shards()?;
        served.retain(|(shard, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(shard)));
        let span = Span::of(request);
        let mut merge = Merge::open(self, request, &span, &served)?;
        let mut page = Page::new(request.limit);
        while let Some(class) = merge.next_class() {
            if page.is_full() {
                page.more = true;
                break;
            }
            let mut sorting = Sorting::new(&page);
            merge.read_class(class, |candidate| {
                if span.holds(&candidate) {
                    sorting.add(candidate);
                }
            })?;
            page.append(sorting);
        }
        Ok(Ok(ScanPart { rows: page.rows, served, more: page.more }))
    }
}

/// A row that may be in the page. Ordered as the scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<'t> {
    /// Empty if the scan is not by value.
    order: &'t [u8],
    key: &'t [u8],
    value: &'t [u8],
    version: u64,
}

impl Candidate<'_> {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Which rows are wanted, exactly; and which classes, roughly.
struct Span<'r> {
    by_value: bool,
    /// First and past the last class that may hold wanted rows.
    classes: (Vec<u8>, Option<Vec<u8>>),
    /// First and past the last wanted value or key.
    edges: (Bytes, Option<Bytes>),
    prefix: &'r [u8],
    /// The only wanted value.
    exactly: Option<&'r Bytes>,
    after: Option<&'r Position>,
}

impl<'r> Span<'r> {
    fn of(request: &ScanRequest<'r>) -> Self {
        let mut span = match request.range {
            Range::Keys(bounds) => {
                let start = bounds.start.clone().max(bounds.prefix.clone());
                let end = earliest(&bounds.end, &bounds.prefix);
                let classes = (start.to_vec(), end.as_deref().map(<[u8]>::to_vec));
                let edges = (start, end);
                Self { by_value: false, classes, edges, ..Self::all(&bounds.prefix) }
            }
            Range::Values(bounds) => {
                let start = bounds.start.clone().max(bounds.prefix.clone());
                let end = earliest(&bounds.end, &bounds.prefix);
                let upper = end.as_ref().map(|end| index::upper_edge(end));
                let classes = (index::lower_edge(&start), upper);
                let edges = (start, end);
                Self { classes, edges, ..Self::all(&bounds.prefix) }
            }
            Range::Value(value) => {
                let class = index::value_class(value);
                let past = key::past_prefix(&class);
                Self { classes: (class, past), exactly: Some(value), ..Self::all(&[]) }
            }
        };
        span.resume(request.after);
        span
    }

    fn all(prefix: &'r [u8]) -> Self {
        let (classes, edges) = Default::default();
        Self { by_value: true, classes, edges, prefix, exactly: None, after: None }
    }

    /// Skips the classes before that of `after`. Its own class may go on behind it.
    fn resume(&mut self, after: Option<&'r Position>) {
        self.after = after;
        let Some(position) = after else { return };
        let class = match (self.by_value, self.exactly) {
            (false, _) => position.key.to_vec(),
            (true, Some(value)) => index::class(value, &position.key),
            (true, None) => index::class(&position.value, &position.key),
        };
        if class > self.classes.0 {
            self.classes.0 = class;
        }
    }

    /// Whether exactly this row is wanted.
    fn holds(&self, row: &Candidate<'_>) -> bool {
        let ordered_by = if self.by_value { row.value } else { row.key };
        let inside = match self.exactly {
            Some(value) => value == row.value,
            None => {
                let (start, end) = &self.edges;
                ordered_by >= &start[..]
                    && end.as_ref().is_none_or(|end| ordered_by < &end[..])
                    && ordered_by.starts_with(self.prefix)
            }
        };
        let behind = |after: &Position| (row.order, row.key) > (&after.value[..], &after.key[..]);
        inside && self.after.is_none_or(behind)
    }

    /// The value by which rows are ordered before their key.
    fn order<'t>(&self, value: &'t [u8]) -> &'t [u8] {
        if self.by_value && self.exactly.is_none() { value } else { &[] }
    }
}

/// The first byte string that is past `end` or past all that start with `prefix`.
fn earliest(end: &Option<Bytes>, prefix: &[u8]) -> Option<Bytes> {
    let past = key::past_prefix(prefix).map(Bytes::from);
    match (end, past) {
        (Some(end), Some(past)) => Some(end.min(&past).clone()),
        (Some(end), None) => Some(end.clone()),
        (None, past) => past,
    }
}

/// The sorted ranges of many shards, read class by class.
struct Merge<'v, 's> {
    view: &'v View,
    span: &'s Span<'s>,
    collection: CollectionId,
    cursors: Vec<Cursor<'v>>,
    /// The next class of every cursor that has one.
    heap: BinaryHeap<Reverse<(&'v [u8], usize)>>,
}

/// One shard's range and its next entry.
struct Cursor<'v> {
    shard: ShardId,
    entries: RoRange<'v, heed::types::Bytes, heed::types::Bytes>,
    next: Option<Entry<'v>>,
}

/// An entry of `rows` or `values`, as far as it is needed.
#[derive(Clone, Copy)]
struct Entry<'v> {
    class: &'v [u8],
    user_key: &'v [u8],
    /// The stored row, if the entry is one.
    stored: Option<&'v [u8]>,
}

impl<'v, 's> Merge<'v, 's> {
    fn open(
        view: &'v View,
        request: &ScanRequest<'_>,
        span: &'s Span<'s>,
        shards: &[(ShardId, Epoch)],
    ) -> Result<Self, Fault> {
        let collection = request.collection;
        let heap = BinaryHeap::new();
        let mut merge = Self { view, span, collection, cursors: Vec::new(), heap };
        let empty = matches!(&span.classes, (first, Some(past)) if first >= past);
        for (shard, _) in shards.iter().filter(|_| !empty) {
            if view.shard_counts(*shard, collection)? != Counts::default() {
                merge.add(*shard)?;
            }
        }
        Ok(merge)
    }

    fn add(&mut self, shard: ShardId) -> Result<(), Fault> {
        let place = key::place(shard, self.collection);
        let (first, past) = &self.span.classes;
        let first = [&place, &first[..]].concat();
        let past = match past {
            Some(past) => Some([&place, &past[..]].concat()),
            None => key::past_prefix(&place),
        };
        let past = past.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let bounds = (Bound::Included(&first[..]), past);
        let tables = &self.view.tables;
        let table = if self.span.by_value { tables.values } else { tables.rows };
        let entries =
            table.range(&self.view.txn, &bounds).or_fault("open scan", &self.view.path)?;
        self.cursors.push(Cursor { shard, entries, next: None });
        self.advance(self.cursors.len() - 1)
    }

    /// The smallest class that is left, if any.
    fn next_class(&self) -> Option<&'v [u8]> {
        self.heap.peek().map(|Reverse((class, _))| *class)
    }

    /// Reads all rows of the class that is next.
    fn read_class(
        &mut self,
        class: &'v [u8],
        mut found: impl FnMut(Candidate<'v>),
    ) -> Result<(), Fault> {
        while self.next_class() == Some(class) {
            let Some(Reverse((_, number))) = self.heap.pop() else { break };
            let cursor = self.cursors.get(number).expect("the heap names cursors");
            let entry = cursor.next.expect("a cursor in the heap has an entry");
            found(self.candidate(cursor.shard, &entry)?);
            self.advance(number)?;
        }
        Ok(())
    }

    /// Moves a cursor on and puts its next class into the heap.
    fn advance(&mut self, number: usize) -> Result<(), Fault> {
        let path = &self.view.path;
        let cursor = self.cursors.get_mut(number).expect("the heap names cursors");
        let found = cursor.entries.next().transpose().or_fault("scan rows", path)?;
        cursor.next = match found {
            None => None,
            Some((stored_key, stored_value)) => {
                let entry = match self.span.by_value {
                    true => index::parse(stored_key, stored_value).map(|parsed| Entry {
                        class: parsed.class,
                        user_key: parsed.user_key,
                        stored: None,
                    }),
                    false => stored_key.get(PLACE_BYTES..).map(|user_key| Entry {
                        class: user_key,
                        user_key,
                        stored: Some(stored_value),
                    }),
                };
                let unknown = || row::broken(stored_key, "not an entry of the table", path);
                Some(entry.ok_or_else(unknown)?)
            }
        };
        if let Some(entry) = cursor.next {
            self.heap.push(Reverse((entry.class, number)));
        }
        Ok(())
    }

    fn candidate(&self, shard: ShardId, entry: &Entry<'v>) -> Result<Candidate<'v>, Fault> {
        let View { tables, txn, path, .. } = self.view;
        let place = (shard, self.collection, entry.user_key);
        let row_key = || key::row(shard, self.collection, entry.user_key);
        let row: Row<'v> = match entry.stored {
            Some(stored) => Row::open(self.collection, entry.user_key, stored)
                .map_err(|what| row::broken(&row_key(), what, path))?,
            None => row::read(tables, txn, place, path)?
                .ok_or_else(|| row::broken(&row_key(), "K4: indexed, but not there", path))?,
        };
        if entry.stored.is_none() && index::class(row.value, entry.user_key) != entry.class {
            return Err(row::broken(&row_key(), "K4: indexed under another value", path));
        }
        Ok(Candidate {
            order: self.span.order(row.value),
            key: entry.user_key,
            value: row.value,
            version: row.version,
        })
    }
}

/// The rows of one class, as many of the first as the page has room for.
struct Sorting<'t> {
    /// The largest on top.
    heap: BinaryHeap<Candidate<'t>>,
    bytes: usize,
    rows_left: usize,
    bytes_left: usize,
    /// Rows that do not fit the page.
    dropped: bool,
}

impl<'t> Sorting<'t> {
    fn new(page: &Page<'_>) -> Self {
        Self {
            heap: BinaryHeap::new(),
            bytes: 0,
            rows_left: page.limit - page.rows.len(),
            bytes_left: RANGE_BYTES_MAX.saturating_sub(page.bytes),
            dropped: false,
        }
    }

    fn add(&mut self, candidate: Candidate<'t>) {
        self.bytes += candidate.bytes();
        self.heap.push(candidate);
        // The largest goes if those before it fill the page without it.
        while let Some(largest) = self.heap.peek() {
            let before = self.bytes - largest.bytes();
            let fits = self.heap.len() <= self.rows_left && before < self.bytes_left.max(1);
            if fits || self.heap.len() == 1 {
                break;
            }
            self.bytes = before;
            self.heap.pop();
            self.dropped = true;
        }
    }
}

/// The page in the making.
struct Page<'t> {
    rows: Vec<service::Row>,
    last: Option<Candidate<'t>>,
    bytes: usize,
    limit: usize,
    closed: bool,
    more: bool,
}

impl<'t> Page<'t> {
    fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self { rows: Vec::new(), last: None, bytes: 0, limit, closed: false, more: false }
    }

    fn is_full(&self) -> bool {
        self.closed || self.rows.len() >= self.limit
    }

    /// Appends the rows of the next class, until one does not fit.
    fn append(&mut self, sorting: Sorting<'t>) {
        let dropped = sorting.dropped;
        for row in sorting.heap.into_sorted_vec() {
            let bytes = self.bytes + row.bytes();
            let fits = self.rows.len() < self.limit && bytes <= RANGE_BYTES_MAX;
            if self.closed || !(fits || self.rows.is_empty()) {
                self.closed = true;
                self.more = true;
                return;
            }
            // Not in production: a key that a router sent to two shards would be
            // there twice, which is wrong, but no reason to stop a reader.
            let ascends = |last: Candidate<'_>| (last.order, last.key) < (row.order, row.key);
            debug_assert!(self.last.is_none_or(ascends), "K5: rows out of order");
            self.last = Some(row);
            self.bytes = bytes;
            self.rows.push(service::Row {
                key: Bytes::copy_from_slice(row.key),
                value: Bytes::copy_from_slice(row.value),
                version: row.version,
            });
        }
        if dropped {
            self.closed = true;
            self.more = true;
        }
    }
}
