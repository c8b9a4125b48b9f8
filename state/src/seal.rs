//! Seal: is a stored value what was written under this key?
//!
//! A sealed value is `body | xxh3_64(key, 0, body):8`. The key is in the seal
//! so that a value moved to another key does not pass.

use disk::Fault;
use xxhash_rust::xxh3::Xxh3;

use crate::tables::Table;

const SEAL_BYTES: usize = 8;

/// The value to store for `body` under `key`.
pub(crate) fn seal(key: &[u8], mut body: Vec<u8>) -> Vec<u8> {
    let sum = sum(key, &body);
    body.extend_from_slice(&sum);
    body
}

/// The body of a stored value, if its seal holds.
pub(crate) fn open<'v>(key: &[u8], value: &'v [u8]) -> Option<&'v [u8]> {
    let (body, seal) = value.split_at_checked(value.len().checked_sub(SEAL_BYTES)?)?;
    (seal == sum(key, body)).then_some(body)
}

/// Reads and opens the value under `key`.
pub(crate) fn read<'t>(
    table: Table,
    txn: &'t heed::RoTxn<'_>,
    key: &[u8],
    path: &std::path::Path,
) -> Result<Option<&'t [u8]>, Fault> {
    let value = table.get(txn, key).map_err(|error| Fault::lmdb("read state row", path, error))?;
    let Some(value) = value else { return Ok(None) };
    let body = open(key, value).ok_or_else(|| broken(key, path))?;
    Ok(Some(body))
}

/// The fault of a value that does not pass its seal.
pub(crate) fn broken(key: &[u8], path: &std::path::Path) -> Fault {
    let what = format!("checksum of row {} does not match", hex::encode(key));
    Fault::corrupt("read state row", path, what)
}

fn sum(key: &[u8], body: &[u8]) -> [u8; SEAL_BYTES] {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(&[0]);
    hasher.update(body);
    hasher.digest().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_under_its_key_only_and_whole_only() {
        let value = seal(b"key", b"body".to_vec());
        assert_eq!(open(b"key", &value), Some(b"body".as_slice()));
        assert_eq!(open(b"yek", &value), None);
        for end in 0..value.len() {
            assert_eq!(open(b"key", &value[..end]), None);
        }
        for byte in 0..value.len() {
            let mut flipped = value.clone();
            flipped[byte] ^= 1;
            assert_eq!(open(b"key", &flipped), None);
        }
    }
}
