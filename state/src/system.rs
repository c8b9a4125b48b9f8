//! System: whose state is this, and how far is it applied?
//!
//! Fixed keys of the `system` table, each value sealed:
//!
//! * `format` -> `version:1`
//! * `cluster` -> `cluster id:16`
//! * `group` -> `group id:4`
//! * `applied` -> `term:8 | node:8 | index:8`
//! * `membership` -> `has id:1 | term:8 | node:8 | index:8 | peer::Membership`
//!
//! Group time and floors are the dedup table's, which seals its own.
//!
//! `applied` and `membership` change in the transaction that applies the entries
//! they speak of: G1 of the store.

use std::path::Path;

use api::codec::{Malformed, Reader};
use api::wire::peer;
use api::{ClusterId, GroupId, NodeId};
use bytes::Bytes;
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};
use prost::Message;

use crate::membership::{self, LogId, StoredMembership};
use crate::seal;
use crate::tables::Tables;

/// The version of everything the state keeps on disk.
pub(crate) const FORMAT: u8 = 1;

const KEY_FORMAT: &[u8] = b"format";
const KEY_CLUSTER: &[u8] = b"cluster";
const KEY_GROUP: &[u8] = b"group";
const KEY_APPLIED: &[u8] = b"applied";
const KEY_MEMBERSHIP: &[u8] = b"membership";

/// What a group's state says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The layout's version.
    pub format: u8,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The group it belongs to.
    pub group: GroupId,
}

/// How far a group's state is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last applied entry.
    pub last: Option<LogId>,
    /// The last applied membership.
    pub membership: StoredMembership,
}

/// Reads whose state this is; `None` if it was never written.
pub(crate) fn read_origin(
    tables: &Tables,
    txn: &RoTxn<'_>,
    path: &Path,
) -> Result<Option<Origin>, Fault> {
    let read = |key| -> Result<Option<Reader>, Fault> {
        let body = seal::read(tables.system, txn, key, path)?;
        Ok(body.map(|body| Reader::new(Bytes::copy_from_slice(body))))
    };
    let (format, cluster, group) = (read(KEY_FORMAT)?, read(KEY_CLUSTER)?, read(KEY_GROUP)?);
    let (Some(mut format), Some(mut cluster), Some(mut group)) = (format, cluster, group) else {
        return Ok(None);
    };
    let mut decode = || -> Result<Origin, Malformed> {
        Ok(Origin {
            format: format.u8("format")?,
            cluster: ClusterId(cluster.array("cluster id")?),
            group: GroupId(group.u32("group id")?),
        })
    };
    decode().map(Some).map_err(|error| malformed(&error, path))
}

/// Writes whose state this is. Once, into an empty state.
pub(crate) fn write_origin(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    origin: &Origin,
    path: &Path,
) -> Result<(), Fault> {
    put(tables, txn, KEY_FORMAT, vec![origin.format], path)?;
    put(tables, txn, KEY_CLUSTER, origin.cluster.0.to_vec(), path)?;
    put(tables, txn, KEY_GROUP, origin.group.0.to_be_bytes().to_vec(), path)
}

/// Reads how far the state is applied.
pub(crate) fn read_position(
    tables: &Tables,
    txn: &RoTxn<'_>,
    path: &Path,
) -> Result<Position, Fault> {
    let applied = seal::read(tables.system, txn, KEY_APPLIED, path)?;
    let membership = seal::read(tables.system, txn, KEY_MEMBERSHIP, path)?;
    let decode = || -> Result<Position, Malformed> {
        let mut position = Position::default();
        if let Some(body) = applied {
            let mut reader = Reader::new(Bytes::copy_from_slice(body));
            position.last = Some(read_log_id(&mut reader)?);
            reader.end()?;
        }
        if let Some(body) = membership {
            position.membership = decode_membership(Bytes::copy_from_slice(body))?;
        }
        Ok(position)
    };
    decode().map_err(|error| malformed(&error, path))
}

/// Writes the last applied entry.
pub(crate) fn write_applied(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    last: &LogId,
    path: &Path,
) -> Result<(), Fault> {
    let mut body = Vec::with_capacity(32);
    put_log_id(&mut body, last);
    put(tables, txn, KEY_APPLIED, body, path)
}

/// Writes the last applied membership.
pub(crate) fn write_membership(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    membership: &StoredMembership,
    path: &Path,
) -> Result<(), Fault> {
    put(tables, txn, KEY_MEMBERSHIP, encode_membership(membership), path)
}

