//! Hostile: any bytes in place of peers' messages, log records and what else
//! this crate reads.
//!
//! Messages are protobuf: unknown fields are skipped and numbers have several
//! forms, so what is read is compared after it was written and read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;

use bytes::{Bytes, BytesMut};
use fuzz::{Input, Taken, Target};
use openraft::entry::RaftEntry;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use prost::Message;

use api::service::{Bounds, Range};
use api::wire::{BadMessage, peer};
use api::{
    ClusterId, CollectionId, Content, GroupId, Incarnation, Member, NodeId, Payload, Refusal,
};
use state::membership::log_id;
use state::scan::Position;
use wal::Codec as _;

use crate::binding::{AppendResult, Entry, EntryContent, LogId, Membership, Types, Vote};
use crate::codec::Codec;
use crate::founding;
use crate::identity::{Adopted, Founder, Identity};
use crate::message;
use crate::request::cursor::{self, Place};

/// The smallest entry of a message is two bytes, and a vector doubles. What a
/// node with a certificate of ours may cost us is bounded by this and by
/// [`MESSAGE_BYTES_MAX`](crate::peers::MESSAGE_BYTES_MAX).
const MESSAGE_MEMORY: fn(usize) -> usize = |bytes| 400 * bytes + 8192;

/// Texts and lists of a JSON file.
const JSON_MEMORY: fn(usize) -> usize = |bytes| 64 * bytes + 65_536;

fn id(index: u64) -> LogId {
    log_id(3, NodeId(2), index)
}

fn joint() -> Membership {
    let voters = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
    let member = |id: u64| {
        let (name, peer) = (format!("n{id}"), format!("n{id}:7402"));
        (NodeId(id), Member { name, peer, ..Member::default() })
    };
    let members: BTreeMap<_, _> = (1..=3).map(member).collect();
    Membership::new(vec![voters(&[1, 2]), voters(&[2, 3])], members).unwrap()
}

fn entries() -> Vec<Entry> {
    let commands = Content::Commands(vec![Bytes::from_static(b"command")]);
    let contents = [
        EntryContent::Blank,
        EntryContent::Normal(Payload::encode(42, &commands)),
        EntryContent::Membership(joint()),
    ];
    (7..).zip(contents).map(|(index, content)| Entry::new(id(index), content)).collect()
}

fn route() -> peer::Route {
    peer::Route::between(ClusterId([5; 16]), GroupId(1), NodeId(1), NodeId(2))
}

/// Tries one kind of message: `read` to our types, `write` back.
fn converted<M, T, E>(
    input: &Input<'_>,
    read: impl Fn(M) -> Result<T, E>,
    write: impl Fn(&T) -> M,
) -> Taken
where
    M: Message + Default,
    T: Debug,
    E: ToString,
{
    let decoded = input.decode(|bytes| {
        let message = M::decode(Bytes::copy_from_slice(bytes)).map_err(|why| why.to_string())?;
        read(message).map_err(|why| why.to_string())
    });
    match decoded {
        Ok(meant) => {
            let again = write(&meant).encode_to_vec();
            let again = read(M::decode(&*again).expect("we wrote it"));
            let Ok(again) = again else { panic!("what we write is refused: {meant:?}") };
            // openraft's results cannot be compared, but shown.
            assert_eq!(format!("{again:?}"), format!("{meant:?}"));
            Taken::Read
        }
        Err(why) => Taken::refused(why),
    }
}

#[test]
fn fuzz_log_records() {
    let seeds = entries().into_iter().map(|entry| {
        let mut body = BytesMut::new();
        Codec.encode_entry(&entry, &mut body);
        body
    });
    Target::new("log records", seeds).memory(MESSAGE_MEMORY).run(|input| {
        let body = Bytes::copy_from_slice(input.bytes);
        match input.decode(|_| Codec.decode_entry(body)) {
            Ok(entry) => {
                let mut again = BytesMut::new();
                Codec.encode_entry(&entry, &mut again);
                assert_eq!(Codec.decode_entry(again.freeze()), Ok(entry));
                Taken::Read
            }
            Err(why) => Taken::refused(why),
        }
    });
}

