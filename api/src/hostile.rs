//! Hostile: any bytes in place of what the log and the peers hold.
//!
//! These forms are canonical: what is read is, byte for byte, what is written.

use bytes::Bytes;
use fuzz::{Taken, Target};

use crate::{
    Answer, Answers, ClusterId, CollectionId, Command, Condition, ConfigVersion, Content, Epoch,
    Fingerprint, GroupId, Header, Incarnation, Member, MetaCommand, MetaOperation, NodeId,
    Operation, Outcome, Payload, Rejection, RequestClass, RequestId, ShardId, Verdict,
    outcome::Value,
};

const KEY: Bytes = Bytes::from_static(b"key");
const VALUE: Bytes = Bytes::from_static(b"value");

/// Commands share their entry's memory.
const COMMAND_MEMORY: fn(usize) -> usize = |_| 512;
/// A member in memory is at most so many times its form.
const MEMBERS_MEMORY: fn(usize) -> usize = |bytes| 16 * bytes + 512;
/// As many commands or answers as one entry may have, in a vector that doubles.
const BATCH_MEMORY: fn(usize) -> usize = |_| 256 << 10;

fn header() -> Header {
    Header {
        id: RequestId([9; 16]),
        class: RequestClass::Client,
        issued_at_ms: 77,
        fingerprint: Fingerprint(5),
        shard: ShardId(3),
        collection: CollectionId(8),
    }
}

fn commands() -> Vec<Bytes> {
    let put = |condition| Operation::Put { key: KEY, value: VALUE, condition };
    let operations = [
        put(Condition::Always),
        put(Condition::Absent),
        put(Condition::Version(7)),
        put(Condition::Value(VALUE)),
        Operation::PutValue { key: KEY, value: VALUE },
        Operation::Delete { key: KEY, condition: Condition::Always },
        Operation::DeleteValue { key: KEY, value: VALUE },
        Operation::Append { key: KEY, value: VALUE, bytes_max: 1 << 20 },
    ];
    operations.map(|operation| Command { header: header(), operation }.encode()).into()
}

fn meta_commands() -> Vec<Bytes> {
    let member = |id| {
        let (name, peer) = (format!("rdb_replica_{id}"), format!("localhost:742{id}"));
        (NodeId(id), Member { name, peer, incarnation: Incarnation([4; 16]) })
    };
    let (collection, group) = (CollectionId(1), GroupId(2));
    let operations = [
        MetaOperation::Found {
            cluster: ClusterId([1; 16]),
            shards: 1024,
            groups: 2,
            members: vec![member(1), member(2)],
        },
        MetaOperation::CreateCollection { name: "books".to_owned() },
        MetaOperation::BeginDrop { name: "b\u{fc}cher".to_owned() },
        MetaOperation::AckFence { collection, group },
        MetaOperation::AckSwept { collection, group },
    ];
    operations.map(|operation| MetaCommand { header: header(), operation }.encode()).into()
}

#[test]
fn fuzz_commands() {
    Target::new("commands", commands()).memory(COMMAND_MEMORY).run(|input| {
        let form = Bytes::copy_from_slice(input.bytes);
        match input.decode(|_| Command::decode(form.clone())) {
            Ok(command) => {
                assert_eq!(command.encode(), form);
                Taken::Read
            }
            Err(malformed) => Taken::refused(malformed),
        }
    });
}

#[test]
fn fuzz_meta_commands() {
    Target::new("meta commands", meta_commands()).memory(MEMBERS_MEMORY).run(|input| {
        let form = Bytes::copy_from_slice(input.bytes);
        match input.decode(|_| MetaCommand::decode(form.clone())) {
            Ok(command) => {
                assert_eq!(command.encode(), form);
                Taken::Read
            }
            Err(malformed) => Taken::refused(malformed),
        }
    });
}

#[test]
fn fuzz_payloads() {
    let contents = [
        Content::Commands(vec![]),
        Content::Commands(commands()),
        Content::Commands(meta_commands()),
        Content::Assign { epoch: Epoch(1), shards: vec![ShardId(0), ShardId(1023)] },
        Content::Fence { collection: CollectionId(3), config: ConfigVersion(9) },
        Content::Sweep { collection: CollectionId(3), rows_max: 10 },
    ];
    let seeds = contents.map(|content| Payload::encode(42, &content).0);
    Target::new("payloads", seeds).memory(BATCH_MEMORY).run(|input| {
        let payload = Payload(Bytes::copy_from_slice(input.bytes));
        match input.decode(|_| payload.decode()) {
            Ok((time_ms, content)) => {
                assert_eq!(Payload::encode(time_ms, &content), payload);
                Taken::Read
            }
            Err(malformed) => Taken::refused(malformed),
        }
    });
}

#[test]
fn fuzz_answers() {
    let executed = |value, replay| {
        let outcome = Outcome { verdict: Verdict::Mismatch, version: 3, value };
        Answer::Executed { outcome, replay }
    };
    let answers = [
        vec![],
        vec![executed(Value::Bytes(VALUE), true), executed(Value::None, false)],
        vec![executed(Value::Omitted, true), Answer::Rejected(Rejection::Dropping)],
        vec![
            Answer::Rejected(Rejection::NotOwner { epoch: Epoch(4) }),
            Answer::Rejected(Rejection::IdReused),
            Answer::Rejected(Rejection::Stale { group_time_ms: 1 }),
            Answer::Rejected(Rejection::FromFuture { group_time_ms: 2 }),
        ],
    ];
    let seeds = answers.map(|answers| Answers(answers).encode());
    Target::new("answers", seeds).memory(BATCH_MEMORY).run(|input| {
        let form = Bytes::copy_from_slice(input.bytes);
        match input.decode(|_| Answers::decode(form.clone())) {
            Ok(answers) => {
                assert_eq!(answers.encode(), form);
                Taken::Read
            }
            Err(malformed) => Taken::refused(malformed),
        }
    });
}

#[test]
fn fuzz_ids() {
    let seeds = [ClusterId([0xa7; 16]).to_string(), "0123456789abcdefABCDEF0123456789".into()];
    Target::new("ids", seeds).words(["0", "f", "\u{fc}"]).run(|input| {
        let text = String::from_utf8_lossy(input.bytes);
        match input.decode(|_| text.parse::<ClusterId>()) {
            Ok(id) => {
                assert_eq!(id.to_string(), text.to_ascii_lowercase());
                Taken::Read
            }
            Err(error) => Taken::refused(error),
        }
    });
}
