//! Cursor: where a scan's next page begins, as text that means nothing to a client.
//!
//! A cursor belongs to one scan: it carries a hash of collection and range, so
//! that one of another scan is refused instead of giving odd pages. Where the
//! order is by value and the value is long, the cursor holds only the row's
//! key; the value is read again, and if the row is gone the client starts over.

use api::CollectionId;
use api::codec::{Malformed, Reader, put_bytes};
use api::service::{Bounds, Range};
use bytes::{BufMut, Bytes, BytesMut};
use state::scan::Position;

const VERSION: u8 = 1;
const WHOLE: u8 = 0;
const BY_KEY: u8 = 1;

/// The longest value that stands in a cursor itself.
const VALUE_BYTES_MAX: usize = 4 << 10;

/// The place a cursor names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This very place.
    At(Position),
    /// The place of the row under this key.
    AtRow(Bytes),
}

/// The cursor behind `position` in the scan of `range`.
#[must_use]
pub fn write(collection: CollectionId, range: &Range, position: &Position) -> String {
    let mut form = BytesMut::new();
    form.put_u8(VERSION);
    form.put_u64(scan_hash(collection, range));
    if position.value.len() <= VALUE_BYTES_MAX {
        form.put_u8(WHOLE);
        put_bytes(&mut form, &position.value);
    } else {
        form.put_u8(BY_KEY);
    }
    put_bytes(&mut form, &position.key);
    hex::encode(form)
}

/// The place a cursor names; `None` if it is not a cursor of this scan.
#[must_use]
pub fn read(text: &str, collection: CollectionId, range: &Range) -> Option<Place> {
    let form = Bytes::from(hex::decode(text).ok()?);
    parse(form, scan_hash(collection, range)).ok()
}

fn parse(form: Bytes, expected: u64) -> Result<Place, Malformed> {
    let mut reader = Reader::new(form);
    let unknown = |field, tag| Err(Malformed::UnknownTag { field, tag });
    let version = reader.u8("cursor version")?;
    if version != VERSION {
        return unknown("cursor version", version.into());
    }
    let hash = reader.u64("scan")?;
    if hash != expected {
        return unknown("scan", hash);
    }
    let place = match reader.u8("place")? {
        WHOLE => {
            let value = reader.bytes("value")?;
            Place::At(Position { value, key: reader.bytes("key")? })
        }
        BY_KEY => Place::AtRow(reader.bytes("key")?),
        tag => return unknown("place", tag.into()),
    };
    reader.end()?;
    Ok(place)
}

fn scan_hash(collection: CollectionId, range: &Range) -> u64 {
    let mut form = BytesMut::new();
    form.put_u32(collection.0);
    let bounds = |form: &mut BytesMut, kind, bounds: &Bounds| {
        form.put_u8(kind);
        put_bytes(form, &bounds.start);
        form.put_u8(u8::from(bounds.end.is_some()));
        put_bytes(form, bounds.end.as_deref().unwrap_or_default());
        put_bytes(form, &bounds.prefix);
    };
    match range {
        Range::Values(values) => bounds(&mut form, 0, values),
        Range::Keys(keys) => bounds(&mut form, 1, keys),
        Range::Value(value) => {
            form.put_u8(2);
            put_bytes(&mut form, value);
        }
    }
    shard::hash(&form)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: CollectionId = CollectionId(4);

    fn by_value(start: &'static str) -> Range {
        Range::Values(Bounds { start: start.into(), ..Bounds::default() })
    }

    #[test]
    fn a_cursor_reads_back_in_its_own_scan_only() {
        let position = Position { value: "v".into(), key: "k".into() };
        let text = write(CID, &by_value("a"), &position);
        assert_eq!(read(&text, CID, &by_value("a")), Some(Place::At(position)));
        assert_eq!(read(&text, CID, &by_value("b")), None);
        assert_eq!(read(&text, CollectionId(5), &by_value("a")), None);
    }

    #[test]
    fn a_long_value_is_named_by_its_key() {
        let position = Position { value: vec![7; 5000].into(), key: "k".into() };
        let text = write(CID, &by_value("a"), &position);
        assert!(text.len() < 200);
        assert_eq!(read(&text, CID, &by_value("a")), Some(Place::AtRow("k".into())));
    }

    #[test]
    fn noise_is_no_cursor() {
        for text in ["", "zz", "01", "0100", "ff".repeat(40).as_str()] {
            assert_eq!(read(text, CID, &by_value("a")), None);
        }
    }
}
