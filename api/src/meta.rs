//! Meta commands: what the meta group can be asked to remember.
//!
//! The meta group knows the cluster, its nodes, the groups, which group owns
//! which shard, and the collections. Its commands use the same [`Header`] and
//! the same request-id rules as data commands.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{Malformed, Reader, put_bytes};
use crate::command::Header;
use crate::id::{ClusterId, CollectionId, Fingerprint, GroupId, Incarnation, NodeId};

/// One node as the others know it: its name, where peers reach it, and which
/// life of its data directory was admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The name in the node's certificate.
    pub name: String,
    /// `host:port` of its peer listener.
    pub peer: String,
    /// The life of the data directory that was admitted under this name.
    pub incarnation: Incarnation,
}

/// One request to change the meta state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaCommand {
    /// Id and time; shard and collection are 0.
    pub header: Header,
    /// What to do.
    pub operation: MetaOperation,
}

/// What a meta command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaOperation {
    /// Writes the first state of the cluster. Once; a repeat changes nothing.
    Found {
        /// The new cluster's id.
        cluster: ClusterId,
        /// How many shards; must be [`SHARDS`](crate::limits::SHARDS).
        shards: u16,
        /// How many data groups, numbered from 1; they share the shards evenly.
        groups: u32,
        /// The founding nodes.
        members: Vec<(NodeId, Member)>,
    },
    /// Makes sure a live collection of this name exists.
    CreateCollection {
        /// The collection's name.
        name: String,
    },
    /// Starts dropping the collection that has this name now.
    BeginDrop {
        /// The collection's name.
        name: String,
    },
    /// Reports that a group answers nothing for a dropping collection any more.
    /// With the last group's report the collection is dropped.
    AckFence {
        /// The dropping collection.
        collection: CollectionId,
        /// The group that fenced it.
        group: GroupId,
    },
    /// Reports that a group holds no row of a dropped collection any more.
    AckSwept {
        /// The dropped collection.
        collection: CollectionId,
        /// The group that swept it.
        group: GroupId,
    },
}

const OPERATION_FOUND: u8 = 1;
const OPERATION_CREATE_COLLECTION: u8 = 2;
const OPERATION_BEGIN_DROP: u8 = 3;
const OPERATION_ACK_FENCE: u8 = 4;
const OPERATION_ACK_SWEPT: u8 = 5;

impl MetaCommand {
    /// The command's log form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut form = BytesMut::new();
        self.header.encode(&mut form);
        self.operation.encode(&mut form);
        form.freeze()
    }

    /// Reads a log form back.
    pub fn decode(form: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(form);
        let header = Header::decode(&mut reader)?;
        let operation = MetaOperation::decode(&mut reader)?;
        reader.end()?;
        Ok(Self { header, operation })
    }

    /// Whether the command with the log form `form` may make the state larger by a
    /// client's wish: a drop, and whatever a drop needs, must go on.
    #[must_use]
    pub fn takes_room(form: &[u8]) -> bool {
        form.get(Header::ENCODED_BYTES) == Some(&OPERATION_CREATE_COLLECTION)
    }
}

