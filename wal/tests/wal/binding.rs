//! Binding: the smallest type config and codec the tests need.

use std::collections::{BTreeMap, BTreeSet};

use api::NodeId;
use api::codec::{Malformed, Reader, put_bytes};
use bytes::{BufMut, Bytes, BytesMut};
use openraft::entry::RaftEntry;
use openraft::raft::responder::Responder;
use openraft::vote::{RaftLeaderId, RaftVote};
use openraft::{EntryPayload, Membership, OptionalSend};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

pub(crate) type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, NodeId>;
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type Content = EntryPayload<String, NodeId, ()>;
pub(crate) type Log = wal::Log<Types, Plain>;

impl openraft::RaftTypeConfig for Types {
    type D = String;
    type R = ();
    type NodeId = NodeId;
    type Node = ();
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = openraft::impls::Vote<LeaderId>;
    type Payload = Content;
    type Entry = openraft::Entry<<LeaderId as RaftLeaderId>::Committed, Content>;
    type AsyncRuntime = openraft::impls::TokioRuntime;
    type Responder<T>
        = Silent
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// Nobody proposes anything in these tests.
pub(crate) struct Silent;

impl<T: OptionalSend + 'static> Responder<Types, T> for Silent {
    fn on_complete(self, _result: T) {}
}

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, NodeId(0)).to_committed(), index)
}

pub(crate) fn vote(term: u64) -> Vote {
    Vote::from_leader_id(LeaderId::new(term, NodeId(0)), false)
}

pub(crate) fn entry(term: u64, index: u64, text: &str) -> Entry {
    Entry::new(log_id(term, index), Content::Normal(text.to_owned()))
}

/// The text of a normal entry.
pub(crate) fn text(entry: &Entry) -> &str {
    match &entry.payload {
        Content::Normal(text) => text,
        Content::Blank => "(blank)",
        Content::Membership(_) => "(membership)",
    }
}

/// A codec without surprises.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

impl wal::Codec<Types> for Plain {
    fn size(&self, entry: &Entry) -> usize {
        let content = match &entry.payload {
            Content::Normal(text) => text.len(),
            Content::Blank | Content::Membership(_) => 0,
        };
        32 + content
    }

    fn encode_entry(&self, entry: &Entry, body: &mut BytesMut) {
        self.encode_log_id(&entry.log_id(), body);
        match &entry.payload {
            Content::Blank => body.put_u8(0),
            Content::Normal(text) => {
                body.put_u8(1);
                put_bytes(body, text.as_bytes());
            }
            Content::Membership(members) => {
                body.put_u8(2);
                put_membership(body, members);
            }
        }
    }

    fn decode_entry(&self, body: Bytes) -> Result<Entry, Malformed> {
        let mut reader = Reader::new(body);
        let log_id = read_log_id(&mut reader)?;
        let content = match reader.u8("kind")? {
            0 => Content::Blank,
            1 => Content::Normal(String::from_utf8(reader.bytes("text")?.to_vec()).unwrap()),
            2 => Content::Membership(read_membership(&mut reader)?),
            tag => return Err(Malformed::UnknownTag { field: "kind", tag: tag.into() }),
        };
        reader.end()?;
        Ok(Entry::new(log_id, content))
    }

    fn encode_vote(&self, vote: &Vote, body: &mut BytesMut) {
        body.put_u64(vote.leader_id().term());
        body.put_u64(vote.leader_id().node_id().0);
        body.put_u8(u8::from(vote.is_committed()));
    }

    fn decode_vote(&self, body: Bytes) -> Result<Vote, Malformed> {
        let mut reader = Reader::new(body);
        let leader = read_leader(&mut reader)?;
        Ok(Vote::from_leader_id(leader, reader.u8("committed")? == 1))
    }

    fn encode_log_id(&self, log_id: &LogId, body: &mut BytesMut) {
        body.put_u64(log_id.leader_id.term());
        body.put_u64(log_id.leader_id.node_id().0);
        body.put_u64(log_id.index);
    }

    fn decode_log_id(&self, body: Bytes) -> Result<LogId, Malformed> {
        read_log_id(&mut Reader::new(body))
    }
}

fn read_leader(reader: &mut Reader) -> Result<LeaderId, Malformed> {
    Ok(LeaderId::new(reader.u64("term")?, NodeId(reader.u64("node")?)))
}

fn read_log_id(reader: &mut Reader) -> Result<LogId, Malformed> {
    let leader = read_leader(reader)?;
    Ok(LogId::new(leader.to_committed(), reader.u64("index")?))
}

fn put_membership(body: &mut BytesMut, members: &Membership<NodeId, ()>) {
    let configs = members.get_joint_config();
    body.put_u8(u8::try_from(configs.len()).unwrap());
    for config in configs {
        body.put_u8(u8::try_from(config.len()).unwrap());
        config.iter().for_each(|id| body.put_u64(id.0));
    }
    let nodes: Vec<_> = members.nodes().collect();
    body.put_u8(u8::try_from(nodes.len()).unwrap());
    nodes.iter().for_each(|(id, ())| body.put_u64(id.0));
}

fn read_membership(reader: &mut Reader) -> Result<Membership<NodeId, ()>, Malformed> {
    let mut configs = Vec::new();
    for _ in 0..reader.u8("configs")? {
        let mut config = BTreeSet::new();
        for _ in 0..reader.u8("voters")? {
            config.insert(NodeId(reader.u64("voter")?));
        }
        configs.push(config);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..reader.u8("nodes")? {
        nodes.insert(NodeId(reader.u64("node")?), ());
    }
    Ok(Membership::new(configs, nodes).unwrap())
}
