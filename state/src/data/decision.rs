//! Decision: what does an operation do to the row that is there?
//!
//! A pure function of the operation and the present row. What it decides is
//! carried out by the entry's batch.

use api::limits::{KEY_BYTES_MAX, VALUE_BYTES_HARD_MAX};
use api::{Condition, Operation, Verdict};
use bytes::{Bytes, BytesMut};

use crate::row::Row;

/// What an operation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// What happens to the row.
    pub change: Change,
    /// How the operation ends.
    pub verdict: Verdict,
    /// Which value the answer carries.
    pub reply: Reply,
}

/// What happens to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    Keep,
    /// It is written, with a new version.
    Write(Bytes),
    /// It is removed.
    Remove,
}

/// Which value an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// None.
    Nothing,
    /// The value that was there before.
    Present,
    /// The value that was written.
    Written,
}

/// Decides what `operation` does to the row that is there.
pub(crate) fn decide(operation: &Operation, present: Option<&Row<'_>>) -> Decision {
    // Limits of the format, judged again: nothing longer may reach the tables,
    // whatever the proposing node let through.
    if operation.key().len() > KEY_BYTES_MAX {
        return keep(Verdict::TooLarge);
    }
    match operation {
        Operation::Put { condition, .. } | Operation::Delete { condition, .. }
            if !holds(condition, present) =>
        {
            Decision { reply: Reply::Present, ..keep(Verdict::Mismatch) }
        }
        Operation::Put { value, .. } => write(value.clone()),
        Operation::PutValue { value, .. } => match present {
            None => write(value.clone()),
            Some(row) if row.value == value => keep(Verdict::Already),
            Some(_) => keep(Verdict::Conflict),
        },
        Operation::Delete { .. } => match present {
            None => keep(Verdict::NotFound),
            Some(_) => Decision { reply: Reply::Present, ..remove() },
        },
        Operation::DeleteValue { value, .. } => match present {
            None => keep(Verdict::NotFound),
            Some(row) if row.value == value => remove(),
            Some(_) => keep(Verdict::Conflict),
        },
        Operation::Append { value, bytes_max, .. } => append(present, value, *bytes_max),
    }
}

/// Whether `condition` holds of the present row. A version of 0 means absent.
fn holds(condition: &Condition, present: Option<&Row<'_>>) -> bool {
    match condition {
        Condition::Always => true,
        Condition::Absent => present.is_none(),
        Condition::Version(version) => present.map_or(0, |row| row.version) == *version,
        Condition::Value(value) => present.is_some_and(|row| row.value == value),
    }
}

fn append(present: Option<&Row<'_>>, more: &Bytes, bytes_max: u32) -> Decision {
    let present = present.map_or(&[][..], |row| row.value);
    let length = present.len() + more.len();
    if length > bytes_max as usize || length > VALUE_BYTES_HARD_MAX {
        return keep(Verdict::TooLarge);
    }
    let mut whole = BytesMut::with_capacity(length);
    whole.extend_from_slice(present);
    whole.extend_from_slice(more);
    Decision { reply: Reply::Written, ..write(whole.freeze()) }
}

fn keep(verdict: Verdict) -> Decision {
    Decision { change: Change::Keep, verdict, reply: Reply::Nothing }
}

fn write(value: Bytes) -> Decision {
    if value.len() > VALUE_BYTES_HARD_MAX {
        return keep(Verdict::TooLarge);
    }
    Decision { change: Change::Write(value), verdict: Verdict::Done, reply: Reply::Nothing }
}

fn remove() -> Decision {
    Decision { change: Change::Remove, verdict: Verdict::Done, reply: Reply::Nothing }
}

#[cfg(test)]
mod tests {
    use api::CollectionId;

    use super::*;

    const KEY: Bytes = Bytes::from_static(b"key");
    const OLD: Bytes = Bytes::from_static(b"old");
    const NEW: Bytes = Bytes::from_static(b"new");

