//! Codec: the log records of this system's entries and votes.
//!
//! A record's body is the peer message of the entry: one form on the wire and
//! on disk. The log adds version and checksum around it.

use bytes::{Bytes, BytesMut};
use prost::Message;

use api::codec::Malformed;
use api::wire::peer;
use state::membership;

use crate::binding::{Entry, EntryContent, LogId, Types, Vote};
use crate::message;

/// Bytes of an entry beside its payload: ids, tags, lengths.
const ENTRY_FRAME_BYTES: usize = 48;

/// Bytes of one member in a membership: id, name, address, incarnation.
const MEMBER_BYTES: usize = 128;

/// Writes and reads log records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codec;

impl wal::Codec<Types> for Codec {
    fn size(&self, entry: &Entry) -> usize {
        ENTRY_FRAME_BYTES
            + match &entry.payload {
                EntryContent::Normal(payload) => payload.0.len(),
                EntryContent::Blank => 0,
                EntryContent::Membership(members) => MEMBER_BYTES * members.nodes().count(),
            }
    }

    fn encode_entry(&self, entry: &Entry, body: &mut BytesMut) {
        write(&message::entry(entry), body);
    }

    fn decode_entry(&self, body: Bytes) -> Result<Entry, Malformed> {
        let message = read::<peer::Entry>(body, "entry")?;
        message::read_entry(message).map_err(|bad| Malformed::Short { field: bad.field })
    }

    fn encode_vote(&self, vote: &Vote, body: &mut BytesMut) {
        write(&message::vote(vote), body);
    }

    fn decode_vote(&self, body: Bytes) -> Result<Vote, Malformed> {
        let message = read::<peer::Vote>(body, "vote")?;
        message::read_vote(Some(message)).map_err(|bad| Malformed::Short { field: bad.field })
    }

    fn encode_log_id(&self, id: &LogId, body: &mut BytesMut) {
        write(&membership::encode_log_id(id), body);
    }

    fn decode_log_id(&self, body: Bytes) -> Result<LogId, Malformed> {
        Ok(membership::decode_log_id(&read(body, "log id")?))
    }
}

fn write(message: &impl Message, body: &mut BytesMut) {
    message.encode(body).expect("a BytesMut grows as needed");
}

fn read<M: Message + Default>(body: Bytes, field: &'static str) -> Result<M, Malformed> {
    M::decode(body).map_err(|_| Malformed::Short { field })
}
