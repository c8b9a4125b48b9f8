//! Command: what a client asks of one shard, in the form the log keeps.
//!
//! Everything that applying a command needs is in it: ids, issue time, keys
//! and bounds are decided by the node that received the request, never by the
//! node that applies it. The form is encoded once and travels unchanged from
//! the entry node to the log, the peers and the state machine.

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

use crate::codec::{Malformed, Reader, put_bytes};
use crate::id::{CollectionId, Fingerprint, RequestId, ShardId};

/// What every command carries whatever it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Makes retries safe: applied at most once per id.
    pub id: RequestId,
    /// How long the id is remembered.
    pub class: RequestClass,
    /// When the request was issued, in the group's time, milliseconds.
    pub issued_at_ms: u64,
    /// What the request asks, hashed: the same id with another fingerprint is refused.
    pub fingerprint: Fingerprint,
    /// The shard of the key; checked for ownership when applied. 0 in the meta group.
    pub shard: ShardId,
    /// The collection the name meant when the request was routed. 0 in the meta group.
    pub collection: CollectionId,
}

/// Who made a request id, which decides how long it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestClass {
    /// A node, for its own retries: [`INTERNAL_ID_TTL`](crate::limits::INTERNAL_ID_TTL).
    Internal,
    /// A client, by `Idempotency-Key`: [`CLIENT_ID_TTL`](crate::limits::CLIENT_ID_TTL).
    Client,
}

/// One request to change one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Id, route and time.
    pub header: Header,
    /// What to do.
    pub operation: Operation,
}

/// What a command does to its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes `value` under `key` if the condition holds.
    Put {
        /// The user key.
        key: Bytes,
        /// The new value.
        value: Bytes,
        /// What must hold for the write to happen.
        condition: Condition,
    },
    /// Adds `value` to the set of values; `key` is its SHA-256 key. Writing a
    /// value that is there changes nothing.
    PutValue {
        /// `hex(sha256(collection, 0, value))`.
        key: Bytes,
        /// The member of the set.
        value: Bytes,
    },
    /// Removes the row under `key` if the condition holds.
    Delete {
        /// The user key.
        key: Bytes,
        /// What must hold for the removal to happen.
        condition: Condition,
    },
    /// Removes `value` from the set of values; `key` is its SHA-256 key.
    DeleteValue {
        /// `hex(sha256(collection, 0, value))`.
        key: Bytes,
        /// The member of the set.
        value: Bytes,
    },
    /// Adds bytes to the end of the value under `key`; an absent row counts as empty.
    Append {
        /// The user key.
        key: Bytes,
        /// The bytes to add.
        value: Bytes,
        /// The longest value that may result, as the entry node has it configured.
        bytes_max: u32,
    },
}

/// What must hold of the present row for a conditional write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: always write.
    Always,
    /// There is no row.
    Absent,
    /// The row has this version.
    Version(u64),
    /// The row holds exactly these bytes.
    Value(Bytes),
}

const CLASS_INTERNAL: u8 = 0;
const CLASS_CLIENT: u8 = 1;

const OPERATION_PUT: u8 = 1;
const OPERATION_PUT_VALUE: u8 = 2;
const OPERATION_DELETE: u8 = 3;
const OPERATION_DELETE_VALUE: u8 = 4;
const OPERATION_APPEND: u8 = 5;

const CONDITION_ALWAYS: u8 = 0;
const CONDITION_ABSENT: u8 = 1;
const CONDITION_VERSION: u8 = 2;
const CONDITION_VALUE: u8 = 3;

impl RequestClass {
    /// The class's number in the log and in dedup keys.
    #[must_use]
    pub fn tag(self) -> u8 {
        match self {
            Self::Internal => CLASS_INTERNAL,
            Self::Client => CLASS_CLIENT,
        }
    }

    /// The class with this number.
    pub fn from_tag(tag: u8) -> Result<Self, Malformed> {
        match tag {
            CLASS_INTERNAL => Ok(Self::Internal),
            CLASS_CLIENT => Ok(Self::Client),
            _ => Err(Malformed::UnknownTag { field: "request class", tag: tag.into() }),
        }
    }
}

impl Header {
    /// Bytes of an encoded header.
    pub const ENCODED_BYTES: usize = 16 + 1 + 8 + 8 + 2 + 4;

    /// Appends the header's log form.
    pub fn encode(&self, form: &mut BytesMut) {
        form.put_slice(&self.id.0);
        form.put_u8(self.class.tag());
        form.put_u64(self.issued_at_ms);
        form.put_u64(self.fingerprint.0);
        form.put_u16(self.shard.0);
        form.put_u32(self.collection.0);
    }

