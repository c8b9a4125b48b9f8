//! Fences: which collections does a group answer nothing for any more?
//!
//! `cid:4` -> sealed `config:8 | swept:1`. A collection being dropped is fenced
//! in every group before the drop is decided, so that nobody sees half of it
//! gone. Its rows are swept later, step by step. Collection ids are never
//! reused and a fence is never removed: what was dropped cannot come back.

use std::path::Path;

use api::codec::{Malformed, Reader};
use api::{CollectionId, ConfigVersion};
use bytes::Bytes;
use disk::Fault;
use disk::fault::OrFault;
use heed::{RoTxn, RwTxn};

use crate::seal;
use crate::tables::Tables;

/// A collection that is being dropped, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The config that decided it.
    pub config: ConfigVersion,
    /// Whether the group holds no row of it any more.
    pub swept: bool,
}

impl Fence {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(8 + 1 + 8);
        body.extend_from_slice(&self.config.0.to_be_bytes());
        body.push(u8::from(self.swept));
        body
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(Bytes::copy_from_slice(body));
        let config = ConfigVersion(reader.u64("config")?);
        let swept = match reader.u8("swept")? {
            0 => false,
            1 => true,
            tag => return Err(Malformed::UnknownTag { field: "swept", tag: tag.into() }),
        };
        reader.end()?;
        Ok(Self { config, swept })
    }
}

/// Reads a collection's fence.
pub(crate) fn read(
    tables: &Tables,
    txn: &RoTxn<'_>,
    collection: CollectionId,
    path: &Path,
) -> Result<Option<Fence>, Fault> {
    let key = collection.0.to_be_bytes();
    let Some(body) = seal::read(tables.fences, txn, &key, path)? else { return Ok(None) };
    Fence::decode(body).map(Some).map_err(|error| malformed(&key, &error, path))
}

/// Reads all fences, in the order of their collections.
pub(crate) fn read_all(
    tables: &Tables,
    txn: &RoTxn<'_>,
    path: &Path,
) -> Result<Vec<(CollectionId, Fence)>, Fault> {
    let mut fences = Vec::new();
    for row in tables.fences.iter(txn).or_fault("read fences", path)? {
        let (key, value) = row.or_fault("read fences", path)?;
        let number = <[u8; 4]>::try_from(key).map_err(|_| seal::broken(key, path))?;
        let body = seal::open(key, value).ok_or_else(|| seal::broken(key, path))?;
        let fence = Fence::decode(body).map_err(|error| malformed(key, &error, path))?;
        fences.push((CollectionId(u32::from_be_bytes(number)), fence));
    }
    Ok(fences)
}

/// Writes a collection's fence.
pub(crate) fn write(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    collection: CollectionId,
    fence: &Fence,
    path: &Path,
) -> Result<(), Fault> {
    let key = collection.0.to_be_bytes();
    let value = seal::seal(&key, fence.encode());
    tables.fences.put(txn, &key, &value).or_fault("write fence", path)
}

fn malformed(key: &[u8], error: &Malformed, path: &Path) -> Fault {
    Fault::corrupt("read fence", path, format!("fence {}: {error}", hex::encode(key)))
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};

    use super::*;

    #[test]
    fn fuzz_fences() {
        let seeds = [false, true].map(|swept| Fence { config: ConfigVersion(3), swept }.encode());
        Target::new("fences", seeds).run(|input| match input.decode(Fence::decode) {
            Ok(fence) => {
                assert_eq!(fence.encode(), input.bytes);
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        });
    }
}
