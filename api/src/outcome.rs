//! Outcome: what the state machine answers, the same on every replica.
//!
//! "Compare failed" and "not found" are outcomes, not errors: they are decided
//! by the log, remembered for retries and replayed. A [`Rejection`] is also
//! decided by the log, but changes nothing and is not remembered: the command
//! went to a place or a time where it must not run.

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Malformed, Reader, put_bytes};
use crate::id::Epoch;
use crate::limits::BATCH_COMMANDS_MAX;

/// The answers to the commands of one log entry, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(pub Vec<Answer>);

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The command ran, now or when its request id was first seen.
    Executed {
        /// What it came to.
        outcome: Outcome,
        /// It ran earlier; this is that answer again.
        replay: bool,
    },
    /// The command did not run and changed nothing.
    Rejected(Rejection),
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The row's version after the command (the version that was removed, for a
    /// delete); 0 if there is no row. In the meta group: the collection's id.
    pub version: u64,
    /// The row's value, where the answer carries one.
    pub value: Value,
}

/// The value of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The answer carries none.
    None,
    /// These bytes.
    Bytes(Bytes),
    /// There was one, too long to be kept for replays.
    Omitted,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it says.
    Done,
    /// What it asks for was so already; nothing changed.
    Already,
    /// There is no such row or collection; nothing changed.
    NotFound,
    /// The condition does not hold; nothing changed. Value: the present row's.
    Mismatch,
    /// The SHA-256 key of the value holds other bytes, written there by key; nothing changed.
    Conflict,
    /// The result would exceed a limit; nothing changed.
    TooLarge,
}

/// Why a command did not run although it was in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The group does not own the shard (any more, or yet); the router refreshes its map.
    NotOwner {
        /// The epoch in which the group last knew of the shard; 0 if never.
        epoch: Epoch,
    },
    /// The collection is being dropped; the router waits for the meta group's decision.
    Dropping,
    /// The request id was used for another request; the client chooses a fresh key.
    IdReused,
    /// The id was issued too long ago to know whether it ran before; the client decides.
    Stale {
        /// The group's time.
        group_time_ms: u64,
    },
    /// The id was issued in the future; the router corrects its clock estimate.
    FromFuture {
        /// The group's time.
        group_time_ms: u64,
    },
}

const ANSWER_EXECUTED: u8 = 0;
const ANSWER_REPLAYED: u8 = 1;
const ANSWER_NOT_OWNER: u8 = 2;
const ANSWER_DROPPING: u8 = 3;
const ANSWER_ID_REUSED: u8 = 4;
const ANSWER_STALE: u8 = 5;
const ANSWER_FROM_FUTURE: u8 = 6;

const VALUE_NONE: u8 = 0;
const VALUE_BYTES: u8 = 1;
const VALUE_OMITTED: u8 = 2;

impl Verdict {
    /// The verdict's number on the wire and in dedup items.
    #[must_use]
    pub fn tag(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Already => 1,
            Self::NotFound => 2,
            Self::Mismatch => 3,
            Self::Conflict => 4,
            Self::TooLarge => 5,
        }
    }

    /// The verdict with this number.
    pub fn from_tag(tag: u8) -> Result<Self, Malformed> {
        Ok(match tag {
            0 => Self::Done,
            1 => Self::Already,
            2 => Self::NotFound,
            3 => Self::Mismatch,
            4 => Self::Conflict,
            5 => Self::TooLarge,
            _ => return Err(Malformed::UnknownTag { field: "verdict", tag: tag.into() }),
        })
    }
}

impl Outcome {
    /// An outcome without a value.
    #[must_use]
    pub fn bare(verdict: Verdict, version: u64) -> Self {
        Self { verdict, version, value: Value::None }
    }

    /// Appends the outcome's form.
    pub fn encode(&self, form: &mut BytesMut) {
        form.put_u8(self.verdict.tag());
        form.put_u64(self.version);
        match &self.value {
            Value::None => form.put_u8(VALUE_NONE),
            Value::Bytes(bytes) => {
                form.put_u8(VALUE_BYTES);
                put_bytes(form, bytes);
            }
            Value::Omitted => form.put_u8(VALUE_OMITTED),
        }
    }

