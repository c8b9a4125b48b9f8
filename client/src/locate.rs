//! Locate: where does a row live, and which version of it does each node have?

use crate::answer::{Answer, Row};
use crate::error::Error;

/// A row, and where the answer says that it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The row, if there is one.
    pub row: Option<Row>,
    /// Its shard; `None` if there is no such collection.
    pub shard: Option<u16>,
    /// The shard's group; `None` if there is no such collection.
    pub group: Option<u32>,
    /// The node that answered.
    pub served_by: Option<String>,
}

/// What an endpoint has of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The endpoint, as `https://host:port`.
    pub endpoint: String,
    /// What it has, or why it did not say.
    pub located: Result<Located, Error>,
}

impl Located {
    pub(crate) fn of(mut answer: Answer) -> Self {
        let (shard, group) = (answer.shard, answer.group);
        let served_by = answer.served_by.take();
        Self { row: answer.row(), shard, group, served_by }
    }
}
