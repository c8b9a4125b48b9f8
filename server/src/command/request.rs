//! Request: do the fields make a request that the service may see?
//!
//! One validated form after this: every name and value is within its limit and
//! every field that could change the request's meaning belongs to its action.
//! A refusal names the field and what to do.

use api::limits::{COLLECTION_NAME_BYTES_MAX, KEY_BYTES_MAX, RANGE_ROWS_DEFAULT, RANGE_ROWS_MAX};
use api::service::{Bounds, Consistency, Range};
use api::{Condition, Operation};
use axum::http::StatusCode;
use bytes::Bytes;

use crate::command::parse::{Expected, Fields, Text};
use crate::refused::{Limit, Refused};

/// A request within all limits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Empty for an action on all collections.
    pub(crate) collection: String,
    pub(crate) action: Action,
    pub(crate) consistency: Consistency,
    /// Whether it may change anything.
    pub(crate) writes: bool,
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Write(Operation),
    /// The row under a key.
    Get {
        key: Bytes,
    },
    /// The row that was put by value.
    GetValue {
        key: Bytes,
        value: Bytes,
    },
    Scan {
        range: Range,
        limit: usize,
        cursor: Option<String>,
    },
    Create,
    Drop,
    List,
}

/// The dialect's verbs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Put,
    Get,
    Delete,
    Append,
    Cas,
    Range,
    Find,
    Create,
    Drop,
    List,
}

const VERBS: &str = "put, get, delete, append, cas, range, find, \
    \"create collection\", \"drop collection\", \"list collections\"";

/// What metrics call the verbs.
pub(crate) const OPS: [&str; 10] = [
    "put",
    "get",
    "delete",
    "append",
    "cas",
    "range",
    "find",
    "create_collection",
    "drop_collection",
    "list_collections",
];

impl Verb {
    /// What metrics call it: one of [`OPS`].
    pub(crate) fn op(self) -> &'static str {
        let [put, get, delete, append, cas, range, find, create, drop, list] = OPS;
        match self {
            Self::Put => put,
            Self::Get => get,
            Self::Delete => delete,
            Self::Append => append,
            Self::Cas => cas,
            Self::Range => range,
            Self::Find => find,
            Self::Create => create,
            Self::Drop => drop,
            Self::List => list,
        }
    }

    /// Whether it may change anything.
    pub(crate) fn writes(self) -> bool {
        match self {
            Self::Put | Self::Delete | Self::Append | Self::Cas | Self::Create | Self::Drop => true,
            Self::Get | Self::Range | Self::Find | Self::List => false,
        }
    }

    /// What the field `action` says.
    pub(crate) fn of(action: Option<&str>) -> Result<Self, Refused> {
        Ok(match action {
            Some("put") => Self::Put,
            Some("get") => Self::Get,
            Some("delete") => Self::Delete,
            Some("append") => Self::Append,
            Some("cas") => Self::Cas,
            Some("range") => Self::Range,
            Some("find") => Self::Find,
            Some("create collection") => Self::Create,
            Some("drop collection") => Self::Drop,
            Some("list collections") => Self::List,
            None | Some("") => {
                return Err(Refused::bad_request(format!(
                    "action is missing: give one of {VERBS}"
                )));
            }
            Some(_) => {
                let text = format!("action is unknown: give one of {VERBS}");
                return Err(Refused { code: "unknown_action", ..Refused::bad_request(text) });
            }
        })
    }

    /// Fields beyond rdbv2's two that mean something to it.
    fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Put | Self::Delete => &["key", "if_version"],
            Self::Get | Self::Append => &["key"],
            Self::Cas => &["key", "if_version", "expected"],
            Self::Range => &["key", "end", "prefix", "limit", "cursor"],
            Self::Find => &["limit", "cursor"],
            Self::Create | Self::Drop | Self::List => &[],
        }
    }
}

/// Judges the `fields` of a request for `verb`, which were read from `body`.
/// `asked` is what the query says.
pub(crate) fn check(
    verb: Verb,
    fields: Fields<'_>,
    body: &Bytes,
    value_bytes_max: usize,
    asked: Option<Consistency>,
) -> Result<Request, Refused> {
    if fields.ttl_ms {
        let text = "ttl_ms is not supported yet: leave it out and delete the row yourself";
        return Err(Refused { code: "not_supported", ..Refused::bad_request(text) });
    }
    only_fields_of(verb, &fields)?;
    let consistency = one_consistency(fields.consistency.as_deref(), asked)?;
    let writes = verb.writes();
    let draft = Draft { verb, fields, body, value_bytes_max };
    if verb == Verb::List {
        let collection = String::new();
        return Ok(Request { collection, action: Action::List, consistency, writes });
    }
    let collection = draft.collection()?;
    let action = draft.action(&collection)?;
    Ok(Request { collection, action, consistency, writes })
}