impl MetaOperation {
    /// What it asks, hashed: tells a retry from a reused request id.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut form = BytesMut::new();
        self.encode(&mut form);
        Fingerprint(xxh3_64(&form))
    }

    fn encode(&self, form: &mut BytesMut) {
        match self {
            Self::Found { cluster, shards, groups, members } => {
                form.put_u8(OPERATION_FOUND);
                form.put_slice(&cluster.0);
                form.put_u16(*shards);
                form.put_u32(*groups);
                encode_members(members, form);
            }
            Self::CreateCollection { name } => {
                form.put_u8(OPERATION_CREATE_COLLECTION);
                put_bytes(form, name.as_bytes());
            }
            Self::BeginDrop { name } => {
                form.put_u8(OPERATION_BEGIN_DROP);
                put_bytes(form, name.as_bytes());
            }
            Self::AckFence { collection, group } => {
                form.put_u8(OPERATION_ACK_FENCE);
                form.put_u32(collection.0);
                form.put_u32(group.0);
            }
            Self::AckSwept { collection, group } => {
                form.put_u8(OPERATION_ACK_SWEPT);
                form.put_u32(collection.0);
                form.put_u32(group.0);
            }
        }
    }

    fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        let tag = reader.u8("meta operation")?;
        Ok(match tag {
            OPERATION_FOUND => Self::Found {
                cluster: ClusterId(reader.array("cluster id")?),
                shards: reader.u16("shards")?,
                groups: reader.u32("groups")?,
                members: decode_members(reader)?,
            },
            OPERATION_CREATE_COLLECTION => Self::CreateCollection { name: reader.text("name")? },
            OPERATION_BEGIN_DROP => Self::BeginDrop { name: reader.text("name")? },
            OPERATION_ACK_FENCE => Self::AckFence {
                collection: CollectionId(reader.u32("collection")?),
                group: GroupId(reader.u32("group")?),
            },
            OPERATION_ACK_SWEPT => Self::AckSwept {
                collection: CollectionId(reader.u32("collection")?),
                group: GroupId(reader.u32("group")?),
            },
            _ => return Err(Malformed::UnknownTag { field: "meta operation", tag: tag.into() }),
        })
    }
}

/// Appends a list of members: a count, then id, name, peer address, incarnation of each.
///
/// # Panics
///
/// If there are 2^32 members or more, which no limit of the system allows.
pub fn encode_members(members: &[(NodeId, Member)], form: &mut BytesMut) {
    let count = u32::try_from(members.len()).expect("limits keep members few");
    form.put_u32(count);
    for (id, member) in members {
        form.put_u64(id.0);
        put_bytes(form, member.name.as_bytes());
        put_bytes(form, member.peer.as_bytes());
        form.put_slice(&member.incarnation.0);
    }
}

/// Takes a list of members off the front of `reader`.
pub fn decode_members(reader: &mut Reader) -> Result<Vec<(NodeId, Member)>, Malformed> {
    let count = reader.u32("member count")?;
    let mut members = Vec::new();
    for _ in 0..count {
        let id = NodeId(reader.u64("node id")?);
        let member = Member {
            name: reader.text("node name")?,
            peer: reader.text("peer address")?,
            incarnation: Incarnation(reader.array("incarnation")?),
        };
        members.push((id, member));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RequestClass;
    use crate::id::{RequestId, ShardId};

    #[test]
    fn every_meta_command_decodes_to_itself() {
        let member = Member {
            name: "rdb_replica_0".to_owned(),
            peer: "localhost:7420".to_owned(),
            incarnation: Incarnation([4; 16]),
        };
        let operations = [
            MetaOperation::Found {
                cluster: ClusterId([1; 16]),
                shards: 1024,
                groups: 2,
                members: vec![(NodeId(1), member)],
            },
            MetaOperation::CreateCollection { name: "c".to_owned() },
            MetaOperation::BeginDrop { name: "c".to_owned() },
            MetaOperation::AckFence { collection: CollectionId(1), group: GroupId(2) },
            MetaOperation::AckSwept { collection: CollectionId(1), group: GroupId(2) },
        ];
        for operation in operations {
            let header = Header {
                id: RequestId([2; 16]),
                class: RequestClass::Internal,
                issued_at_ms: 5,
                fingerprint: Fingerprint(6),
                shard: ShardId(0),
                collection: CollectionId(0),
            };
            let command = MetaCommand { header, operation };
            let form = command.encode();
            let creates = matches!(command.operation, MetaOperation::CreateCollection { .. });
            assert_eq!(MetaCommand::takes_room(&form), creates);
            assert_eq!(MetaCommand::decode(form), Ok(command));
        }
    }
}
