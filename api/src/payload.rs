//! Payload: the content of one log entry, opaque until it is applied.
//!
//! Form: `version:1 | kind:1 | time:8 | body`. The leader stamps the time when
//! it proposes; applying the entry reads no other clock.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Malformed, Reader, put_bytes};
use crate::id::{CollectionId, ConfigVersion, Epoch, ShardId};
use crate::limits::{BATCH_COMMANDS_MAX, SHARDS};

/// One log entry's content, as bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Payload(pub Bytes);

/// What a payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Clients' commands, each in its own log form, applied in order. In a
    /// data group they are [`Command`](crate::Command)s, in the meta group
    /// [`MetaCommand`](crate::MetaCommand)s.
    Commands(Vec<Bytes>),
    /// The group starts to own these shards, which hold nothing yet.
    Assign {
        /// The config that decided it.
        epoch: Epoch,
        /// The shards.
        shards: Vec<ShardId>,
    },
    /// The group answers nothing for this collection from here on.
    Fence {
        /// The collection being dropped.
        collection: CollectionId,
        /// The config that decided it.
        config: ConfigVersion,
    },
    /// Deletes up to `rows_max` rows of a fenced collection.
    Sweep {
        /// The dropped collection.
        collection: CollectionId,
        /// How many rows at most.
        rows_max: u32,
    },
}

const VERSION: u8 = 1;
const KIND_COMMANDS: u8 = 1;
const KIND_ASSIGN: u8 = 2;
const KIND_FENCE: u8 = 3;
const KIND_SWEEP: u8 = 4;

impl Payload {
    /// Frames `content`, stamped with the leader's time.
    #[must_use]
    pub fn encode(time_ms: u64, content: &Content) -> Self {
        let mut form = BytesMut::with_capacity(content.size_hint());
        form.put_u8(VERSION);
        form.put_u8(content.kind());
        form.put_u64(time_ms);
        content.encode_body(&mut form);
        Self(form.freeze())
    }

    /// Reads the time stamp and the content. The commands stay encoded.
    pub fn decode(&self) -> Result<(u64, Content), Malformed> {
        let mut reader = Reader::new(self.0.clone());
        let version = reader.u8("payload version")?;
        if version != VERSION {
            return Err(Malformed::UnknownTag { field: "payload version", tag: version.into() });
        }
        let kind = reader.u8("payload kind")?;
        let time_ms = reader.u64("entry time")?;
        let content = Content::decode_body(kind, &mut reader)?;
        reader.end()?;
        Ok((time_ms, content))
    }
}

impl Content {
    fn kind(&self) -> u8 {
        match self {
            Self::Commands(_) => KIND_COMMANDS,
            Self::Assign { .. } => KIND_ASSIGN,
            Self::Fence { .. } => KIND_FENCE,
            Self::Sweep { .. } => KIND_SWEEP,
        }
    }

    fn size_hint(&self) -> usize {
        match self {
            Self::Commands(commands) => 16 + commands.iter().map(|c| c.len() + 4).sum::<usize>(),
            Self::Assign { shards, .. } => 32 + 2 * shards.len(),
            Self::Fence { .. } | Self::Sweep { .. } => 32,
        }
    }

    fn encode_body(&self, form: &mut BytesMut) {
        match self {
            Self::Commands(commands) => {
                commands.iter().for_each(|command| put_bytes(form, command));
            }
            Self::Assign { epoch, shards } => {
                form.put_u64(epoch.0);
                shards.iter().for_each(|shard| form.put_u16(shard.0));
            }
            Self::Fence { collection, config } => {
                form.put_u32(collection.0);
                form.put_u64(config.0);
            }
            Self::Sweep { collection, rows_max } => {
                form.put_u32(collection.0);
                form.put_u32(*rows_max);
            }
        }
    }

    fn decode_body(kind: u8, reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(match kind {
            KIND_COMMANDS => {
                Self::Commands(
                    reader.list("commands", BATCH_COMMANDS_MAX, |form| form.bytes("command"))?,
                )
            }
            KIND_ASSIGN => {
                let epoch = Epoch(reader.u64("epoch")?);
                let shard = |form: &mut Reader| form.u16("shard").map(ShardId);
                Self::Assign { epoch, shards: reader.list("shards", SHARDS.into(), shard)? }
            }
            KIND_FENCE => Self::Fence {
                collection: CollectionId(reader.u32("collection")?),
                config: ConfigVersion(reader.u64("config")?),
            },
            KIND_SWEEP => Self::Sweep {
                collection: CollectionId(reader.u32("collection")?),
                rows_max: reader.u32("rows at most")?,
            },
            _ => return Err(Malformed::UnknownTag { field: "payload kind", tag: kind.into() }),
        })
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_content_decodes_to_itself() {
        let contents = [
            Content::Commands(vec![]),
            Content::Commands(vec![Bytes::from_static(b"one"), Bytes::new()]),
            Content::Assign { epoch: Epoch(1), shards: vec![ShardId(0), ShardId(1023)] },
            Content::Fence { collection: CollectionId(3), config: ConfigVersion(9) },
            Content::Sweep { collection: CollectionId(3), rows_max: 10 },
        ];
        for content in contents {
            assert_eq!(Payload::encode(42, &content).decode(), Ok((42, content)));
        }
    }

    #[test]
    fn unknown_versions_and_kinds_are_refused() {
        let version = Payload(Bytes::from_static(b"\x02\x01\0\0\0\0\0\0\0\0"));
        let kind = Payload(Bytes::from_static(b"\x01\x63\0\0\0\0\0\0\0\0"));
        let unknown = |field, tag| Err(Malformed::UnknownTag { field, tag });
        assert_eq!(version.decode(), unknown("payload version", 2));
        assert_eq!(kind.decode(), unknown("payload kind", 99));
    }

    #[test]
    fn more_commands_than_an_entry_may_have_are_refused_and_take_no_memory() {
        let batch = |count| Payload::encode(1, &Content::Commands(vec![Bytes::new(); count]));
        assert!(batch(BATCH_COMMANDS_MAX).decode().is_ok());
        let too_many = Malformed::TooMany { field: "commands", most: BATCH_COMMANDS_MAX };
        assert_eq!(batch(BATCH_COMMANDS_MAX + 1).decode(), Err(too_many));
        let shards = |count| {
            let shards = vec![ShardId(0); count];
            Payload::encode(1, &Content::Assign { epoch: Epoch(1), shards })
        };
        assert!(shards(SHARDS.into()).decode().is_ok());
        let too_many = Malformed::TooMany { field: "shards", most: SHARDS.into() };
        assert_eq!(shards(usize::from(SHARDS) + 1).decode(), Err(too_many));
    }
}