    /// Takes an outcome off the front of `reader`.
    pub fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        let verdict = Verdict::from_tag(reader.u8("verdict")?)?;
        let version = reader.u64("version")?;
        let value = match reader.u8("value kind")? {
            VALUE_NONE => Value::None,
            VALUE_BYTES => Value::Bytes(reader.bytes("value")?),
            VALUE_OMITTED => Value::Omitted,
            tag => return Err(Malformed::UnknownTag { field: "value kind", tag: tag.into() }),
        };
        Ok(Self { verdict, version, value })
    }
}

impl Answer {
    fn encode(&self, form: &mut BytesMut) {
        match self {
            Self::Executed { outcome, replay } => {
                form.put_u8(if *replay { ANSWER_REPLAYED } else { ANSWER_EXECUTED });
                outcome.encode(form);
            }
            Self::Rejected(Rejection::NotOwner { epoch }) => {
                form.put_u8(ANSWER_NOT_OWNER);
                form.put_u64(epoch.0);
            }
            Self::Rejected(Rejection::Dropping) => form.put_u8(ANSWER_DROPPING),
            Self::Rejected(Rejection::IdReused) => form.put_u8(ANSWER_ID_REUSED),
            Self::Rejected(Rejection::Stale { group_time_ms }) => {
                form.put_u8(ANSWER_STALE);
                form.put_u64(*group_time_ms);
            }
            Self::Rejected(Rejection::FromFuture { group_time_ms }) => {
                form.put_u8(ANSWER_FROM_FUTURE);
                form.put_u64(*group_time_ms);
            }
        }
    }

    fn decode(reader: &mut Reader) -> Result<Self, Malformed> {
        let executed = |reader: &mut Reader, replay| {
            Ok(Self::Executed { outcome: Outcome::decode(reader)?, replay })
        };
        match reader.u8("answer")? {
            ANSWER_EXECUTED => executed(reader, false),
            ANSWER_REPLAYED => executed(reader, true),
            ANSWER_NOT_OWNER => {
                Ok(Self::Rejected(Rejection::NotOwner { epoch: Epoch(reader.u64("epoch")?) }))
            }
            ANSWER_DROPPING => Ok(Self::Rejected(Rejection::Dropping)),
            ANSWER_ID_REUSED => Ok(Self::Rejected(Rejection::IdReused)),
            ANSWER_STALE => {
                Ok(Self::Rejected(Rejection::Stale { group_time_ms: reader.u64("group time")? }))
            }
            ANSWER_FROM_FUTURE => Ok(Self::Rejected(Rejection::FromFuture {
                group_time_ms: reader.u64("group time")?,
            })),
            tag => Err(Malformed::UnknownTag { field: "answer", tag: tag.into() }),
        }
    }
}

impl Answers {
    /// The answers' form between nodes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut form = BytesMut::new();
        self.0.iter().for_each(|answer| answer.encode(&mut form));
        form.freeze()
    }

    /// Reads the form back.
    pub fn decode(form: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(form);
        reader.list("answers", BATCH_COMMANDS_MAX, Answer::decode).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_decode_to_themselves() {
        let executed = |value, replay| Answer::Executed {
            outcome: Outcome { verdict: Verdict::Mismatch, version: 3, value },
            replay,
        };
        let answers = Answers(vec![
            executed(Value::None, false),
            executed(Value::Bytes(Bytes::from_static(b"v")), true),
            executed(Value::Omitted, true),
            Answer::Rejected(Rejection::NotOwner { epoch: Epoch(4) }),
            Answer::Rejected(Rejection::Dropping),
            Answer::Rejected(Rejection::IdReused),
            Answer::Rejected(Rejection::Stale { group_time_ms: 1 }),
            Answer::Rejected(Rejection::FromFuture { group_time_ms: 2 }),
        ]);
        assert_eq!(Answers::decode(answers.encode()), Ok(answers));
    }

    #[test]
    fn more_answers_than_an_entry_has_commands_are_refused() {
        let answers = |count| Answers(vec![Answer::Rejected(Rejection::Dropping); count]).encode();
        assert!(Answers::decode(answers(BATCH_COMMANDS_MAX)).is_ok());
        let too_many = Malformed::TooMany { field: "answers", most: BATCH_COMMANDS_MAX };
        assert_eq!(Answers::decode(answers(BATCH_COMMANDS_MAX + 1)), Err(too_many));
    }
}
