//! Ids: which node, group, shard, collection, request is meant?
//!
//! Every id is its own type. Numbers that reach the log or the disk are
//! written big-endian, because LMDB sorts keys as bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(number: $inner) -> Self {
                Self(number)
            }
        }
    };
}

number_id!(
    /// A process with a data directory. Allocated once by the meta group, never reused.
    NodeId,
    u64
);
number_id!(
    /// A Raft group: 0 is the meta group, 1 and up hold data.
    GroupId,
    u32
);
number_id!(
    /// The unit of ownership and movement, in `0..SHARDS`.
    ShardId,
    u16
);
number_id!(
    /// A collection's number. Never reused, so a dropped and re-created name is a new one.
    CollectionId,
    u32
);
number_id!(
    /// The number of the meta group's state; grows by one with every change of routing.
    ConfigVersion,
    u64
);
number_id!(
    /// The config in which a shard's present owner was decided.
    Epoch,
    u64
);
number_id!(
    /// A short hash of what a request asks, to tell a retry from a reused request id.
    Fingerprint,
    u64
);

impl GroupId {
    /// The group that knows the nodes, groups, shard map and collections.
    pub const META: Self = Self(0);
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                Ok(Self(bytes.try_into()?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

byte_id!(
    /// One deployment, named at random when it is founded.
    ClusterId
);
byte_id!(
    /// One life of a data directory. A wiped node has a new one and is a stranger.
    Incarnation
);
byte_id!(
    /// Makes a retry safe: one request id takes effect at most once.
    RequestId
);

/// Who asks. One constant until authentication exists (design note 11.7).
const PRINCIPAL: &[u8] = b"anonymous";

/// Stands where a principal would, for ids that the proxy makes.
const PROXY: &[u8] = b"proxy";

impl RequestId {
    /// The id of a request that this process made up itself.
    ///
    /// `nonce` is random per process start, `counter` grows by one per request.
    #[must_use]
    pub fn made_here(nonce: u64, counter: u64) -> Self {
        let mut bytes = [0; 16];
        let (high, low) = bytes.split_at_mut(8);
        high.copy_from_slice(&nonce.to_be_bytes());
        low.copy_from_slice(&counter.to_be_bytes());
        Self(bytes)
    }

    /// The id behind a client's `Idempotency-Key`: the same key means the same
    /// request on whichever node it arrives.
    #[must_use]
    pub fn from_idempotency_key(key: &[u8]) -> Self {
        Self::hashed(PRINCIPAL, key)
    }

    /// The id behind the proxy's name for a request. No client's key can collide
    /// with it.
    #[must_use]
    pub fn from_proxy(name: &[u8]) -> Self {
        Self::hashed(PROXY, name)
    }

    fn hashed(maker: &[u8], name: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(maker);
        hasher.update([0]);
        hasher.update(name);
        let digest = hasher.finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_ids_survive_text() {
        let id = ClusterId([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("07".parse::<ClusterId>().is_err());
    }

    #[test]
    fn idempotency_keys_map_to_stable_ids() {
        let id = RequestId::from_idempotency_key(b"order-1");
        assert_eq!(id.to_string(), "85719fc287fbf2bb453a11d7b5eb46eb");
        assert_ne!(id, RequestId::from_idempotency_key(b"order-2"));
        assert_ne!(id, RequestId::from_proxy(b"order-1"));
    }
}
