//! Scan: one page of a collection, merged from all groups.
//!
//! Each group answers from one view and names the shards it covered. The page
//! counts only if every shard of the map was covered exactly once, by the owner
//! this node knows or a newer one: a shard that moved between two groups' views
//! would otherwise be missed, or read twice.
//!
//! Rows of one group are from one instant; rows of different groups are not. A
//! value that two writes move from one key to another can be missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::limits::{RANGE_BYTES_MAX, SHARDS};
use api::service::{Failure, Page, Range, Row, Scan};
use api::{CollectionId, Epoch, GroupId, Refusal, ShardId};
use bytes::Bytes;
use disk::Fault;
use state::scan::{Position, ScanPart, ScanRequest};

use crate::group::Group;
use crate::node::Node;
use crate::request::cursor::{self, Place};
use crate::request::router::Router;
use crate::switchboard::Running;

/// Reads one page. `None`: the shards were on the move, read again.
pub async fn page(
    node: &Node,
    running: &Arc<Running>,
    collection: CollectionId,
    scan: &Scan,
    timeout: Duration,
) -> Result<Option<Page>, Failure> {
    let group = GroupId::META;
    let busy = Refusal::Busy { group };
    let permit = Arc::clone(&node.scans).try_acquire_owned().map_err(|_| busy)?;
    let (running_, scan_) = (Arc::clone(running), scan.clone());
    let reading = disk::blocking::run(move || {
        let _permit = permit;
        read(&running_, collection, &scan_)
    });
    let expired = Refusal::Expired { group, waited: timeout };
    let read = tokio::time::timeout(timeout, reading).await.map_err(|_| expired)?;
    let read = read.map_err(|_| Refusal::Stopping)?;
    match read {
        Ok(page) => page,
        Err(fault) => {
            node.fault(&fault);
            Err(Refusal::Stopping.into())
        }
    }
}

type Read = Result<Option<Page>, Failure>;

