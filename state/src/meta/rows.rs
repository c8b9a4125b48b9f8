//! Rows: the meta state in the `meta` table.
//!
//! A key is a kind byte and the thing's name; every value is sealed:
//!
//! * `1` -> `cluster:16 | shards:2 | groups:4`
//! * `2` -> `config:8 | next collection:4`
//! * `3 | node:8` -> `name | peer | incarnation:16`
//! * `4 | group:4` -> `state:1`, 1 for active
//! * `5 | shard:2` -> `owner:4 | epoch:8 | move:1`, 0 for no move
//! * `6 | collection name` -> `cid:4 | state:1`, 1 for active, 2 for dropping
//! * `7 | cid:4` -> `config:8 | fenced | swept`, each `count:4 | group:4...`
//!
//! Texts carry a 32-bit length. Kinds, states and moves that are not listed
//! are of a later release and stop this one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use api::codec::{Malformed, Reader, put_bytes};
use api::{
    ClusterId, CollectionId, ConfigVersion, Epoch, GroupId, Incarnation, Member, NodeId, ShardId,
};
use bytes::{BufMut, Bytes, BytesMut};
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};

use super::apply::Change;
use super::state::{Collection, Drop, Founding, MetaState, ShardOwner};
use crate::seal;
use crate::tables::Tables;

const KIND_FOUNDING: u8 = 1;
const KIND_COUNTERS: u8 = 2;
const KIND_NODE: u8 = 3;
const KIND_GROUP: u8 = 4;
const KIND_SHARD: u8 = 5;
const KIND_COLLECTION: u8 = 6;
const KIND_DROP: u8 = 7;

const GROUP_ACTIVE: u8 = 1;
const MOVE_NONE: u8 = 0;
const COLLECTION_ACTIVE: u8 = 1;
const COLLECTION_DROPPING: u8 = 2;

/// Reads the whole state and checks it.
pub(super) fn load(tables: &Tables, txn: &RoTxn<'_>, path: &Path) -> Result<MetaState, Fault> {
    let mut rows = Loading::default();
    for row in tables.meta.iter(txn).or_fault("read meta rows", path)? {
        let (key, value) = row.or_fault("read meta rows", path)?;
        let body = seal::open(key, value).ok_or_else(|| seal::broken(key, path))?;
        rows.take(key, body).map_err(|error| corrupt(&error.to_string(), path))?;
    }
    let state = rows.finish().map_err(|what| corrupt(&what, path))?;
    match state.defect() {
        None => Ok(state),
        Some(what) => Err(corrupt(&what, path)),
    }
}

/// Writes changes of the state to its rows.
pub(super) struct Rows<'a> {
    tables: &'a Tables,
    path: &'a Path,
}

impl<'a> Rows<'a> {
    pub(super) fn new(tables: &'a Tables, path: &'a Path) -> Self {
        Self { tables, path }
    }

    /// Writes the parts of `state` that changed.
    pub(super) fn write(
        &self,
        txn: &mut RwTxn<'_>,
        state: &MetaState,
        changes: &[Change],
    ) -> Result<(), Fault> {
        for change in changes {
            match change {
                Change::All => self.write_all(txn, state)?,
                Change::Counters => self.write_counters(txn, state)?,
                Change::Collection(name) => {
                    let body = state.collections.get(name).map(collection_body);
                    self.put_or_delete(txn, collection_key(name), body)?;
                }
                Change::Drop(id) => {
                    let body = state.drops.get(id).map(drop_body);
                    self.put_or_delete(txn, key(KIND_DROP, &id.0.to_be_bytes()), body)?;
                }
            }
        }
        Ok(())
    }

    fn write_all(&self, txn: &mut RwTxn<'_>, state: &MetaState) -> Result<(), Fault> {
        self.write_counters(txn, state)?;
        if let Some(founding) = &state.founding {
            self.put(txn, key(KIND_FOUNDING, &[]), founding_body(founding))?;
        }
        for (id, member) in state.nodes.iter() {
            self.put(txn, key(KIND_NODE, &id.0.to_be_bytes()), member_body(member))?;
        }
        for id in state.groups.iter() {
            self.put(txn, key(KIND_GROUP, &id.0.to_be_bytes()), vec![GROUP_ACTIVE])?;
        }
        for (id, owner) in (0_u16..).zip(state.shards.iter()) {
            self.put(txn, key(KIND_SHARD, &id.to_be_bytes()), owner_body(owner))?;
        }
        for (name, collection) in state.collections.iter() {
            self.put(txn, collection_key(name), collection_body(collection))?;
        }
        for (id, drop) in state.drops.iter() {
            self.put(txn, key(KIND_DROP, &id.0.to_be_bytes()), drop_body(drop))?;
        }
        Ok(())
    }

