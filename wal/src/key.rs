//! Key: under which bytes does a record lie?
//!
//! Keys are big-endian, so that LMDB's byte order is the order of groups and
//! of indices inside a group. The byte layout stands in the crate's header.

use std::fmt;

use api::GroupId;

/// The longest key: a group and an index.
const KEY_BYTES_MAX: usize = 12;

/// The key of one record. Small enough to copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

/// What the `groups` table keeps of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The last vote saved.
    Vote,
    /// The last log id purged.
    Purged,
    /// The last log id known to be committed.
    Committed,
}

impl Key {
    /// The key of an entry, in table `log`: `gid:4 | index:8`.
    #[must_use]
    pub fn entry(gid: GroupId, index: u64) -> Self {
        Self::join(&gid.0.to_be_bytes(), &index.to_be_bytes())
    }

    /// The key of a fact about a group, in table `groups`: `gid:4 | kind:1`.
    #[must_use]
    pub fn fact(gid: GroupId, fact: Fact) -> Self {
        Self::join(&gid.0.to_be_bytes(), &[fact.code()])
    }

    /// The key of a row about the whole environment, in table `system`.
    ///
    /// # Panics
    ///
    /// If the name is longer than 12 bytes.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self::join(name.as_bytes(), &[])
    }

    /// The key as LMDB sees it.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).expect("a key is never longer than its array")
    }

    fn join(head: &[u8], tail: &[u8]) -> Self {
        let length = head.len() + tail.len();
        assert!(length <= KEY_BYTES_MAX, "a key of {length} bytes");
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes.iter_mut().zip(head.iter().chain(tail)).for_each(|(to, from)| *to = *from);
        Self { bytes, length }
    }
}

impl Fact {
    /// Every fact, in key order.
    pub const ALL: [Self; 3] = [Self::Vote, Self::Purged, Self::Committed];

    /// The byte that stands for it in a key.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Vote => 1,
            Self::Purged => 2,
            Self::Committed => 3,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vote => "vote",
            Self::Purged => "purged",
            Self::Committed => "committed",
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.as_slice().escape_ascii())
    }
}

/// Reads back [`Key::entry`]. `None` if it is not such a key.
#[must_use]
pub fn parse_entry(key: &[u8]) -> Option<(GroupId, u64)> {
    let (gid, index) = key.split_first_chunk::<4>()?;
    let index = u64::from_be_bytes(index.try_into().ok()?);
    Some((GroupId(u32::from_be_bytes(*gid)), index))
}

/// Reads back [`Key::fact`]. `None` if it is not such a key.
#[must_use]
pub fn parse_fact(key: &[u8]) -> Option<(GroupId, Fact)> {
    let (gid, code) = key.split_first_chunk::<4>()?;
    let [code] = code else { return None };
    let fact = Fact::ALL.into_iter().find(|fact| fact.code() == *code)?;
    Some((GroupId(u32::from_be_bytes(*gid)), fact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_like_groups_and_indices() {
        let keys = [(0, 0), (0, 255), (0, 256), (1, 0), (1, u64::MAX), (256, 3)];
        let keys = keys.map(|(gid, index)| Key::entry(GroupId(gid), index));
        assert!(keys.windows(2).all(|pair| pair[0].as_slice() < pair[1].as_slice()));
    }

    #[test]
    fn keys_read_back() {
        let key = Key::entry(GroupId(7), 1 << 40);
        assert_eq!(parse_entry(key.as_slice()), Some((GroupId(7), 1 << 40)));
        assert_eq!(parse_entry(b"short"), None);
        for fact in Fact::ALL {
            let key = Key::fact(GroupId(9), fact);
            assert_eq!(parse_fact(key.as_slice()), Some((GroupId(9), fact)));
        }
        assert_eq!(parse_fact(b"\0\0\0\x01\x63"), None);
    }

    #[test]
    fn the_layout_is_pinned() {
        assert_eq!(Key::entry(GroupId(1), 2).as_slice(), b"\0\0\0\x01\0\0\0\0\0\0\0\x02");
        assert_eq!(Key::fact(GroupId(1), Fact::Purged).as_slice(), b"\0\0\0\x01\x02");
        assert_eq!(Key::system("identity").as_slice(), b"identity");
    }
}
