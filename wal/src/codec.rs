//! Codec: how do entries, votes and log ids become bytes?
//!
//! The crate that knows the entry implements this; `wal` stores the bytes and
//! looks at nothing in an entry but its log id.

use api::codec::Malformed;
use bytes::{Bytes, BytesMut};
use openraft::RaftTypeConfig;
use openraft::alias::{LogIdOf, VoteOf};

/// Turns what openraft hands over into bytes and back.
///
/// Decoding must give exactly what was encoded, or an error. `wal` keeps a
/// version and a checksum around each body, so a codec needs neither against
/// damage; it needs its own version byte only to change its own form.
pub trait Codec<C: RaftTypeConfig>: Clone + Send + Sync + 'static {
    /// Bytes that [`encode_entry`](Self::encode_entry) will write, near enough:
    /// it decides how large a buffer is made.
    fn size(&self, entry: &C::Entry) -> usize;

    /// Appends the entry, its log id included.
    fn encode_entry(&self, entry: &C::Entry, body: &mut BytesMut);

    /// Reads back [`encode_entry`](Self::encode_entry).
    fn decode_entry(&self, body: Bytes) -> Result<C::Entry, Malformed>;

    /// Appends the vote.
    fn encode_vote(&self, vote: &VoteOf<C>, body: &mut BytesMut);

    /// Reads back [`encode_vote`](Self::encode_vote).
    fn decode_vote(&self, body: Bytes) -> Result<VoteOf<C>, Malformed>;

    /// Appends the log id.
    fn encode_log_id(&self, log_id: &LogIdOf<C>, body: &mut BytesMut);

    /// Reads back [`encode_log_id`](Self::encode_log_id).
    fn decode_log_id(&self, body: Bytes) -> Result<LogIdOf<C>, Malformed>;
}