    fn write_counters(&self, txn: &mut RwTxn<'_>, state: &MetaState) -> Result<(), Fault> {
        let mut body = state.config.0.to_be_bytes().to_vec();
        body.extend_from_slice(&state.next_collection.0.to_be_bytes());
        self.put(txn, key(KIND_COUNTERS, &[]), body)
    }

    fn put(&self, txn: &mut RwTxn<'_>, key: Vec<u8>, body: Vec<u8>) -> Result<(), Fault> {
        let value = seal::seal(&key, body);
        self.tables.meta.put(txn, &key, &value).or_fault("write meta row", self.path)
    }

    fn put_or_delete(
        &self,
        txn: &mut RwTxn<'_>,
        key: Vec<u8>,
        body: Option<Vec<u8>>,
    ) -> Result<(), Fault> {
        if let Some(body) = body {
            return self.put(txn, key, body);
        }
        let _was_there =
            self.tables.meta.delete(txn, &key).or_fault("delete meta row", self.path)?;
        Ok(())
    }
}

/// The state while its rows are read.
#[derive(Default)]
struct Loading {
    founding: Option<Founding>,
    counters: Option<(ConfigVersion, CollectionId)>,
    nodes: BTreeMap<NodeId, Member>,
    groups: BTreeSet<GroupId>,
    shards: BTreeMap<ShardId, ShardOwner>,
    collections: BTreeMap<Arc<str>, Collection>,
    drops: BTreeMap<CollectionId, Drop>,
}

impl Loading {
    fn take(&mut self, key: &[u8], body: &[u8]) -> Result<(), Malformed> {
        let name = key.get(1..).unwrap_or_default();
        let mut key = Reader::new(Bytes::copy_from_slice(key));
        let mut body = Reader::new(Bytes::copy_from_slice(body));
        match key.u8("row kind")? {
            KIND_FOUNDING => self.founding = Some(read_founding(&mut body)?),
            KIND_COUNTERS => {
                let config = ConfigVersion(body.u64("config")?);
                self.counters = Some((config, CollectionId(body.u32("next collection")?)));
            }
            KIND_NODE => {
                self.nodes.insert(NodeId(key.u64("node id")?), read_member(&mut body)?);
            }
            KIND_GROUP => {
                expect(GROUP_ACTIVE, &mut body, "group state")?;
                self.groups.insert(GroupId(key.u32("group id")?));
            }
            KIND_SHARD => {
                self.shards.insert(ShardId(key.u16("shard")?), read_owner(&mut body)?);
            }
            KIND_COLLECTION => {
                let field = "collection name";
                let name = str::from_utf8(name).map_err(|_| Malformed::NotText { field })?;
                self.collections.insert(name.into(), read_collection(&mut body)?);
                return body.end();
            }
            KIND_DROP => {
                self.drops.insert(CollectionId(key.u32("collection")?), read_drop(&mut body)?);
            }
            tag => return Err(Malformed::UnknownTag { field: "row kind", tag: tag.into() }),
        }
        key.end()?;
        body.end()
    }

    fn finish(self) -> Result<MetaState, String> {
        let Some((config, next_collection)) = self.counters else {
            let empty = self.founding.is_none() && self.collections.is_empty();
            return if empty { Ok(MetaState::default()) } else { Err("no counters".to_owned()) };
        };
        let numbers = self.shards.keys().map(|shard| shard.0);
        if !numbers.eq(0..u16::try_from(self.shards.len()).unwrap_or(u16::MAX)) {
            return Err("shards without an owner".to_owned());
        }
        Ok(MetaState {
            config,
            founding: self.founding,
            nodes: Arc::new(self.nodes),
            groups: Arc::new(self.groups),
            shards: Arc::new(self.shards.into_values().collect()),
            collections: Arc::new(self.collections),
            drops: Arc::new(self.drops),
            next_collection,
        })
    }
}

fn key(kind: u8, name: &[u8]) -> Vec<u8> {
    [&[kind], name].concat()
}

fn collection_key(name: &str) -> Vec<u8> {
    key(KIND_COLLECTION, name.as_bytes())
}

fn founding_body(founding: &Founding) -> Vec<u8> {
    let Founding { cluster, shards, groups } = founding;
    [cluster.0.as_slice(), &shards.to_be_bytes(), &groups.to_be_bytes()].concat()
}

fn read_founding(body: &mut Reader) -> Result<Founding, Malformed> {
    Ok(Founding {
        cluster: ClusterId(body.array("cluster id")?),
        shards: body.u16("shards")?,
        groups: body.u32("groups")?,
    })
}

fn member_body(member: &Member) -> Vec<u8> {
    let mut body = BytesMut::new();
    put_bytes(&mut body, member.name.as_bytes());
    put_bytes(&mut body, member.peer.as_bytes());
    body.put_slice(&member.incarnation.0);
    body.into()
}

fn read_member(body: &mut Reader) -> Result<Member, Malformed> {
    Ok(Member {
        name: body.text("node name")?,
        peer: body.text("peer address")?,
        incarnation: Incarnation(body.array("incarnation")?),
    })
}