/// A field that would be ignored may be the one that mattered: `drop
/// collection` with a key was meant for a row.
fn only_fields_of(verb: Verb, fields: &Fields<'_>) -> Result<(), Refused> {
    let given = [
        ("key", fields.key.is_some()),
        ("expected", fields.expected != Expected::Missing),
        ("if_version", fields.if_version.is_some()),
        ("end", fields.end.is_some()),
        ("prefix", fields.prefix.is_some()),
        ("limit", fields.limit.is_some()),
        ("cursor", fields.cursor.is_some()),
    ];
    for (name, given) in given {
        if given && !verb.takes().contains(&name) {
            let text = format!("{name} means nothing to this action: leave it out");
            return Err(Refused::bad_request(text));
        }
    }
    Ok(())
}

fn one_consistency(
    field: Option<&str>,
    asked: Option<Consistency>,
) -> Result<Consistency, Refused> {
    let field = field.map(consistency).transpose()?;
    match (field, asked) {
        (Some(field), Some(asked)) if field != asked => Err(two_consistencies()),
        (field, asked) => Ok(field.or(asked).unwrap_or_default()),
    }
}

/// The consistency of that name.
pub(crate) fn consistency(name: &str) -> Result<Consistency, Refused> {
    match name {
        "linearizable" => Ok(Consistency::Linearizable),
        "stale" => Ok(Consistency::Stale),
        _ => Err(Refused::bad_request("consistency is unknown: give linearizable or stale")),
    }
}

/// The refusal of two consistencies at once.
pub(crate) fn two_consistencies() -> Refused {
    Refused::bad_request("consistency is given twice and differs: give one")
}

/// Fields on their way to becoming a request.
struct Draft<'b> {
    verb: Verb,
    fields: Fields<'b>,
    body: &'b Bytes,
    value_bytes_max: usize,
}