#[test]
fn fuzz_votes_and_log_ids_of_the_log() {
    let mut vote = BytesMut::new();
    Codec.encode_vote(&Vote::new_committed(9, NodeId(1)), &mut vote);
    let mut log_id = BytesMut::new();
    <Codec as wal::Codec<Types>>::encode_log_id(&Codec, &id(5), &mut log_id);
    Target::new("votes and log ids", [vote, log_id]).memory(MESSAGE_MEMORY).run(|input| {
        let body = Bytes::copy_from_slice(input.bytes);
        let vote = input.decode(|_| Codec.decode_vote(body.clone()));
        let log_id = input.decode(|_| Codec.decode_log_id(body.clone()));
        match (vote, log_id) {
            (Ok(vote), Ok(log_id)) => {
                let (mut form, mut id_form) = (BytesMut::new(), BytesMut::new());
                Codec.encode_vote(&vote, &mut form);
                Codec.encode_log_id(&log_id, &mut id_form);
                assert_eq!(Codec.decode_vote(form.freeze()), Ok(vote));
                assert_eq!(Codec.decode_log_id(id_form.freeze()), Ok(log_id));
                Taken::Read
            }
            (Err(why), _) | (_, Err(why)) => Taken::refused(why),
        }
    });
}

#[test]
fn fuzz_append_requests() {
    let request = |entries| AppendEntriesRequest::<Types> {
        vote: Vote::new_committed(9, NodeId(1)),
        prev_log_id: Some(id(6)),
        leader_commit: Some(id(5)),
        entries,
    };
    let seeds = [request(entries()), request(vec![])]
        .map(|request| message::append(route(), &request).encode_to_vec());
    Target::new("append requests", seeds).memory(MESSAGE_MEMORY).run(|input| {
        converted(input, message::read_append, |request| message::append(route(), request))
    });
}

#[test]
fn fuzz_append_responses() {
    let results: [AppendResult; 4] = [
        Ok(None),
        Ok(Some(id(4))),
        Err(StreamAppendError::Conflict(id(5))),
        Err(StreamAppendError::HigherVote(Vote::new_committed(9, NodeId(1)))),
    ];
    let seeds = results.map(|result| message::append_result(&result).encode_to_vec());
    Target::new("append responses", seeds)
        .memory(MESSAGE_MEMORY)
        .run(|input| converted(input, message::read_append_result, message::append_result));
}

#[test]
fn fuzz_vote_messages() {
    let vote = || Vote::new_committed(9, NodeId(1));
    let request = VoteRequest::<Types>::new(vote(), Some(id(4)));
    let response = VoteResponse::<Types>::new(vote(), Some(id(4)), true);
    let seeds = [
        message::vote_request(route(), &request, true).encode_to_vec(),
        message::vote_response(&response).encode_to_vec(),
    ];
    Target::new("vote messages", seeds).memory(MESSAGE_MEMORY).run(|input| {
        let request = converted(input, message::read_vote_request, |request| {
            message::vote_request(route(), request, false)
        });
        let response = converted(input, message::read_vote_response, message::vote_response);
        if request == Taken::Read { request } else { response }
    });
}

#[test]
fn fuzz_transfer_messages() {
    let vote = || Vote::new_committed(9, NodeId(1));
    let request = TransferLeaderRequest::<Types>::new(vote(), NodeId(2), Some(id(4)));
    let refusals: [TransferLeaderError<Types>; 2] = [
        TransferLeaderError::VoteChanged { expected: vote(), actual: Vote::new(8, NodeId(2)) },
        TransferLeaderError::LogNotFlushed { expected: Some(id(4)), actual: None },
    ];
    let refusals = refusals.map(|refusal| message::transfer_refusal(Some(&refusal)));
    let seeds = [
        vec![message::transfer(route(), &request).encode_to_vec()],
        refusals.iter().map(Message::encode_to_vec).collect(),
    ];
    Target::new("transfer messages", seeds.concat()).memory(MESSAGE_MEMORY).run(|input| {
        let request =
            converted(input, message::read_transfer, |request| message::transfer(route(), request));
        let refusal = converted(input, message::read_transfer_refusal, |refusal| {
            message::transfer_refusal(refusal.as_ref())
        });
        if request == Taken::Read { request } else { refusal }
    });
}

fn whole<M>(message: M) -> Result<M, BadMessage> {
    Ok(message)
}

