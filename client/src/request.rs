//! Request: what is sent, in the words of the dialect.

use serde::Serialize;

/// One request, as JSON.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Request<'r> {
    pub(crate) action: &'static str,
    pub(crate) payload: Payload<'r>,
}

/// Its payload. What is absent is not sent.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Payload<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) collection: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<&'r str>,
    /// Outer `None`: not sent. Inner: null, which means that there is no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<Option<&'r str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) if_version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consistency: Option<&'static str>,
}