    /// Takes a header off the front of `reader`.
    pub fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            id: RequestId(reader.array("request id")?),
            class: RequestClass::from_tag(reader.u8("request class")?)?,
            issued_at_ms: reader.u64("issue time")?,
            fingerprint: Fingerprint(reader.u64("fingerprint")?),
            shard: ShardId(reader.u16("shard")?),
            collection: CollectionId(reader.u32("collection")?),
        })
    }
}

impl Command {
    /// The command's log form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let operation = &self.operation;
        let mut form = BytesMut::with_capacity(Header::ENCODED_BYTES + operation.size() + 32);
        self.header.encode(&mut form);
        operation.encode(&mut form);
        form.freeze()
    }

    /// Reads a log form back. Keys and values share its memory.
    pub fn decode(form: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(form);
        let header = Header::decode(&mut reader)?;
        let operation = Operation::decode(&mut reader)?;
        reader.end()?;
        Ok(Self { header, operation })
    }

    /// [`Operation::takes_room`] of the log form `form`; true if it is none.
    #[must_use]
    pub fn takes_room(form: &[u8]) -> bool {
        form.get(Header::ENCODED_BYTES).is_none_or(|tag| takes_room(*tag))
    }
}

impl Operation {
    /// Whether it may make the state larger. On a disk that is nearly full such
    /// operations are refused, while those that make room go on.
    #[must_use]
    pub fn takes_room(&self) -> bool {
        takes_room(self.tag())
    }

    /// The user key of the row it touches.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. }
            | Self::PutValue { key, .. }
            | Self::Delete { key, .. }
            | Self::DeleteValue { key, .. }
            | Self::Append { key, .. } => key,
        }
    }

    /// What it asks, hashed together with the collection's *name*: a retry
    /// after the collection was dropped and made again is still the same request.
    /// Settings of the entry node are left out, so retries through other nodes agree.
    #[must_use]
    pub fn fingerprint(&self, collection: &str) -> Fingerprint {
        let mut hasher = Xxh3::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        field(collection.as_bytes());
        field(&[self.tag()]);
        field(self.key());
        match self {
            Self::Put { value, condition, .. } => {
                field(value);
                field(&condition.encoded());
            }
            Self::Delete { condition, .. } => field(&condition.encoded()),
            Self::PutValue { value, .. }
            | Self::DeleteValue { value, .. }
            | Self::Append { value, .. } => field(value),
        }
        Fingerprint(hasher.digest())
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Put { .. } => OPERATION_PUT,
            Self::PutValue { .. } => OPERATION_PUT_VALUE,
            Self::Delete { .. } => OPERATION_DELETE,
            Self::DeleteValue { .. } => OPERATION_DELETE_VALUE,
            Self::Append { .. } => OPERATION_APPEND,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { key, value, condition } => {
                key.len() + value.len() + condition.value().map_or(0, Bytes::len)
            }
            Self::Delete { key, condition } => key.len() + condition.value().map_or(0, Bytes::len),
            Self::PutValue { key, value }
            | Self::DeleteValue { key, value }
            | Self::Append { key, value, .. } => key.len() + value.len(),
        }
    }

    fn encode(&self, form: &mut BytesMut) {
        form.put_u8(self.tag());
        put_bytes(form, self.key());
        match self {
            Self::Put { value, condition, .. } => {
                put_bytes(form, value);
                condition.encode(form);
            }
            Self::Delete { condition, .. } => condition.encode(form),
            Self::PutValue { value, .. } | Self::DeleteValue { value, .. } => {
                put_bytes(form, value);
            }
            Self::Append { value, bytes_max, .. } => {
                put_bytes(form, value);
                form.put_u32(*bytes_max);
            }
        }
    }

    fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        let tag = reader.u8("operation")?;
        let key = reader.bytes("key")?;
        Ok(match tag {
            OPERATION_PUT => {
                let value = reader.bytes("value")?;
                Self::Put { key, value, condition: Condition::decode(reader)? }
            }
            OPERATION_PUT_VALUE => Self::PutValue { key, value: reader.bytes("value")? },
            OPERATION_DELETE => Self::Delete { key, condition: Condition::decode(reader)? },
            OPERATION_DELETE_VALUE => Self::DeleteValue { key, value: reader.bytes("value")? },
            OPERATION_APPEND => {
                let value = reader.bytes("value")?;
                Self::Append { key, value, bytes_max: reader.u32("longest value")? }
            }
            _ => return Err(Malformed::UnknownTag { field: "operation", tag: tag.into() }),
        })
    }
}

fn takes_room(operation: u8) -> bool {
    !matches!(operation, OPERATION_DELETE | OPERATION_DELETE_VALUE)
}

