//! Row: the remembered requests of one entry and class, as bytes.
//!
//! * key: `class:1 | group time:8 | log index:8`
//! * sealed value: `latest issue time:8 | items:4 | item...`
//! * item: `shard:2 | id:16 | fingerprint:8 | outcome` (its log form)

use api::codec::{Malformed, Reader};
use api::limits::REPLAY_RESULT_BYTES_MAX;
use api::outcome::Value;
use api::{Fingerprint, Header, Outcome, RequestClass, RequestId, ShardId};
use bytes::{BufMut, Bytes, BytesMut};

/// One item of a row.
pub(crate) struct Item {
    /// The shard it goes with when that moves.
    pub shard: ShardId,
    /// The request.
    pub id: RequestId,
    /// What it asked.
    pub fingerprint: Fingerprint,
    /// What it came to.
    pub outcome: Outcome,
}

/// A row in the making.
#[derive(Default)]
pub(super) struct Pending {
    /// Group time and index of the entry, once it began.
    pub mark: Option<(u64, u64)>,
    /// Items so far.
    pub count: u32,
    latest_issued_ms: u64,
    items: BytesMut,
}

impl Pending {
    /// Adds an item; returns how far it is behind the first.
    pub(super) fn push(&mut self, header: &Header, outcome: &Outcome) -> u32 {
        let offset = u32::try_from(self.items.len()).expect("an entry's items fit 4 GiB");
        self.items.put_u16(header.shard.0);
        self.items.put_slice(&header.id.0);
        self.items.put_u64(header.fingerprint.0);
        match &outcome.value {
            Value::Bytes(bytes) if bytes.len() > REPLAY_RESULT_BYTES_MAX => {
                let kept = Outcome { value: Value::Omitted, ..*outcome };
                kept.encode(&mut self.items);
            }
            Value::Bytes(_) | Value::None | Value::Omitted => outcome.encode(&mut self.items),
        }
        self.count += 1;
        self.latest_issued_ms = self.latest_issued_ms.max(header.issued_at_ms);
        offset
    }

    /// The item at `offset`.
    pub(super) fn item(&self, offset: u32) -> Result<Item, Malformed> {
        decode_one(self.items.get(offset as usize..).unwrap_or_default())
    }

    /// The row's body.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(RowReader::HEAD_BYTES + self.items.len() + 8);
        body.extend_from_slice(&self.latest_issued_ms.to_be_bytes());
        body.extend_from_slice(&self.count.to_be_bytes());
        body.extend_from_slice(&self.items);
        body
    }
}

/// Reads the items of a row one by one.
pub(crate) struct RowReader {
    /// The latest issue time of the row's requests.
    pub latest_issued_ms: u64,
    left: u32,
    bytes: usize,
    reader: Reader,
}

impl RowReader {
    const HEAD_BYTES: usize = 8 + 4;

    /// Starts before the first item of an opened row.
    pub(crate) fn new(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(Bytes::copy_from_slice(body));
        let latest_issued_ms = reader.u64("latest issue time")?;
        let left = reader.u32("dedup items")?;
        Ok(Self { latest_issued_ms, left, bytes: 0, reader })
    }

    /// The next item, and how far it is behind the first.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Item)>, Malformed> {
        let Some(left) = self.left.checked_sub(1) else {
            self.reader.clone().end()?;
            return Ok(None);
        };
        self.left = left;
        let offset =
            u32::try_from(self.bytes).map_err(|_| Malformed::Long { bytes: self.bytes })?;
        let item = Item::decode(&mut self.reader)?;
        self.bytes += item.encoded_bytes();
        Ok(Some((offset, item)))
    }
}

impl Item {
    const HEAD_BYTES: usize = 2 + 16 + 8;

    /// An outcome with the longest value that is kept.
    const OUTCOME_BYTES_MAX: usize = 1 + 8 + 1 + 4 + REPLAY_RESULT_BYTES_MAX;

    fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            shard: ShardId(reader.u16("shard")?),
            id: RequestId(reader.array("request id")?),
            fingerprint: Fingerprint(reader.u64("fingerprint")?),
            outcome: Outcome::decode(reader)?,
        })
    }

    fn encoded_bytes(&self) -> usize {
        let value = match &self.outcome.value {
            Value::Bytes(bytes) => 4 + bytes.len(),
            Value::None | Value::Omitted => 0,
        };
        Self::HEAD_BYTES + 1 + 8 + 1 + value
    }
}

/// The item at `offset` of an opened row.
pub(super) fn item_at(body: &[u8], offset: u32) -> Result<Item, Malformed> {
    decode_one(body.get(RowReader::HEAD_BYTES + offset as usize..).unwrap_or_default())
}

/// The item at the front of `bytes`, whatever follows it.
fn decode_one(bytes: &[u8]) -> Result<Item, Malformed> {
    let longest = Item::HEAD_BYTES + Item::OUTCOME_BYTES_MAX;
    let front = bytes.get(..longest).unwrap_or(bytes);
    Item::decode(&mut Reader::new(Bytes::copy_from_slice(front)))
}

/// The key of a row.
pub(super) fn row_key(class: RequestClass, time_ms: u64, index: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + 8 + 8);
    key.push(class.tag());
    key.extend_from_slice(&time_ms.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// The group time and log index in a row's key.
pub(crate) fn parse_key(key: &[u8]) -> Result<(u64, u64), Malformed> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    let _class = RequestClass::from_tag(reader.u8("request class")?)?;
    let parsed = (reader.u64("group time")?, reader.u64("log index")?);
    reader.end()?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use api::{CollectionId, Verdict};
    use fuzz::{Taken, Target};

    use super::*;

    /// Rows with no item, one and several.
    fn bodies() -> [Vec<u8>; 3] {
        let header = Header {
            id: RequestId([9; 16]),
            class: RequestClass::Client,
            issued_at_ms: 77,
            fingerprint: Fingerprint(5),
            shard: ShardId(3),
            collection: CollectionId(8),
        };
        let value = || Value::Bytes(Bytes::from_static(b"value"));
        [vec![], vec![Value::None], vec![value(), Value::Omitted, value()]].map(|values| {
            let mut pending = Pending::default();
            for value in values {
                pending.push(&header, &Outcome { verdict: Verdict::Done, version: 4, value });
            }
            pending.body()
        })
    }

    fn items(body: &[u8]) -> Result<Vec<(u32, Item)>, Malformed> {
        let mut reader = RowReader::new(body)?;
        let mut items = Vec::new();
        while let Some(item) = reader.next()? {
            items.push(item);
        }
        Ok(items)
    }

    #[test]
    fn fuzz_dedup_rows() {
        let memory = |bytes| 16 * bytes + 4096;
        Target::new("dedup rows", bodies()).memory(memory).run(|input| {
            match input.decode(items) {
                Ok(items) => {
                    // An item that is short enough to be kept is found by its place, too.
                    for (offset, item) in items {
                        if item.encoded_bytes() <= Item::HEAD_BYTES + Item::OUTCOME_BYTES_MAX {
                            let alone = item_at(input.bytes, offset).unwrap();
                            assert_eq!((alone.id, alone.outcome), (item.id, item.outcome));
                        }
                    }
                    Taken::Read
                }
                Err(why) => Taken::refused(why),
            }
        });
    }

    #[test]
    fn fuzz_dedup_keys() {
        let classes = [RequestClass::Internal, RequestClass::Client];
        let seeds = classes.map(|class| row_key(class, 1_000, 7));
        Target::new("dedup keys", seeds).run(|input| match input.decode(parse_key) {
            Ok((time_ms, index)) => {
                let class = RequestClass::from_tag(input.bytes[0]).unwrap();
                assert_eq!(row_key(class, time_ms, index), input.bytes);
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        });
    }
}
