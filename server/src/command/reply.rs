//! Reply: answers in rdbv2's shape, with the rest in headers.
//!
//! The body always has `collection`, `key` and `value`; a row that is not there
//! has an empty key and value. Values are JSON strings: bytes that another door
//! wrote and that are no text are never shown cut or changed. A read of them is
//! refused; a write has happened, so its answer leaves them out and says so.

use api::outcome::Value;
use api::service::{Found, Page, Ran, Route, Row, Written};
use api::{Operation, Verdict};
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::admission::{BodyBytes, BodyHold};
use crate::command::pieces::Pieces;
use crate::header;
use crate::metrics::requests::OK;
use crate::refused::{Limit, Refused};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const YES: HeaderValue = HeaderValue::from_static("true");
const OMITTED: HeaderValue = HeaderValue::from_static("omitted");
const NOT_TEXT: HeaderValue = HeaderValue::from_static("not-text");
const NOT_APPLIED: HeaderValue = HeaderValue::from_static("no");

/// The result of a write whose condition did not hold.
const MISMATCH: &str = "mismatch";

/// An answer that is not a refusal.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The room that the body takes until the client has taken it.
    pub(crate) hold: BodyHold,
}

/// The three fields that every answer has.
#[derive(Clone, Copy, Serialize)]
struct Triple<'a> {
    collection: &'a str,
    key: &'a str,
    value: &'a str,
}

/// The answer to `list collections`.
#[derive(Serialize)]
struct Collections<'a> {
    collection: &'static str,
    key: &'static str,
    value: &'a str,
    collections: &'a [String],
}

/// The answer to `range` and `find`.
#[derive(Serialize)]
struct Entries<'a> {
    collection: &'a str,
    key: &'static str,
    value: &'static str,
    entries: Vec<Triple<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

impl Reply {
    fn ok(body: &impl Serialize) -> Self {
        let (headers, hold) = (HeaderMap::new(), BodyHold::default());
        Self { status: StatusCode::OK, headers, body: json(body), hold }
    }

    /// Takes room for the body until the client has taken it. Without room, an
    /// answer to a request that `writes` is lost: then its outcome is unknown.
    pub(crate) fn held(mut self, room: &BodyBytes, writes: bool) -> Result<Self, Refused> {
        if room.grow(&mut self.hold, self.body.len()) {
            return Ok(self);
        }
        if !writes {
            return Err(Refused::busy("busy: too many answers wait to be taken; try again"));
        }
        let text = "outcome unknown: too many answers wait to be taken";
        let refused = Refused::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", text);
        Err(Refused { retryable: true, ..refused.unknown() })
    }

    /// What metrics call this result.
    pub(crate) fn code(&self) -> &'static str {
        if self.status == StatusCode::OK { OK } else { MISMATCH }
    }

    fn route(mut self, route: Option<&Route>) -> Self {
        let Some(Route { shard, group, leader }) = route else { return self };
        self.headers.insert(header::SHARD, shard.0.into());
        self.headers.insert(header::GROUP, group.0.into());
        let leader = leader.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(leader)) = leader {
            self.headers.insert(header::LEADER, leader);
        }
        self
    }

    fn version(mut self, version: u64) -> Self {
        self.headers.insert(header::VERSION, version.into());
        self
    }

    fn replay(mut self, replay: bool) -> Self {
        if replay {
            self.headers.insert(header::REPLAY, YES);
        }
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let pieces = Pieces::new(self.body.into(), self.hold);
        let mut response = Response::new(Body::new(pieces));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.insert(CONTENT_TYPE, JSON);
        response
    }
}

/// The answer to a write.
pub(crate) fn written(
    collection: &str,
    operation: &Operation,
    written: &Written,
) -> Result<Reply, Refused> {
    let outcome = &written.outcome;
    let value = match outcome.verdict {
        Verdict::Done | Verdict::Already => Some(value_after(operation, &outcome.value)),
        Verdict::NotFound => None,
        Verdict::Mismatch => match (&outcome.value, outcome.version) {
            (Value::None, 0) => None,
            (value, _) => Some(carried(value)),
        },
        Verdict::Conflict => return Err(conflict()),
        Verdict::TooLarge => return Err(too_large(operation)),
    };
    let shown = value.map(str::from_utf8);
    let row = match shown {
        None => absent(collection),
        Some(value) => triple(collection, operation.key(), value.unwrap_or_default().as_bytes())?,
    };
    let reply = Reply::ok(&row).route(written.route.as_ref());
    let mut reply = reply.version(outcome.version).replay(written.replay);
    if outcome.value == Value::Omitted {
        reply.headers.insert(header::REPLAY_VALUE, OMITTED);
    }
    if let Some(Err(_)) = shown {
        reply.headers.insert(header::VALUE, NOT_TEXT);
    }
    if outcome.verdict == Verdict::Mismatch {
        reply.status = StatusCode::CONFLICT;
        reply.headers.insert(header::APPLIED, NOT_APPLIED);
    }
    Ok(reply)
}