impl Condition {
    fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Value(value) => Some(value),
            Self::Always | Self::Absent | Self::Version(_) => None,
        }
    }

    fn encoded(&self) -> BytesMut {
        let mut form = BytesMut::new();
        self.encode(&mut form);
        form
    }

    fn encode(&self, form: &mut BytesMut) {
        match self {
            Self::Always => form.put_u8(CONDITION_ALWAYS),
            Self::Absent => form.put_u8(CONDITION_ABSENT),
            Self::Version(version) => {
                form.put_u8(CONDITION_VERSION);
                form.put_u64(*version);
            }
            Self::Value(value) => {
                form.put_u8(CONDITION_VALUE);
                put_bytes(form, value);
            }
        }
    }

    fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        let tag = reader.u8("condition")?;
        Ok(match tag {
            CONDITION_ALWAYS => Self::Always,
            CONDITION_ABSENT => Self::Absent,
            CONDITION_VERSION => Self::Version(reader.u64("expected version")?),
            CONDITION_VALUE => Self::Value(reader.bytes("expected value")?),
            _ => return Err(Malformed::UnknownTag { field: "condition", tag: tag.into() }),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{ENTRY_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_HARD_MAX};
    use crate::{Content, Payload};

    fn bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from)
    }

    fn condition() -> impl Strategy<Value = Condition> {
        prop_oneof![
            Just(Condition::Always),
            Just(Condition::Absent),
            any::<u64>().prop_map(Condition::Version),
            bytes().prop_map(Condition::Value),
        ]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            (bytes(), bytes(), condition()).prop_map(|(key, value, condition)| Operation::Put {
                key,
                value,
                condition
            }),
            (bytes(), bytes()).prop_map(|(key, value)| Operation::PutValue { key, value }),
            (bytes(), condition())
                .prop_map(|(key, condition)| Operation::Delete { key, condition }),
            (bytes(), bytes()).prop_map(|(key, value)| Operation::DeleteValue { key, value }),
            (bytes(), bytes(), any::<u32>())
                .prop_map(|(key, value, bytes_max)| Operation::Append { key, value, bytes_max }),
        ]
    }

    fn header() -> Header {
        Header {
            id: RequestId([9; 16]),
            class: RequestClass::Client,
            issued_at_ms: 77,
            fingerprint: Fingerprint(5),
            shard: ShardId(3),
            collection: CollectionId(8),
        }
    }

    proptest! {
        #[test]
        fn a_command_decodes_to_itself_and_no_prefix_of_it_decodes(operation in operation()) {
            let command = Command { header: header(), operation };
            let form = command.encode();
            prop_assert_eq!(Command::takes_room(&form), command.operation.takes_room());
            prop_assert_eq!(Command::decode(form.clone()), Ok(command));
            for end in 0..form.len() {
                prop_assert!(Command::decode(form.slice(..end)).is_err());
            }
        }

        #[test]
        fn any_bytes_are_refused_or_a_command(
            form in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let form = Bytes::from(form);
            if let Ok(command) = Command::decode(form.clone()) {
                prop_assert_eq!(command.encode(), form);
            }
        }
    }

    #[test]
    fn an_unknown_operation_is_refused() {
        let mut form = BytesMut::new();
        header().encode(&mut form);
        form.put_u8(99);
        put_bytes(&mut form, b"key");
        let found = Command::decode(form.freeze());
        assert_eq!(found, Err(Malformed::UnknownTag { field: "operation", tag: 99 }));
    }

    #[test]
    fn the_fingerprint_tells_requests_apart() {
        let put = |key: &'static str, value: &'static str| Operation::Put {
            key: key.into(),
            value: value.into(),
            condition: Condition::Always,
        };
        assert_eq!(put("a", "bc").fingerprint("c"), put("a", "bc").fingerprint("c"));
        assert_ne!(put("a", "bc").fingerprint("c"), put("ab", "c").fingerprint("c"));
        assert_ne!(put("a", "b").fingerprint("c"), put("a", "b").fingerprint("d"));
    }

    #[test]
    fn the_largest_command_fits_an_entry() {
        let key = Bytes::from(vec![0; KEY_BYTES_MAX]);
        let value = Bytes::from(vec![0; VALUE_BYTES_HARD_MAX]);
        let condition = Condition::Value(value.clone());
        let operation = Operation::Put { key, value, condition };
        let command = Command { header: header(), operation }.encode();
        let entry = Payload::encode(0, &Content::Commands(vec![command]));
        assert!(entry.0.len() < ENTRY_BYTES_MAX, "{} bytes", entry.0.len());
    }
}