    fn row() -> Row<'static> {
        Row::new(CollectionId(1), &KEY, 7, b"old")
    }

    fn mismatch() -> Decision {
        Decision { reply: Reply::Present, ..keep(Verdict::Mismatch) }
    }

    #[test]
    fn a_put_writes_if_its_condition_holds() {
        let put = |condition| Operation::Put { key: KEY, value: NEW, condition };
        let cases = [
            (Condition::Always, true, true),
            (Condition::Absent, false, true),
            (Condition::Version(7), true, false),
            (Condition::Version(8), false, false),
            (Condition::Version(0), false, true),
            (Condition::Value(OLD), true, false),
            (Condition::Value(NEW), false, false),
        ];
        for (condition, on_row, on_none) in cases {
            let expected = |holds| if holds { write(NEW) } else { mismatch() };
            let put = put(condition);
            assert_eq!(decide(&put, Some(&row())), expected(on_row), "{put:?} on a row");
            assert_eq!(decide(&put, None), expected(on_none), "{put:?} on none");
        }
    }

    #[test]
    fn a_delete_judges_its_condition_first() {
        let delete = |condition| Operation::Delete { key: KEY, condition };
        let removed = Decision { reply: Reply::Present, ..remove() };
        assert_eq!(decide(&delete(Condition::Always), Some(&row())), removed);
        assert_eq!(decide(&delete(Condition::Version(7)), Some(&row())), removed);
        assert_eq!(decide(&delete(Condition::Version(1)), Some(&row())), mismatch());
        assert_eq!(decide(&delete(Condition::Version(1)), None), mismatch());
        assert_eq!(decide(&delete(Condition::Always), None), keep(Verdict::NotFound));
        assert_eq!(decide(&delete(Condition::Version(0)), None), keep(Verdict::NotFound));
    }

    #[test]
    fn values_are_verified_before_they_count_as_the_same() {
        let put = |value| Operation::PutValue { key: KEY, value };
        let delete = |value| Operation::DeleteValue { key: KEY, value };
        assert_eq!(decide(&put(NEW), None), write(NEW));
        assert_eq!(decide(&put(OLD), Some(&row())), keep(Verdict::Already));
        assert_eq!(decide(&put(NEW), Some(&row())), keep(Verdict::Conflict));
        assert_eq!(decide(&delete(OLD), Some(&row())), remove());
        assert_eq!(decide(&delete(NEW), Some(&row())), keep(Verdict::Conflict));
        assert_eq!(decide(&delete(OLD), None), keep(Verdict::NotFound));
    }

    #[test]
    fn an_append_stops_at_its_limit_and_at_the_hard_one() {
        let append = |value: Bytes, bytes_max| Operation::Append { key: KEY, value, bytes_max };
        let written =
            |value: &'static str| Decision { reply: Reply::Written, ..write(value.into()) };
        assert_eq!(decide(&append(NEW, 6), Some(&row())), written("oldnew"));
        assert_eq!(decide(&append(NEW, 5), Some(&row())), keep(Verdict::TooLarge));
        assert_eq!(decide(&append(NEW, 3), None), written("new"));
        let hard = Bytes::from(vec![0; VALUE_BYTES_HARD_MAX]);
        assert_eq!(decide(&append(hard, u32::MAX), Some(&row())), keep(Verdict::TooLarge));
    }

    #[test]
    fn nothing_longer_than_the_format_allows_is_written() {
        let put = |key: usize, value: usize| Operation::Put {
            key: vec![b'k'; key].into(),
            value: vec![b'v'; value].into(),
            condition: Condition::Always,
        };
        let verdict = |put| decide(&put, None).verdict;
        assert_eq!(verdict(put(KEY_BYTES_MAX, VALUE_BYTES_HARD_MAX)), Verdict::Done);
        assert_eq!(verdict(put(KEY_BYTES_MAX + 1, 0)), Verdict::TooLarge);
        assert_eq!(verdict(put(1, VALUE_BYTES_HARD_MAX + 1)), Verdict::TooLarge);
    }
}
