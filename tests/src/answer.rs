//! Answer: what did a node say, and did the write happen?

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// What came of a request.
pub type Reply = Result<Answer, NoAnswer>;

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// How long it took.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct NoAnswer {
    /// No connection was made, so the request did not reach the node.
    pub connected: bool,
    /// What the client says.
    pub why: String,
}

/// Whether a write happened, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It did.
    Done,
    /// It certainly did not and never will.
    None,
    /// It may have, or may yet.
    Unknown,
}

/// The three fields of rdbv2's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple {
    /// The collection.
    pub collection: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in answer {}: {}", self.status, self.text()))
    }

    /// The body as rdbv2's three fields, from a successful answer.
    ///
    /// # Panics
    ///
    /// If it is another answer.
    #[must_use]
    pub fn triple(&self) -> Triple {
        assert_eq!(self.status, 200, "{}", self.text());
        Triple::of(&self.json())
    }

    /// A header as text; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it is the answer of an earlier request with the same id.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.header("rdb-replay") == "true"
    }

    /// The group that served it.
    #[must_use]
    pub fn group(&self) -> Option<u32> {
        self.header("rdb-group").parse().ok()
    }

    /// The row's version.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.header("rdb-version").parse().ok()
    }

    /// What it says about the effect of a write.
    ///
    /// # Panics
    ///
    /// If it is an error that does not say so: that is a broken promise.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match (self.status, self.header("rdb-applied")) {
            (200..300, _) => Effect::Done,
            (_, "no") => Effect::None,
            (_, "unknown") => Effect::Unknown,
            (status, other) => panic!(
                "error {status} must say whether the write took effect, but Rdb-Applied is \
                 {other:?}: {}",
                self.text()
            ),
        }
    }
}

impl NoAnswer {
    /// What is known about the effect of the write.
    #[must_use]
    pub fn effect(&self) -> Effect {
        if self.connected { Effect::Unknown } else { Effect::None }
    }
}

/// What is known about the effect of a write after `reply`.
#[must_use]
pub fn effect(reply: &Reply) -> Effect {
    match reply {
        Ok(answer) => answer.effect(),
        Err(none) => none.effect(),
    }
}

impl Triple {
    /// A triple of these fields.
    #[must_use]
    pub fn new(collection: &str, key: &str, value: &str) -> Self {
        Self { collection: collection.to_owned(), key: key.to_owned(), value: value.to_owned() }
    }

    /// Reads the three fields, which are always there, as strings.
    ///
    /// # Panics
    ///
    /// If one is missing or no string.
    #[must_use]
    pub fn of(json: &Value) -> Self {
        let field = |name: &str| {
            let text = json.get(name).and_then(Value::as_str);
            text.unwrap_or_else(|| panic!("no text `{name}` in {json}")).to_owned()
        };
        Self { collection: field("collection"), key: field("key"), value: field("value") }
    }
}