/// `has id:1 | term:8 | node:8 | index:8 | peer::Membership`.
pub(crate) fn encode_membership(stored: &StoredMembership) -> Vec<u8> {
    let mut body = Vec::new();
    put_optional_log_id(&mut body, stored.log_id().as_ref());
    body.extend(membership::encode(stored.membership()).encode_to_vec());
    body
}

/// Reads [`encode_membership`]'s form back.
pub(crate) fn decode_membership(body: Bytes) -> Result<StoredMembership, Malformed> {
    // A reader takes whole fields only, so the message behind the id is sliced off here.
    let short = Malformed::Short { field: "membership" };
    if body.len() < OPTIONAL_LOG_ID_BYTES {
        return Err(short);
    }
    let message = body.slice(OPTIONAL_LOG_ID_BYTES..);
    let id = read_optional_log_id(&mut Reader::new(body))?;
    let message = peer::Membership::decode(message).map_err(|_| short.clone())?;
    let membership = membership::decode(message).map_err(|_| short)?;
    Ok(StoredMembership::new(id, membership))
}

const OPTIONAL_LOG_ID_BYTES: usize = 1 + 24;

/// `has id:1 | term:8 | node:8 | index:8`, zeros without an id.
pub(crate) fn put_optional_log_id(body: &mut Vec<u8>, id: Option<&LogId>) {
    body.push(u8::from(id.is_some()));
    put_log_id(body, &id.copied().unwrap_or_else(|| membership::log_id(0, NodeId(0), 0)));
}

/// Takes [`put_optional_log_id`]'s form off the front of `reader`.
pub(crate) fn read_optional_log_id(reader: &mut Reader) -> Result<Option<LogId>, Malformed> {
    let present = reader.u8("log id flag")?;
    let id = read_log_id(reader)?;
    match present {
        0 => Ok(None),
        1 => Ok(Some(id)),
        tag => Err(Malformed::UnknownTag { field: "log id flag", tag: tag.into() }),
    }
}

fn put_log_id(body: &mut Vec<u8>, id: &LogId) {
    body.extend_from_slice(&id.leader_id.term.to_be_bytes());
    body.extend_from_slice(&id.leader_id.node_id.0.to_be_bytes());
    body.extend_from_slice(&id.index.to_be_bytes());
}

fn read_log_id(reader: &mut Reader) -> Result<LogId, Malformed> {
    let term = reader.u64("term")?;
    let node = NodeId(reader.u64("node id")?);
    Ok(membership::log_id(term, node, reader.u64("index")?))
}

fn put(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    key: &[u8],
    body: Vec<u8>,
    path: &Path,
) -> Result<(), Fault> {
    tables.system.put(txn, key, &seal::seal(key, body)).or_fault("write system row", path)
}

fn malformed(error: &Malformed, path: &Path) -> Fault {
    Fault::corrupt("read system rows", path, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use api::Member;
    use fuzz::{Taken, Target};

    use super::*;

    /// None, one set of voters, and two while it changes.
    fn memberships() -> [StoredMembership; 3] {
        let member = |id: u64| {
            let (name, peer) = (format!("rdb_replica_{id}"), format!("localhost:{}", 7420 + id));
            (NodeId(id), Member { name, peer, ..Member::default() })
        };
        let members: BTreeMap<_, _> = (1..=3).map(member).collect();
        let voters = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let of = |configs| membership::Membership::new(configs, members.clone()).unwrap();
        let at = |index| Some(membership::log_id(2, NodeId(1), index));
        [
            StoredMembership::default(),
            StoredMembership::new(at(5), of(vec![voters(&[1, 2])])),
            StoredMembership::new(at(9), of(vec![voters(&[1, 2]), voters(&[2, 3])])),
        ]
    }

    #[test]
    fn fuzz_stored_memberships() {
        let seeds = memberships().map(|stored| encode_membership(&stored));
        let memory = |bytes| 128 * bytes + 8192;
        Target::new("stored memberships", seeds).memory(memory).run(|input| {
            let form = Bytes::copy_from_slice(input.bytes);
            match input.decode(|_| decode_membership(form)) {
                Ok(stored) => {
                    let again = Bytes::from(encode_membership(&stored));
                    assert_eq!(decode_membership(again), Ok(stored));
                    Taken::Read
                }
                Err(why) => Taken::refused(why),
            }
        });
    }
}
