//! Refused: every failure's one shape, as text or as a problem body.
//!
//! rdbv2's clients get plain text; who accepts `application/problem+json` gets
//! RFC 9457 with a stable `code`, whether the request was `applied`, whether it
//! is `retryable`, and the `limit` and `setting` behind it where there is one.

use std::borrow::Cow;

use api::service::Failure;
use api::{Applied, Refusal};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::header;

/// Seconds after which a retry has a chance: elections take less.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request has no answer, in the words of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) text: Cow<'static, str>,
    pub(crate) applied: Applied,
    /// The same request may do better later, here or at another node.
    pub(crate) retryable: bool,
    pub(crate) limit: Option<Limit>,
}

/// The bound a request broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) most: usize,
    /// What an operator sets to change it.
    pub(crate) setting: Option<&'static str>,
}

/// The body of RFC 9457.
#[derive(Serialize)]
struct Problem<'r> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'r str,
    code: &'static str,
    applied: &'static str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<&'static str>,
}

impl Refused {
    /// A refusal that changed nothing and will be the same tomorrow.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (text, applied) = (text.into(), Applied::No);
        Self { status, code, text, applied, retryable: false, limit: None }
    }

    /// The request makes no sense.
    pub(crate) fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", text)
    }

    /// Something in the request is longer than `limit`.
    pub(crate) fn too_large(text: impl Into<Cow<'static, str>>, limit: Limit) -> Self {
        let refused = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
        Self { limit: Some(limit), ..refused }
    }

    /// As many requests are inside as may be.
    pub(crate) fn busy(text: impl Into<Cow<'static, str>>) -> Self {
        let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", text);
        Self { retryable: true, ..refused }
    }

    /// What the service refused, for a request that changes rows or not.
    pub(crate) fn by_service(failure: &Failure, writes: bool) -> Self {
        let (status, retryable) = status_of(failure);
        let text = match failure {
            Failure::Refused(Refusal::Busy { .. }) => format!("busy: {failure}"),
            Failure::Refused(Refusal::NotLeader { group, .. }) => {
                format!("no leader available for group {group} through this node")
            }
            _ => failure.to_string(),
        };
        Self {
            // A request that only reads certainly changed nothing.
            applied: if writes { failure.applied() } else { Applied::No },
            retryable,
            limit: match failure {
                Failure::TooManyCollections { limit } => {
                    Some(Limit { most: *limit, setting: None })
                }
                _ => None,
            },
            ..Self::new(status, failure.code(), text)
        }
    }

    /// The same, of a request that may have been carried out elsewhere.
    pub(crate) fn unknown(self) -> Self {
        Self { applied: Applied::Unknown, ..self }
    }

    /// The answer, in the form that the client of `request` accepts.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let mut response = if header::accepts_problem(request) {
            ([(CONTENT_TYPE, header::PROBLEM_JSON)], self.problem()).into_response()
        } else {
            self.text.clone().into_response()
        };
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::APPLIED, HeaderValue::from_static(self.applied_text()));
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        if later.contains(&self.status) {
            headers.insert(RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }

    fn applied_text(&self) -> &'static str {
        match self.applied {
            Applied::No => "no",
            Applied::Unknown => "unknown",
        }
    }

    fn problem(&self) -> Vec<u8> {
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.text,
            code: self.code,
            applied: self.applied_text(),
            retryable: self.retryable,
            limit: self.limit.map(|limit| limit.most),
            setting: self.limit.and_then(|limit| limit.setting),
        };
        serde_json::to_vec(&problem).expect("a problem is texts and numbers")
    }
}

/// The status of a failure, and whether the same request may do better later.
///
/// A full disk is 507, not 503: no proxy should take the node out for it, since
/// reads and deletes go on. A full catalogue is 409: the client's collections
/// are in each other's way, not the node's disk.
fn status_of(failure: &Failure) -> (StatusCode, bool) {
    match failure {
        Failure::Refused(refusal) => match refusal {
            Refusal::NoLeader { .. }
            | Refusal::NotLeader { .. }
            | Refusal::Expired { .. }
            | Refusal::NotReady { .. }
            | Refusal::Stopping => (StatusCode::SERVICE_UNAVAILABLE, true),
            Refusal::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, true),
            // Safe to repeat under the same idempotency key only.
            Refusal::Unknown { .. } => (StatusCode::GATEWAY_TIMEOUT, true),
            Refusal::DiskFull { .. } => (StatusCode::INSUFFICIENT_STORAGE, false),
        },
        // Another node's clock may agree with the proxy's.
        Failure::Untimely { .. } => (StatusCode::SERVICE_UNAVAILABLE, true),
        Failure::IdReused => (StatusCode::UNPROCESSABLE_ENTITY, false),
        Failure::IdExpired | Failure::TooManyCollections { .. } => (StatusCode::CONFLICT, false),
        Failure::BadCursor => (StatusCode::BAD_REQUEST, false),
    }
}
