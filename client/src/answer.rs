//! Answer: what a node says, as values.

use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::error::Error;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// Its value. `None`: it has one that this interface cannot show, because it
    /// is no text, or because the answer is a replay of one too long to keep.
    pub value: Option<String>,
    /// Its version. `None` in lists, which do not tell.
    pub version: Option<u64>,
}

/// What a write left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The row's key.
    pub key: String,
    /// The row's value, under the same reservations as [`Row::value`].
    pub value: Option<String>,
    /// The row's version.
    pub version: u64,
    /// An earlier attempt of the same request had done it.
    pub replay: bool,
}

/// Some rows in order, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Pass it back to read on; `None` after the last row.
    pub cursor: Option<String>,
}

/// An answer of any action.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Body,
    pub(crate) version: Option<u64>,
    pub(crate) replay: bool,
    pub(crate) shard: Option<u16>,
    pub(crate) group: Option<u32>,
    pub(crate) served_by: Option<String>,
    /// The row has a value that is not in the body.
    pub(crate) value_left_out: bool,
}

/// Its JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub(crate) key: String,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) entries: Vec<Entry>,
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    #[serde(default)]
    pub(crate) collections: Vec<String>,
}

/// A row in a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    key: String,
    value: String,
}

impl Answer {
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let body = serde_json::from_slice(body)
            .map_err(|error| Error::Garbled { message: error.to_string() })?;
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Self {
            body,
            version: text("rdb-version").and_then(|version| version.parse().ok()),
            replay: text("rdb-replay") == Some("true"),
            shard: text("rdb-shard").and_then(|shard| shard.parse().ok()),
            group: text("rdb-group").and_then(|group| group.parse().ok()),
            served_by: text("rdb-served-by").map(str::to_owned),
            value_left_out: text("rdb-replay-value").or(text("rdb-value")).is_some(),
        })
    }

    /// The row in the answer, if there is one.
    pub(crate) fn row(self) -> Option<Row> {
        let value = self.value();
        let Body { key, .. } = self.body;
        (!key.is_empty()).then_some(Row { key, value, version: self.version })
    }

    /// The row that a write left.
    pub(crate) fn written(self) -> Result<Written, Error> {
        let value = self.value();
        let Some(version) = self.version else {
            return Err(Error::Garbled { message: "no header Rdb-Version".to_owned() });
        };
        Ok(Written { key: self.body.key, value, version, replay: self.replay })
    }

    pub(crate) fn page(self) -> Page {
        let rows = self.body.entries.into_iter();
        let rows =
            rows.map(|entry| Row { key: entry.key, value: Some(entry.value), version: None });
        Page { rows: rows.collect(), cursor: self.body.cursor }
    }

    fn value(&self) -> Option<String> {
        (!self.value_left_out).then(|| self.body.value.clone())
    }
}