/// The value that a write left, or took away.
fn value_after<'a>(operation: &'a Operation, value: &'a Value) -> &'a [u8] {
    match operation {
        Operation::Put { value, .. }
        | Operation::PutValue { value, .. }
        | Operation::DeleteValue { value, .. } => value,
        Operation::Delete { .. } | Operation::Append { .. } => carried(value),
    }
}

fn carried(value: &Value) -> &[u8] {
    match value {
        Value::Bytes(bytes) => bytes,
        // Omitted: there is a row, whose bytes a replay does not have.
        Value::None | Value::Omitted => b"",
    }
}

/// The answer to a read of one row.
pub(crate) fn found(collection: &str, found: &Found) -> Result<Reply, Refused> {
    let (row, version) = match &found.row {
        None => (absent(collection), 0),
        Some(Row { key, value, version }) => (triple(collection, key, value)?, *version),
    };
    Ok(Reply::ok(&row).route(found.route.as_ref()).version(version))
}

/// The answer to a read of many rows.
pub(crate) fn page(collection: &str, page: &Page) -> Result<Reply, Refused> {
    let entries = page
        .rows
        .iter()
        .map(|row| triple(collection, &row.key, &row.value))
        .collect::<Result<_, _>>()?;
    let cursor = page.cursor.as_deref();
    Ok(Reply::ok(&Entries { collection, key: "", value: "", entries, cursor }))
}

/// The answer to a change of the catalogue.
pub(crate) fn catalogue(collection: &str, done: &str, ran: Ran) -> Reply {
    Reply::ok(&Triple { collection, key: "", value: done }).replay(ran.replay)
}

/// All collections: joined as rdbv2 does, and as a list, since names may hold commas.
pub(crate) fn collections(names: &[String]) -> Reply {
    let joined = names.join(", ");
    Reply::ok(&Collections { collection: "", key: "", value: &joined, collections: names })
}

/// Someone put other bytes under the key of this value.
pub(crate) fn conflict() -> Refused {
    Refused::new(
        StatusCode::CONFLICT,
        "value_key_conflict",
        "other bytes are stored under the key of this value: somebody put them there by key; \
         delete that key first",
    )
}

fn too_large(operation: &Operation) -> Refused {
    let most = match operation {
        Operation::Append { bytes_max, .. } => *bytes_max as usize,
        Operation::Put { value, .. }
        | Operation::PutValue { value, .. }
        | Operation::DeleteValue { value, .. } => value.len(),
        Operation::Delete { .. } => 0,
    };
    Refused::too_large(
        format!(
            "the value would be too large: at most {most} bytes (setting limits.value_bytes_max)"
        ),
        Limit { most, setting: Some("limits.value_bytes_max") },
    )
}

fn absent(collection: &str) -> Triple<'_> {
    Triple { collection, key: "", value: "" }
}

fn triple<'a>(collection: &'a str, key: &'a [u8], value: &'a [u8]) -> Result<Triple<'a>, Refused> {
    match (std::str::from_utf8(key), std::str::from_utf8(value)) {
        (Ok(key), Ok(value)) => Ok(Triple { collection, key, value }),
        _ => Err(Refused::new(
            StatusCode::CONFLICT,
            "not_text",
            "a row's key or value is not UTF-8, so JSON cannot show it: \
             read it by the interface that wrote it",
        )),
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("a reply is texts in lists")
}

#[cfg(test)]
mod tests {
    use api::Applied;

    use super::*;

    #[test]
    fn an_answer_without_room_is_lost_and_a_write_is_not_said_to_have_failed() {
        let reply = || Reply::ok(&absent("c"));
        let room = BodyBytes::new(2 * reply().body.len());
        let held: Vec<_> = (0..2).map(|_| reply().held(&room, false).unwrap()).collect();
        let applied = |writes| reply().held(&room, writes).unwrap_err().applied;
        assert_eq!((applied(false), applied(true)), (Applied::No, Applied::Unknown));
        drop(held);
        assert!(reply().held(&room, true).is_ok());
    }
}