fn read(running: &Running, collection: CollectionId, scan: &Scan) -> Result<Read, Fault> {
    let after = match &scan.cursor {
        None => None,
        Some(text) => match resume(running, collection, scan, text)? {
            Ok(position) => Some(position),
            Err(failure) => return Ok(Err(failure)),
        },
    };
    let request = ScanRequest {
        collection,
        range: &scan.range,
        after: after.as_ref(),
        limit: scan.limit,
        shards: None,
    };
    let mut parts = Vec::new();
    for group in data_groups(running) {
        match group.store.view()?.scan(&request)? {
            Ok(part) => parts.push(part),
            Err(_moved) => return Ok(Ok(None)),
        }
    }
    let map = match Router::meta_view(running) {
        Ok(map) => map,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let known = |shard| map.shard(shard).map(|owner| owner.epoch);
    if !covers_every_shard_once(&parts, known) {
        return Ok(Ok(None));
    }
    Ok(Ok(Some(merge(parts, collection, scan))))
}

fn data_groups(running: &Running) -> impl Iterator<Item = &Arc<Group>> {
    running.groups.values().filter(|group| group.gid != GroupId::META)
}

/// The place a cursor names, in this scan's order.
fn resume(
    running: &Running,
    collection: CollectionId,
    scan: &Scan,
    text: &str,
) -> Result<Result<Position, Failure>, Fault> {
    let key = match cursor::read(text, collection, &scan.range) {
        Some(Place::At(position)) => return Ok(Ok(position)),
        Some(Place::AtRow(key)) => key,
        None => return Ok(Err(Failure::BadCursor)),
    };
    let shard = shard::of_key(&scan.collection, &key);
    for group in data_groups(running) {
        if let Ok(Some(row)) = group.store.view()?.get(shard, collection, &key)? {
            return Ok(Ok(Position { value: row.value, key }));
        }
    }
    Ok(Err(Failure::BadCursor))
}

fn covers_every_shard_once(parts: &[ScanPart], known: impl Fn(ShardId) -> Option<Epoch>) -> bool {
    let mut seen = BTreeMap::new();
    for (shard, epoch) in parts.iter().flat_map(|part| &part.served) {
        if seen.insert(*shard, *epoch).is_some() {
            return false;
        }
    }
    seen.len() == usize::from(SHARDS)
        && seen.into_iter().all(|(shard, epoch)| known(shard).is_none_or(|map| epoch >= map))
}

/// Merges sorted parts into one page. A row may be given out only while every
/// part that has more rows has not run dry: what it holds back might come first.
fn merge(parts: Vec<ScanPart>, collection: CollectionId, scan: &Scan) -> Page {
    let mut page = Page::default();
    let mut bytes = 0;
    let mut sources: Vec<_> =
        parts.into_iter().map(|part| (part.rows.into_iter().peekable(), part.more)).collect();
    loop {
        if sources.iter_mut().any(|(rows, more)| *more && rows.peek().is_none()) {
            break;
        }
        let next = sources
            .iter_mut()
            .filter_map(|(rows, _)| {
                let order = rows.peek().map(|row| order(&scan.range, row))?;
                Some((order, rows))
            })
            .min_by(|(one, _), (other, _)| one.cmp(other));
        let Some((_, rows)) = next else { return page };
        let full =
            page.rows.len() >= scan.limit || (!page.rows.is_empty() && bytes >= RANGE_BYTES_MAX);
        if full {
            break;
        }
        if let Some(row) = rows.next() {
            bytes += row.key.len() + row.value.len();
            page.rows.push(row);
        }
    }
    page.cursor = page
        .rows
        .last()
        .map(|row| cursor::write(collection, &scan.range, &Position::of(&scan.range, row)));
    page
}

fn order(range: &Range, row: &Row) -> (Bytes, Bytes) {
    let position = Position::of(range, row);
    (position.value, position.key)
}

#[cfg(test)]
mod tests {
    use api::limits::RANGE_ROWS_DEFAULT;
    use api::service::{Bounds, Consistency};

    use super::*;

    fn scan(limit: usize) -> Scan {
        Scan {
            collection: "c".into(),
            range: Range::Keys(Bounds::default()),
            limit,
            cursor: None,
            consistency: Consistency::Linearizable,
        }
    }

    fn part(keys: &[&'static str], more: bool) -> ScanPart {
        let row = |key: &&'static str| Row { key: (*key).into(), value: "v".into(), version: 1 };
        ScanPart { rows: keys.iter().map(row).collect(), served: vec![], more }
    }

    fn keys(page: &Page) -> Vec<&str> {
        page.rows.iter().map(|row| std::str::from_utf8(&row.key).unwrap()).collect()
    }

    #[test]
    fn parts_merge_in_order_and_end_without_a_cursor() {
        let parts = vec![part(&["a", "d"], false), part(&["b", "c", "e"], false)];
        let page = merge(parts, CollectionId(1), &scan(RANGE_ROWS_DEFAULT));
        assert_eq!(keys(&page), ["a", "b", "c", "d", "e"]);
        assert_eq!(page.cursor, None);
    }

    #[test]
    fn a_page_ends_at_its_limit_with_a_cursor() {
        let parts = vec![part(&["a", "d"], false), part(&["b", "c"], false)];
        let page = merge(parts, CollectionId(1), &scan(3));
        assert_eq!(keys(&page), ["a", "b", "c"]);
        assert!(page.cursor.is_some());
    }

    #[test]
    fn rows_behind_a_dry_part_that_has_more_wait_for_the_next_page() {
        let parts = vec![part(&["a"], true), part(&["b", "c"], false)];
        let page = merge(parts, CollectionId(1), &scan(10));
        assert_eq!(keys(&page), ["a"]);
        assert!(page.cursor.is_some());
    }

    #[test]
    fn every_shard_must_be_covered_exactly_once_by_an_owner_no_older_than_known() {
        let served = |from: u16, to: u16, epoch| ScanPart {
            served: (from..to).map(|shard| (ShardId(shard), Epoch(epoch))).collect(),
            ..ScanPart::default()
        };
        let known = |_| Some(Epoch(2));
        let half = SHARDS / 2;
        assert!(covers_every_shard_once(&[served(0, half, 2), served(half, SHARDS, 3)], known));
        assert!(!covers_every_shard_once(&[served(0, half, 2)], known));
        assert!(!covers_every_shard_once(&[served(0, SHARDS, 2), served(3, 4, 2)], known));
        assert!(!covers_every_shard_once(&[served(0, SHARDS, 1)], known));
    }
}