impl Draft<'_> {
    fn collection(&self) -> Result<String, Refused> {
        match self.fields.collection.as_deref() {
            None | Some("") => Err(Refused::bad_request(
                "payload.collection is missing or empty: name the collection",
            )),
            Some(name) if name.len() > COLLECTION_NAME_BYTES_MAX => {
                let text = format!(
                    "payload.collection is too long: at most {COLLECTION_NAME_BYTES_MAX} bytes"
                );
                Err(limited(StatusCode::BAD_REQUEST, text, COLLECTION_NAME_BYTES_MAX))
            }
            Some(name) => Ok(name.to_owned()),
        }
    }

    fn action(&self, collection: &str) -> Result<Action, Refused> {
        match self.verb {
            Verb::Put => self.put(collection).map(Action::Write),
            Verb::Get => self.get(collection),
            Verb::Delete => self.delete(collection).map(Action::Write),
            Verb::Append => self.append().map(Action::Write),
            Verb::Cas => self.cas().map(Action::Write),
            Verb::Range => self.range(),
            Verb::Find => self.scan(Range::Value(self.value()?)),
            Verb::Create => Ok(Action::Create),
            Verb::Drop => Ok(Action::Drop),
            Verb::List => Ok(Action::List),
        }
    }

    fn put(&self, collection: &str) -> Result<Operation, Refused> {
        let value = self.value()?;
        let Some(key) = self.key()? else {
            self.no_version_by_value()?;
            return Ok(Operation::PutValue { key: shard::key_of_value(collection, &value), value });
        };
        let condition = match self.fields.if_version {
            None => Condition::Always,
            Some(version) => version_condition(version),
        };
        Ok(Operation::Put { key, value, condition })
    }

    fn get(&self, collection: &str) -> Result<Action, Refused> {
        Ok(match self.key_or_value()? {
            Wanted::Key(key) => Action::Get { key },
            Wanted::Value(value) => {
                Action::GetValue { key: shard::key_of_value(collection, &value), value }
            }
        })
    }

    fn delete(&self, collection: &str) -> Result<Operation, Refused> {
        match self.key_or_value()? {
            Wanted::Value(value) => {
                self.no_version_by_value()?;
                let key = shard::key_of_value(collection, &value);
                Ok(Operation::DeleteValue { key, value })
            }
            Wanted::Key(key) => {
                let condition = match self.fields.if_version {
                    None => Condition::Always,
                    Some(0) => {
                        return Err(Refused::bad_request(
                            "payload.if_version is 0, which means no row: give the row's version",
                        ));
                    }
                    Some(version) => Condition::Version(version),
                };
                Ok(Operation::Delete { key, condition })
            }
        }
    }

    fn append(&self) -> Result<Operation, Refused> {
        let key = self.needed_key()?;
        let value = self.value()?;
        let bytes_max = u32::try_from(self.value_bytes_max).unwrap_or(u32::MAX);
        Ok(Operation::Append { key, value, bytes_max })
    }

    fn cas(&self) -> Result<Operation, Refused> {
        let key = self.needed_key()?;
        let value = self.value()?;
        let condition = match (&self.fields.expected, self.fields.if_version) {
            (Expected::Missing, None) => {
                return Err(Refused::bad_request(
                    "payload.expected is missing: give the present value, null for no row, \
                     or payload.if_version",
                ));
            }
            (Expected::Missing, Some(version)) => version_condition(version),
            (_, Some(_)) => {
                return Err(Refused::bad_request(
                    "payload.expected and payload.if_version are both given: give one",
                ));
            }
            (Expected::Null, None) => Condition::Absent,
            (Expected::Value(expected), None) => {
                Condition::Value(self.bounded(expected, "payload.expected")?)
            }
        };
        Ok(Operation::Put { key, value, condition })
    }

    fn range(&self) -> Result<Action, Refused> {
        let Fields { key, value, end, prefix, .. } = &self.fields;
        let by_key = key.is_some();
        let start = match (key, value) {
            (Some(_), Some(value)) if !value.is_empty() => {
                return Err(Refused::bad_request(
                    "payload.key and payload.value are both given: \
                     give key to read by key, value to read by value",
                ));
            }
            (Some(key), _) => Some(key),
            (None, value) => value.as_ref(),
        };
        let bound = |text: Option<&Text<'_>>, name| match text {
            None => Ok(None),
            Some(text) if by_key => self.key_bound(text, name).map(Some),
            Some(text) => self.bounded(text, name).map(Some),
        };
        let start_name = if by_key { "payload.key" } else { "payload.value" };
        let bounds = Bounds {
            start: bound(start, start_name)?.unwrap_or_default(),
            end: bound(end.as_ref(), "payload.end")?,
            prefix: bound(prefix.as_ref(), "payload.prefix")?.unwrap_or_default(),
        };
        self.scan(if by_key { Range::Keys(bounds) } else { Range::Values(bounds) })
    }

    fn scan(&self, range: Range) -> Result<Action, Refused> {
        let limit = match self.fields.limit {
            None => RANGE_ROWS_DEFAULT,
            Some(limit) => match usize::try_from(limit) {
                Ok(limit) if (1..=RANGE_ROWS_MAX).contains(&limit) => limit,
                _ => {
                    let text = format!("payload.limit must be in 1..={RANGE_ROWS_MAX}");
                    return Err(limited(StatusCode::BAD_REQUEST, text, RANGE_ROWS_MAX));
                }
            },
        };
        // Opaque: its maker judges it. Its length ends with the body's.
        let cursor = self.fields.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let cursor = cursor.map(str::to_owned);
        Ok(Action::Scan { range, limit, cursor })
    }

    /// Which row: by key or by value, never both.
    fn key_or_value(&self) -> Result<Wanted, Refused> {
        let value = self.fields.value.as_deref().unwrap_or_default();
        match (self.key()?, value.is_empty()) {
            (Some(key), true) => Ok(Wanted::Key(key)),
            (None, false) => self.value().map(Wanted::Value),
            (Some(_), false) => {
                Err(Refused::bad_request("payload.key and payload.value are both given: give one"))
            }
            (None, true) => Err(Refused::bad_request(
                "payload.value is missing or empty: give a value, or a payload.key",
            )),
        }
    }

    fn no_version_by_value(&self) -> Result<(), Refused> {
        match self.fields.if_version {
            None => Ok(()),
            Some(_) => Err(Refused::bad_request(
                "payload.if_version is given without payload.key: give the key as well",
            )),
        }
    }

    fn needed_key(&self) -> Result<Bytes, Refused> {
        self.key()?.ok_or_else(|| {
            Refused::bad_request("payload.key is missing: this action needs the row's key")
        })
    }

    fn key(&self) -> Result<Option<Bytes>, Refused> {
        match &self.fields.key {
            None => Ok(None),
            Some(key) if key.is_empty() => Err(Refused::bad_request(format!(
                "payload.key is empty: give 1 to {KEY_BYTES_MAX} bytes, or leave it out"
            ))),
            Some(key) => self.key_bound(key, "payload.key").map(Some),
        }
    }

    fn key_bound(&self, text: &Text<'_>, name: &str) -> Result<Bytes, Refused> {
        if text.len() > KEY_BYTES_MAX {
            let text = format!("{name} is too long: at most {KEY_BYTES_MAX} bytes");
            return Err(limited(StatusCode::BAD_REQUEST, text, KEY_BYTES_MAX));
        }
        Ok(text.bytes(self.body))
    }

    fn value(&self) -> Result<Bytes, Refused> {
        match &self.fields.value {
            Some(value) if !value.is_empty() => self.bounded(value, "payload.value"),
            _ => Err(Refused::bad_request(
                "payload.value is missing or empty: give a value of at least one byte",
            )),
        }
    }

    fn bounded(&self, value: &Text<'_>, name: &str) -> Result<Bytes, Refused> {
        let most = self.value_bytes_max;
        if value.len() > most {
            return Err(Refused::too_large(
                format!(
                    "{name} is too large: at most {most} bytes (setting limits.value_bytes_max)"
                ),
                Limit { most, setting: Some("limits.value_bytes_max") },
            ));
        }
        Ok(value.bytes(self.body))
    }
}

/// Which row an action means.
enum Wanted {
    Key(Bytes),
    Value(Bytes),
}

/// Version 0 is the version of no row.
fn version_condition(version: u64) -> Condition {
    match version {
        0 => Condition::Absent,
        version => Condition::Version(version),
    }
}

fn limited(status: StatusCode, text: String, most: usize) -> Refused {
    let limit = Some(Limit { most, setting: None });
    Refused { limit, ..Refused::new(status, "bad_request", text) }
}

#[cfg(test)]
mod tests;