/// Messages of which nothing is an openraft type: snapshots, forwarded calls, hello.
#[test]
fn fuzz_other_messages() {
    let header = peer::SnapshotHeader {
        route: Some(route()),
        vote: Some(message::vote(&Vote::new_committed(9, NodeId(1)))),
        file: format!("state_{}.gz", "ab".repeat(32)),
        bytes: 1 << 20,
    };
    let chunk =
        peer::SnapshotChunk { header: Some(header), offset: 7, data: Bytes::from_static(b"data") };
    let propose = peer::ProposeRequest {
        route: Some(route()),
        commands: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
        timeout_ms: 5_000,
    };
    let refused =
        peer::Refused::from(&Refusal::NotLeader { group: GroupId(1), leader: Some(NodeId(3)) });
    let result = Some(peer::propose_response::Result::Refused(refused));
    let hello = peer::HelloResponse {
        name: "n1".to_owned(),
        incarnation: Bytes::from_static(&[3; 16]),
        cluster: Bytes::from_static(&[5; 16]),
        node: 2,
        ..peer::HelloResponse::default()
    };
    let seeds = [
        chunk.encode_to_vec(),
        propose.encode_to_vec(),
        peer::ProposeResponse { result }.encode_to_vec(),
        hello.encode_to_vec(),
    ];
    Target::new("other messages", seeds).memory(MESSAGE_MEMORY).run(|input| {
        let taken = [
            converted(input, whole, peer::SnapshotChunk::clone),
            converted(input, whole, peer::ProposeRequest::clone),
            converted(input, whole, peer::HelloResponse::clone),
            converted(input, whole, peer::ReadIndexResponse::clone),
            converted(
                input,
                |message: peer::ProposeResponse| match message.result {
                    Some(peer::propose_response::Result::Refused(refused)) => {
                        Ok(Refusal::from(refused))
                    }
                    _ => Err("no refusal"),
                },
                |refusal| {
                    let refused = peer::propose_response::Result::Refused(refusal.into());
                    peer::ProposeResponse { result: Some(refused) }
                },
            ),
        ];
        taken.into_iter().find(|taken| *taken == Taken::Read).unwrap_or(Taken::Refused)
    });
}

fn adopted() -> Adopted {
    let incarnation = Incarnation([3; 16]);
    let member = Member { name: "n0".into(), peer: "n0:7402".into(), incarnation };
    Adopted {
        cluster_id: ClusterId([1; 16]),
        node_id: NodeId(1),
        groups: 2,
        members: vec![Founder { node_id: NodeId(1), member }],
        started: false,
        founded: false,
    }
}

#[test]
fn fuzz_invitations() {
    let write = |adopted: &Adopted| peer::AdoptRequest {
        cluster: Bytes::copy_from_slice(&adopted.cluster_id.0),
        node: adopted.node_id.0,
        members: adopted.members().map(peer::Member::from).collect(),
        groups: adopted.groups,
    };
    let seeds = [write(&adopted()).encode_to_vec()];
    Target::new("invitations", seeds).memory(MESSAGE_MEMORY).run(|input| {
        converted(
            input,
            |request| founding::read_adopt(request).map_err(|why| why.message().to_owned()),
            write,
        )
    });
}

#[test]
fn fuzz_identity_files() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("identity");
    let identity = |adopted| Identity {
        format: 1,
        name: "n0".to_owned(),
        incarnation: Incarnation([3; 16]),
        adopted,
    };
    let seeds = [identity(None), identity(Some(adopted()))]
        .map(|identity| serde_json::to_vec_pretty(&identity).unwrap());
    let words = ["\"format\":", "\"adopted\":", "null", "{", "}", "[", "]", "1e99", "\\ud800"];
    Target::new("identity files", seeds).words(words).memory(JSON_MEMORY).run(|input| {
        // A new file each time: ext4 syncs one that is written over.
        let _absent = fs::remove_file(&path);
        fs::write(&path, input.bytes).unwrap();
        let load =
            || Identity::load_or_create(data.path(), "n0", || unreachable!("a file is there"));
        match input.decode(|_| load()) {
            Ok(identity) => {
                fs::remove_file(&path).unwrap();
                fs::write(&path, serde_json::to_vec(&identity).unwrap()).unwrap();
                assert_eq!(load().unwrap(), identity);
                Taken::Read
            }
            // It may quote what it found, for the operator.
            Err(_) => Taken::Refused,
        }
    });
}

/// Cursors come from clients, and nothing keeps one from making them up.
#[test]
fn fuzz_cursors() {
    let collection = CollectionId(4);
    let range = Range::Values(Bounds { start: "a".into(), ..Bounds::default() });
    let write = |value: &'static [u8]| {
        cursor::write(collection, &range, &Position { value: value.into(), key: "k".into() })
    };
    let seeds = [write(b"value"), write(&[7; 5_000]), write(b"")];
    Target::new("cursors", seeds).words(["00", "ffffffff", "01"]).run(|input| {
        let text = String::from_utf8_lossy(input.bytes);
        match input.decode(|_| cursor::read(&text, collection, &range)) {
            Some(Place::At(position)) => {
                let again = cursor::write(collection, &range, &position);
                let place = cursor::read(&again, collection, &range);
                let long = position.value.len() > 4096;
                assert!(long || place == Some(Place::At(position)));
                Taken::Read
            }
            Some(Place::AtRow(_)) => Taken::Read,
            None => Taken::refused("no cursor of this scan"),
        }
    });
}
