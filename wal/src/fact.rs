//! Fact: how is what `groups` says of a group written?
//!
//! A vote's body is the codec's. A log id's body is `index:8 | codec's bytes`,
//! so that an inspector without the codec can still say which entries a log
//! holds.

use bytes::{BufMut, Bytes, BytesMut};
use openraft::RaftTypeConfig;
use openraft::alias::{LogIdOf, VoteOf};

use api::GroupId;

use crate::codec::Codec;
use crate::key::{Fact, Key};
use crate::record;
use crate::store::{Change, Table};

/// Room for a log id or a vote. Longer ones only cost a second allocation.
const BODY_BYTES: usize = 40;

/// Saves a vote.
pub(crate) fn save_vote<C: RaftTypeConfig>(
    gid: GroupId,
    codec: &impl Codec<C>,
    vote: &VoteOf<C>,
) -> Change {
    save(gid, Fact::Vote, |body| codec.encode_vote(vote, body))
}

/// Saves the purged or committed log id.
pub(crate) fn save_log_id<C: RaftTypeConfig>(
    gid: GroupId,
    codec: &impl Codec<C>,
    fact: Fact,
    log_id: &LogIdOf<C>,
) -> Change {
    save(gid, fact, |body| {
        body.put_u64(log_id.index);
        codec.encode_log_id(log_id, body);
    })
}

/// Splits the body of a log id. `None` if it is too short to be one.
pub(crate) fn split_index(body: &Bytes) -> Option<(u64, Bytes)> {
    let index = u64::from_be_bytes(*body.first_chunk::<8>()?);
    Some((index, body.slice(8..)))
}

fn save(gid: GroupId, fact: Fact, write: impl FnOnce(&mut BytesMut)) -> Change {
    let key = Key::fact(gid, fact);
    Change::Put { table: Table::Groups, key, record: record::seal(&key, BODY_BYTES, write) }
}
