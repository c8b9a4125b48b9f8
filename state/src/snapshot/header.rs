//! Header: what is a snapshot a snapshot of?
//!
//! It travels as one subfield, `rd`, of the gzip header's extra field:
//! `version:1 | cluster:16 | group:4 | has last:1 | term:8 | node:8 | index:8 |
//! raw bytes:8 | membership length:4 | membership | xxh3_64 of all before:8`.
//! The membership has the form of the system row.

use api::codec::{Malformed, Reader};
use api::{ClusterId, GroupId};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::membership::{LogId, StoredMembership};
use crate::system::{self, FORMAT};

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The group it belongs to.
    pub group: GroupId,
    /// The last log entry that is in it.
    pub last: Option<LogId>,
    /// The last membership that is in it.
    pub membership: StoredMembership,
    /// Bytes of the data file inside.
    pub raw_bytes: u64,
}

const SUBFIELD: [u8; 2] = *b"rd";
const SUM_BYTES: usize = 8;

impl Header {
    /// The gzip extra field; `None` if it does not fit one.
    pub(crate) fn to_extra(&self) -> Option<Vec<u8>> {
        let mut form = vec![FORMAT];
        form.extend_from_slice(&self.cluster.0);
        form.extend_from_slice(&self.group.0.to_be_bytes());
        system::put_optional_log_id(&mut form, self.last.as_ref());
        form.extend_from_slice(&self.raw_bytes.to_be_bytes());
        let membership = system::encode_membership(&self.membership);
        form.extend_from_slice(&u32::try_from(membership.len()).ok()?.to_be_bytes());
        form.extend_from_slice(&membership);
        form.extend_from_slice(&xxh3_64(&form).to_be_bytes());

        // RFC 1952: two identifying bytes, then the length, low byte first.
        // The whole field has a 16-bit length too.
        let mut length = u16::try_from(form.len()).ok()?.to_be_bytes();
        length.reverse();
        let extra = [SUBFIELD.as_slice(), &length, &form].concat();
        u16::try_from(extra.len()).ok()?;
        Some(extra)
    }

    /// Reads the gzip extra field.
    pub(crate) fn from_extra(extra: &[u8]) -> Result<Self, Malformed> {
        let short = Malformed::Short { field: "snapshot header" };
        let (id, rest) = extra.split_first_chunk::<2>().ok_or(short.clone())?;
        let (length, form) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
        let mut length = *length;
        length.reverse();
        if *id != SUBFIELD || usize::from(u16::from_be_bytes(length)) != form.len() {
            return Err(short);
        }
        let (fields, sum) = form.split_last_chunk::<SUM_BYTES>().ok_or(short.clone())?;
        if xxh3_64(fields).to_be_bytes() != *sum {
            return Err(short);
        }
        Self::decode(Bytes::copy_from_slice(fields))
    }

    fn decode(fields: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(fields);
        let version = reader.u8("snapshot version")?;
        if version != FORMAT {
            return Err(Malformed::UnknownTag { field: "snapshot version", tag: version.into() });
        }
        let header = Self {
            cluster: ClusterId(reader.array("cluster id")?),
            group: GroupId(reader.u32("group id")?),
            last: system::read_optional_log_id(&mut reader)?,
            raw_bytes: reader.u64("raw bytes")?,
            membership: system::decode_membership(reader.bytes("membership")?)?,
        };
        reader.end()?;
        Ok(header)
    }

    /// Whose it is, in words.
    pub(crate) fn owner(cluster: ClusterId, group: GroupId) -> String {
        format!("group {group} of cluster {cluster}")
    }

    /// The index of the last log entry in it.
    #[must_use]
    pub fn last_index(&self) -> Option<u64> {
        self.last.map(|last| last.index)
    }
}

#[cfg(test)]
mod tests {
    use api::NodeId;
    use fuzz::{Taken, Target, every_damage};

    use super::*;
    use crate::membership::log_id;

    #[test]
    fn a_header_survives_the_extra_field_and_no_prefix_or_flip_passes() {
        let header = Header {
            cluster: ClusterId([7; 16]),
            group: GroupId(3),
            last: Some(log_id(2, NodeId(1), 99)),
            membership: StoredMembership::default(),
            raw_bytes: 1 << 40,
        };
        let extra = header.to_extra().unwrap();
        assert_eq!(Header::from_extra(&extra), Ok(header));
        every_damage(&extra, |what, damaged| {
            assert!(Header::from_extra(damaged).is_err(), "{what}");
        });
    }

    #[test]
    fn fuzz_snapshot_headers() {
        let header = |last| Header {
            cluster: ClusterId([7; 16]),
            group: GroupId(3),
            last,
            membership: StoredMembership::default(),
            raw_bytes: 1 << 40,
        };
        let last = Some(log_id(2, NodeId(1), 99));
        let seeds = [header(None), header(last)].map(|header| header.to_extra().unwrap());
        let memory = |bytes| 128 * bytes + 8192;
        Target::new("snapshot headers", seeds).memory(memory).run(|input| {
            // The checksum keeps chance out; who forges a header makes it fit.
            let forged = input.bytes.get(4..).and_then(|form| form.split_last_chunk::<SUM_BYTES>());
            if let Some((fields, _)) = forged
                && let Ok(read) = input.decode(|_| Header::decode(Bytes::copy_from_slice(fields)))
            {
                let again = read.to_extra().expect("it came from a field");
                assert_eq!(Header::from_extra(&again), Ok(read));
            }
            match input.decode(Header::from_extra) {
                Ok(_) => Taken::Read,
                Err(why) => Taken::refused(why),
            }
        });
    }
}
