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
    use fuzz::{Taken, Target, every_damage};

    use super::*;

    #[test]
    fn a_sealed_value_opens_under_its_key_only() {
        let value = seal(b"key", b"body".to_vec());
        assert_eq!(open(b"key", &value), Some(b"body".as_slice()));
        assert_eq!(open(b"yek", &value), None);
    }

    #[test]
    fn no_damage_to_a_sealed_value_goes_unseen() {
        for bytes in [0, 1, 9, 100, 300] {
            every_damage(&seal(b"key", vec![0x5a; bytes]), |what, damaged| {
                assert_eq!(open(b"key", damaged), None, "{bytes} bytes: {what}");
            });
        }
    }

    #[test]
    fn fuzz_seals() {
        let seeds = [seal(b"key", vec![]), seal(b"key", b"body".to_vec())];
        Target::new("seals", seeds).memory(|_| 0).run(|input| {
            let sealed = seal(b"key", input.bytes.to_vec());
            assert_eq!(open(b"key", &sealed), Some(input.bytes));
            match input.decode(|value| open(b"key", value).is_some()) {
                true => {
                    let body = open(b"key", input.bytes).unwrap();
                    assert_eq!(seal(b"key", body.to_vec()), input.bytes);
                    Taken::Read
                }
                false => Taken::refused("the seal does not hold"),
            }
        });
    }
}
