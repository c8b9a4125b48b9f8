//! Record: are these the bytes that were written here?
//!
//! Form: `version:1 | checksum:8 | body`. The checksum is the XXH3-64 of key,
//! version and body: a record that lies under another key than the one it was
//! written for is as bad as one with a flipped bit.

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

use crate::key::Key;

/// The version this release writes, and the only one it reads.
pub const VERSION: u8 = 1;

/// Bytes of a record in front of its body.
pub const HEADER_BYTES: usize = 9;

/// Why a record is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// Shorter than its header.
    #[error("record of {bytes} bytes is shorter than its header")]
    Short {
        /// Its length.
        bytes: usize,
    },
    /// Written by a release this one does not know, or overwritten.
    #[error("unknown record version {version}")]
    Version {
        /// The version byte found.
        version: u8,
    },
    /// Key, version or body changed since it was written.
    #[error("checksum is {found:016x}, its bytes give {computed:016x}")]
    Checksum {
        /// What the record says.
        found: u64,
        /// What its bytes give.
        computed: u64,
    },
}

/// Makes the record that lies under `key`, with the body that `write` puts.
/// `body_bytes` is how long the body will be, if known.
pub fn seal(key: &Key, body_bytes: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut record = BytesMut::with_capacity(HEADER_BYTES + body_bytes);
    record.put_u8(VERSION);
    record.put_u64(0);
    write(&mut record);
    let (header, body) = record.split_at_mut(HEADER_BYTES);
    let checksum = checksum(key.as_slice(), VERSION, body).to_be_bytes();
    header.iter_mut().skip(1).zip(checksum).for_each(|(to, from)| *to = from);
    record.freeze()
}

/// Checks the record found under `key` and returns its body.
pub fn unseal<'r>(key: &[u8], record: &'r [u8]) -> Result<&'r [u8], BadRecord> {
    let short = BadRecord::Short { bytes: record.len() };
    let (version, rest) = record.split_first().ok_or(short)?;
    let (found, body) = rest.split_first_chunk::<8>().ok_or(short)?;
    if *version != VERSION {
        return Err(BadRecord::Version { version: *version });
    }
    let found = u64::from_be_bytes(*found);
    let computed = checksum(key, *version, body);
    if found != computed {
        return Err(BadRecord::Checksum { found, computed });
    }
    Ok(body)
}

fn checksum(key: &[u8], version: u8, body: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(&[version]);
    hasher.update(body);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use api::GroupId;

    use super::*;

    fn record() -> (Key, Bytes) {
        let key = Key::entry(GroupId(1), 2);
        (key, seal(&key, 5, |body| body.put_slice(b"hello")))
    }

    #[test]
    fn a_record_opens_under_its_own_key_only() {
        let (key, record) = record();
        assert_eq!(unseal(key.as_slice(), &record), Ok(b"hello".as_slice()));
        let other = Key::entry(GroupId(1), 3);
        let opened = unseal(other.as_slice(), &record);
        assert!(matches!(opened, Err(BadRecord::Checksum { .. })), "{opened:?}");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (key, record) = record();
        for bit in 0..record.len() * 8 {
            let mut flipped = record.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(key.as_slice(), &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_found() {
        let (key, record) = record();
        for length in 0..record.len() {
            assert!(unseal(key.as_slice(), &record[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn the_layout_is_pinned() {
        let (_, record) = record();
        assert_eq!(record.escape_ascii().to_string(), r"\x01+\xc9(\xe0>\x03\x10\xb1hello");
        let whole = b"\0\0\0\x01\0\0\0\0\0\0\0\x02\x01hello";
        let checksum = xxhash_rust::xxh3::xxh3_64(whole).to_be_bytes();
        assert_eq!(record.get(1..HEADER_BYTES), Some(checksum.as_slice()));
    }
}
