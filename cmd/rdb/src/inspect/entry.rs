//! Entry: what does a record of the log say?
//!
//! A record's body is the peer message of the entry; its payload says in
//! `api`'s forms what is to be applied.

use api::codec::Malformed;
use api::wire::peer;
use api::{Command, Content, GroupId, MetaCommand, MetaOperation, Operation, Payload};
use bytes::Bytes;
use prost::Message;

// So many commands of an entry are shown; the count says how many there are.
const COMMANDS_SHOWN: usize = 4;

/// An entry, described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The term it was proposed in.
    pub term: Option<u64>,
    /// The node that proposed it.
    pub node: Option<u64>,
    /// The time its leader stamped on it, milliseconds.
    pub time_ms: Option<u64>,
    /// What sort of entry it is.
    pub kind: &'static str,
    /// How many commands it carries.
    pub commands: usize,
    /// What it does.
    pub detail: String,
}

/// Describes the body of a record of that group.
pub fn describe(group: GroupId, body: &[u8]) -> Result<Described, String> {
    let entry = peer::Entry::decode(body).map_err(|error| error.to_string())?;
    let id = entry.id.ok_or("entry without an id")?;
    let mut described = match entry.content.ok_or("entry without content")? {
        peer::entry::Content::Blank(_) => Described { kind: "blank", ..Described::default() },
        peer::entry::Content::Membership(membership) => {
            Described { kind: "membership", detail: voters(&membership), ..Described::default() }
        }
        peer::entry::Content::Payload(payload) => {
            describe_payload(group, &Payload(payload)).map_err(|error| error.to_string())?
        }
    };
    described.term = Some(id.term);
    described.node = Some(id.node);
    Ok(described)
}

/// The voters of a membership: one set, or two while it changes.
#[must_use]
pub fn voters(membership: &peer::Membership) -> String {
    let sets = membership.configs.iter().map(|voters| {
        let ids: Vec<_> = voters.ids.iter().map(ToString::to_string).collect();
        ids.join(",")
    });
    sets.collect::<Vec<_>>().join(" -> ")
}

fn describe_payload(group: GroupId, payload: &Payload) -> Result<Described, Malformed> {
    let (time_ms, content) = payload.decode()?;
    let (kind, commands, detail) = match content {
        Content::Commands(forms) => {
            let shown: Result<Vec<_>, _> =
                forms.iter().take(COMMANDS_SHOWN).map(|form| command(group, form)).collect();
            let more = if forms.len() > COMMANDS_SHOWN { "; ..." } else { "" };
            ("commands", forms.len(), format!("{}{more}", shown?.join("; ")))
        }
        Content::Assign { epoch, shards } => {
            let (first, last) = (shards.first(), shards.last());
            let range = first.zip(last).map(|(first, last)| format!(" {first}..{last}"));
            let range = range.unwrap_or_default();
            ("assign", 0, format!("{} shards{range}, epoch {epoch}", shards.len()))
        }
        Content::Fence { collection, config } => {
            ("fence", 0, format!("collection {collection}, config {config}"))
        }
        Content::Sweep { collection, rows_max } => {
            ("sweep", 0, format!("collection {collection}, {rows_max} rows at most"))
        }
    };
    Ok(Described { time_ms: Some(time_ms), kind, commands, detail, ..Described::default() })
}

fn command(group: GroupId, form: &Bytes) -> Result<String, Malformed> {
    if group == GroupId::META {
        let command = MetaCommand::decode(form.clone())?;
        return Ok(match command.operation {
            MetaOperation::Found { cluster, groups, members, .. } => {
                format!("found {cluster}, {groups} groups, {} members", members.len())
            }
            MetaOperation::CreateCollection { name } => format!("create collection {name:?}"),
            MetaOperation::BeginDrop { name } => format!("drop collection {name:?}"),
            MetaOperation::AckFence { collection, group } => {
                format!("collection {collection} fenced in group {group}")
            }
            MetaOperation::AckSwept { collection, group } => {
                format!("collection {collection} swept in group {group}")
            }
        });
    }
    let command = Command::decode(form.clone())?;
    let (verb, value) = match &command.operation {
        Operation::Put { value, .. } => ("put", Some(value.len())),
        Operation::PutValue { value, .. } => ("put value", Some(value.len())),
        Operation::Delete { .. } => ("delete", None),
        Operation::DeleteValue { value, .. } => ("delete value", Some(value.len())),
        Operation::Append { value, .. } => ("append", Some(value.len())),
    };
    let value = value.map(|bytes| format!(" {bytes} bytes")).unwrap_or_default();
    let (shard, collection) = (command.header.shard, command.header.collection);
    let key = command.operation.key().escape_ascii();
    Ok(format!("{verb} {key}{value} (shard {shard}, collection {collection})"))
}

#[cfg(test)]
mod tests {
    use api::{CollectionId, Condition, Fingerprint, Header, RequestClass, RequestId, ShardId};

    use super::*;

    fn body(content: peer::entry::Content) -> Vec<u8> {
        let id = Some(peer::LogId { term: 3, node: 2, index: 9 });
        peer::Entry { id, content: Some(content) }.encode_to_vec()
    }

    #[test]
    fn commands_are_described_with_key_and_length() {
        let header = Header {
            id: RequestId([1; 16]),
            class: RequestClass::Client,
            issued_at_ms: 1,
            fingerprint: Fingerprint(2),
            shard: ShardId(7),
            collection: CollectionId(4),
        };
        let (key, value) = (Bytes::from_static(b"k\xff"), Bytes::from_static(b"secret"));
        let operation = Operation::Put { key, value, condition: Condition::Always };
        let form = Command { header, operation }.encode();
        let payload = Payload::encode(50, &Content::Commands(vec![form; 5]));
        let body = body(peer::entry::Content::Payload(payload.0));
        let described = describe(GroupId(1), &body).unwrap();
        assert_eq!(
            (described.term, described.node, described.time_ms),
            (Some(3), Some(2), Some(50))
        );
        assert_eq!((described.kind, described.commands), ("commands", 5));
        assert!(described.detail.starts_with(r"put k\xff 6 bytes (shard 7, collection 4); "));
        assert!(described.detail.ends_with("; ..."), "{}", described.detail);
    }

    #[test]
    fn system_entries_are_described() {
        let described = describe(GroupId(1), &body(peer::entry::Content::Blank(peer::Blank {})));
        assert_eq!(described.unwrap().kind, "blank");
        let configs = vec![peer::Voters { ids: vec![1, 2] }, peer::Voters { ids: vec![2, 3] }];
        let membership = peer::Membership { configs, members: Vec::new() };
        let body = body(peer::entry::Content::Membership(membership));
        assert_eq!(describe(GroupId(1), &body).unwrap().detail, "1,2 -> 2,3");
    }

    #[test]
    fn what_is_no_entry_is_a_problem() {
        assert!(describe(GroupId(1), &[0xff; 4]).is_err());
        assert_eq!(describe(GroupId(1), &[]).unwrap_err(), "entry without an id");
        let nonsense = body(peer::entry::Content::Payload(Bytes::from_static(b"?")));
        assert!(describe(GroupId(1), &nonsense).is_err());
    }
}
