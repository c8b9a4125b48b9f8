//! Verify: do a group's tables agree with each other?
//!
//! A full scrub: every byte of every data table is read and checked, counts and
//! digests are computed again, and rows and index entries are matched both ways.
//! What is wrong is reported, not repaired: the durable truth of a group is its
//! snapshot and its log, and a state that does not agree is rebuilt from them.

use api::limits::SHARDS;
use api::{CollectionId, RequestClass, ShardId};
use disk::Fault;
use disk::fault::OrFault;

use super::counts::Counts;
use super::index;
use super::shards::{self, Ownership};
use crate::dedup::{self, RowReader};
use crate::key;
use crate::row::Row;
use crate::seal;
use crate::tables::Table;
use crate::view::View;

/// Problems that are described; more are only counted.
const DESCRIBED_MAX: usize = 100;

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All rows together.
    pub total: Counts,
    /// Remembered requests.
    pub dedup_items: u64,
    /// How many things are wrong.
    pub problems: u64,
    /// The first of them, described.
    pub described: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems == 0
    }

    fn problem(&mut self, describe: impl FnOnce() -> String) {
        self.problems += 1;
        if self.described.len() < DESCRIBED_MAX {
            self.described.push(describe());
        }
    }
}

impl View {
    /// Checks all data tables against themselves and each other. Reads everything;
    /// memory does not grow with the tables. An `Err` is a fault of the storage
    /// below, what is wrong with the bytes is in the report.
    pub fn verify(&self) -> Result<Report, Fault> {
        let mut report = Report::default();
        verify_rows(self, &mut report)?;
        verify_index(self, &mut report)?;
        verify_counts(self, &mut report)?;
        verify_sealed(self, &mut report)?;
        verify_dedup(self, &mut report)?;
        Ok(report)
    }
}

type Place = (ShardId, CollectionId);

/// Every row passes its check (K1), is in a shard that is served and whose
/// sequence covers it (K2), is counted (K3) and indexed (K4).
fn verify_rows(view: &View, report: &mut Report) -> Result<(), Fault> {
    let mut current: Option<(Place, Counts)> = None;
    let rows = view.tables.rows.iter(&view.txn).or_fault("verify rows", &view.path)?;
    for found in rows {
        let (row_key, stored) = found.or_fault("verify rows", &view.path)?;
        let Some((shard, collection, user_key)) = key::split(row_key) else {
            report.problem(|| format!("row {}: key is short", hex::encode(row_key)));
            continue;
        };
        let place = (shard, collection);
        if current.is_none_or(|(last, _)| last != place) {
            close_place(view, current.take(), report)?;
            current = Some((place, Counts::default()));
        }
        let row = match Row::open(collection, user_key, stored) {
            Ok(row) => row,
            Err(what) => {
                report.problem(|| format!("row {}: {what}", hex::encode(row_key)));
                continue;
            }
        };
        if let Some((_, counts)) = &mut current {
            counts.add(user_key, &row);
        }
        let entry = index::entry(shard, collection, user_key, row.value);
        let indexed = view.tables.values.get(&view.txn, &entry.key);
        if indexed.or_fault("verify rows", &view.path)? != Some(entry.value) {
            report.problem(|| format!("K4: row {} is not indexed", hex::encode(row_key)));
        }
        verify_version(view, shard, &row, row_key, report)?;
    }
    close_place(view, current, report)
}