fn owner_body(owner: &ShardOwner) -> Vec<u8> {
    let ShardOwner { group, epoch } = owner;
    [group.0.to_be_bytes().as_slice(), &epoch.0.to_be_bytes(), &[MOVE_NONE]].concat()
}

fn read_owner(body: &mut Reader) -> Result<ShardOwner, Malformed> {
    let owner = ShardOwner { group: GroupId(body.u32("owner")?), epoch: Epoch(body.u64("epoch")?) };
    expect(MOVE_NONE, body, "shard move")?;
    Ok(owner)
}

fn collection_body(collection: &Collection) -> Vec<u8> {
    let state = if collection.dropping { COLLECTION_DROPPING } else { COLLECTION_ACTIVE };
    [collection.id.0.to_be_bytes().as_slice(), &[state]].concat()
}

fn read_collection(body: &mut Reader) -> Result<Collection, Malformed> {
    let id = CollectionId(body.u32("collection")?);
    let dropping = match body.u8("collection state")? {
        COLLECTION_ACTIVE => false,
        COLLECTION_DROPPING => true,
        tag => {
            return Err(Malformed::UnknownTag { field: "collection state", tag: tag.into() });
        }
    };
    Ok(Collection { id, dropping })
}

fn drop_body(drop: &Drop) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u64(drop.config.0);
    for groups in [&drop.fenced, &drop.swept] {
        body.put_u32(u32::try_from(groups.len()).expect("groups are few"));
        groups.iter().for_each(|group| body.put_u32(group.0));
    }
    body.into()
}

fn read_drop(body: &mut Reader) -> Result<Drop, Malformed> {
    let config = ConfigVersion(body.u64("config")?);
    let mut groups = |field| -> Result<BTreeSet<GroupId>, Malformed> {
        let count = body.u32(field)?;
        (0..count).map(|_| body.u32(field).map(GroupId)).collect()
    };
    Ok(Drop { config, fenced: groups("fenced groups")?, swept: groups("swept groups")? })
}

fn expect(tag: u8, body: &mut Reader, field: &'static str) -> Result<(), Malformed> {
    match body.u8(field)? {
        found if found == tag => Ok(()),
        found => Err(Malformed::UnknownTag { field, tag: found.into() }),
    }
}

fn corrupt(what: &str, path: &Path) -> Fault {
    Fault::corrupt("load meta state", path, what)
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};

    use super::*;

    /// Key and body of a row, each with its length in front.
    fn seed(key: &[u8], body: &[u8]) -> Vec<u8> {
        let mut seed = BytesMut::new();
        put_bytes(&mut seed, key);
        put_bytes(&mut seed, body);
        seed.into()
    }

    fn seeds() -> Vec<Vec<u8>> {
        let (cluster, groups) = (ClusterId([1; 16]), BTreeSet::from([GroupId(1), GroupId(2)]));
        let member = Member { name: "n0".into(), peer: "n0:7402".into(), ..Member::default() };
        let owner = ShardOwner { group: GroupId(2), epoch: Epoch(7) };
        let collection = |dropping| Collection { id: CollectionId(3), dropping };
        let drop = Drop { config: ConfigVersion(9), fenced: groups.clone(), swept: groups };
        vec![
            seed(&[KIND_FOUNDING], &founding_body(&Founding { cluster, shards: 1024, groups: 2 })),
            seed(&[KIND_COUNTERS], &[0; 12]),
            seed(&key(KIND_NODE, &1_u64.to_be_bytes()), &member_body(&member)),
            seed(&key(KIND_GROUP, &1_u32.to_be_bytes()), &[GROUP_ACTIVE]),
            seed(&key(KIND_SHARD, &9_u16.to_be_bytes()), &owner_body(&owner)),
            seed(&collection_key("books"), &collection_body(&collection(false))),
            seed(&collection_key("b\u{fc}cher"), &collection_body(&collection(true))),
            seed(&key(KIND_DROP, &3_u32.to_be_bytes()), &drop_body(&drop)),
        ]
    }

    #[test]
    fn fuzz_meta_rows() {
        let memory = |bytes| 32 * bytes + 8192;
        Target::new("meta rows", seeds()).memory(memory).run(|input| {
            let mut reader = Reader::new(Bytes::copy_from_slice(input.bytes));
            let (Ok(key), Ok(body)) = (reader.bytes("key"), reader.bytes("body")) else {
                return Taken::refused("no key and body");
            };
            let mut rows = Loading::default();
            match input.decode(|_| rows.take(&key, &body)) {
                Ok(()) => {
                    // A whole state of one row is refused or holds together; no panic.
                    let _defect = rows.finish().map(|state| state.defect());
                    Taken::Read
                }
                Err(why) => Taken::refused(why),
            }
        });
    }
}