fn verify_version(
    view: &View,
    shard: ShardId,
    row: &Row<'_>,
    row_key: &[u8],
    report: &mut Report,
) -> Result<(), Fault> {
    match shards::read(&view.tables, &view.txn, shard, &view.path) {
        Ok(Some(known)) if known.state == Ownership::Serving => {
            if row.version == 0 || row.version > known.sequence {
                let (version, sequence) = (row.version, known.sequence);
                let row_key = hex::encode(row_key);
                report.problem(|| format!("K2: row {row_key} has {version} of {sequence}"));
            }
            Ok(())
        }
        Ok(_) => {
            report.problem(|| format!("row {} is in no served shard", hex::encode(row_key)));
            Ok(())
        }
        // A shard row that cannot be read is reported once, by itself.
        Err(fault) if fault.is_corruption() => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Compares what was counted of a collection in a shard with what is stored (K3).
fn close_place(
    view: &View,
    counted: Option<(Place, Counts)>,
    report: &mut Report,
) -> Result<(), Fault> {
    let Some((place, counted)) = counted else { return Ok(()) };
    report.total = report.total.plus(counted);
    match view.shard_counts(place.0, place.1) {
        Ok(stored) => {
            if stored != counted {
                report.problem(|| {
                    let place = format!("collection {} in shard {}", place.1, place.0);
                    format!("K3: {place} counts {stored:?}, holds {counted:?}")
                });
            }
            Ok(())
        }
        Err(fault) if fault.is_corruption() => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Every index entry has its row (K4). Together with the rows' own check, entries
/// and rows match one to one.
fn verify_index(view: &View, report: &mut Report) -> Result<(), Fault> {
    let entries = view.tables.values.iter(&view.txn).or_fault("verify index", &view.path)?;
    for found in entries {
        let (stored_key, stored_value) = found.or_fault("verify index", &view.path)?;
        let parsed = index::parse(stored_key, stored_value);
        let (Some((shard, collection, _)), Some(parsed)) = (key::split(stored_key), parsed) else {
            report.problem(|| format!("index entry {} is none", hex::encode(stored_key)));
            continue;
        };
        let row_key = key::row(shard, collection, parsed.user_key);
        let stored = view.tables.rows.get(&view.txn, &row_key);
        let Some(stored) = stored.or_fault("verify index", &view.path)? else {
            report.problem(|| format!("K4: entry {} has no row", hex::encode(stored_key)));
            continue;
        };
        // A row that does not open was reported with the rows.
        let Ok(row) = Row::open(collection, parsed.user_key, stored) else { continue };
        let entry = index::entry(shard, collection, parsed.user_key, row.value);
        if (&entry.key[..], entry.value) != (stored_key, stored_value) {
            report.problem(|| format!("K4: entry {} is not its row's", hex::encode(stored_key)));
        }
    }
    Ok(())
}

/// Counts are of rows that exist: nothing is counted where there is no row.
fn verify_counts(view: &View, report: &mut Report) -> Result<(), Fault> {
    for found in view.tables.counts.iter(&view.txn).or_fault("verify counts", &view.path)? {
        let (key, value) = found.or_fault("verify counts", &view.path)?;
        let counts = seal::open(key, value).and_then(|body| Counts::decode(body).ok());
        if counts.is_none_or(|counts| counts.rows == 0) {
            report.problem(|| format!("counts {} cannot be read", hex::encode(key)));
        }
        let mut rows =
            view.tables.rows.prefix_iter(&view.txn, key).or_fault("verify", &view.path)?;
        if rows.next().transpose().or_fault("verify counts", &view.path)?.is_none() {
            report.problem(|| format!("K3: counts {}, but there is no row", hex::encode(key)));
        }
    }
    Ok(())
}

/// Shards, fences and system rows pass their seals and decode.
fn verify_sealed(view: &View, report: &mut Report) -> Result<(), Fault> {
    let sealed: [(&str, Table); 3] = [
        ("shard", view.tables.shards),
        ("fence", view.tables.fences),
        ("system", view.tables.system),
    ];
    for (name, table) in sealed {
        for found in table.iter(&view.txn).or_fault("verify sealed rows", &view.path)? {
            let (key, value) = found.or_fault("verify sealed rows", &view.path)?;
            if seal::open(key, value).is_none() {
                report.problem(|| format!("{name} row {}: broken seal", hex::encode(key)));
            }
        }
    }
    let decoded = [
        view.owned_shards().map(drop),
        view.fences().map(drop),
        view.group_time_ms().map(drop),
        view.applied_index().map(drop),
    ];
    for fault in decoded.into_iter().filter_map(Result::err) {
        if !fault.is_corruption() {
            return Err(fault);
        }
        report.problem(|| fault.to_string());
    }
    let fences = view.fences().unwrap_or_default();
    for (collection, _) in fences.into_iter().filter(|(_, fence)| fence.swept) {
        if view.counts(collection).is_ok_and(|counts| counts.rows > 0) {
            report.problem(|| format!("collection {collection} is swept, but has rows"));
        }
    }
    Ok(())
}

/// Dedup rows pass their seals, decode, and are not from the future.
fn verify_dedup(view: &View, report: &mut Report) -> Result<(), Fault> {
    let now_ms = view.group_time_ms().unwrap_or(u64::MAX);
    for class in [RequestClass::Internal, RequestClass::Client] {
        let prefix = [class.tag()];
        let rows = view.tables.dedup.prefix_iter(&view.txn, &prefix);
        for found in rows.or_fault("verify dedup rows", &view.path)? {
            let (key, value) = found.or_fault("verify dedup rows", &view.path)?;
            match seal::open(key, value).and_then(count_items) {
                Some(items) => report.dedup_items += items,
                None => report.problem(|| format!("dedup row {} is broken", hex::encode(key))),
            }
            if dedup::parse_key(key).is_ok_and(|(time_ms, _)| time_ms > now_ms) {
                report.problem(|| format!("X1: dedup row {} is from the future", hex::encode(key)));
            }
        }
    }
    Ok(())
}

fn count_items(body: &[u8]) -> Option<u64> {
    let mut row = RowReader::new(body).ok()?;
    let mut items = 0;
    while let Some((_, item)) = row.next().ok()? {
        (item.shard.0 < SHARDS).then_some(())?;
        items += 1;
    }
    Some(items)
}
