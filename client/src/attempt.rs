//! Attempt: one request to one node, and what became of it.
//!
//! Only an answer with `Rdb-Applied` is a refusal by a node of ours; an error
//! page of something in between proves nothing about the write.

use std::time::Duration;

use api::Applied;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use crate::answer::Answer;
use crate::error::Error;
use crate::retry::Trouble;
use crate::trace::Step;

/// The longest answer that is read: a page of rows in which all is escaped.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Failures are wanted as problems, for their codes.
const ACCEPTED: &str = "application/json, application/problem+json";

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    Answered(Answer),
    /// The condition did not hold; the answer has the present row.
    Mismatch(Answer),
    Failed(Failed),
}

/// An attempt that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) trouble: Trouble,
    /// 0 if there was no answer.
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The part of a problem body that matters here.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    retryable: bool,
}

/// Sends `body` to `url` and waits at most `patience`.
pub(crate) async fn attempt(
    http: &reqwest::Client,
    url: Url,
    body: Vec<u8>,
    key: &str,
    patience: Duration,
) -> Attempt {
    // Less than our own patience, so that a node's word about the outcome arrives.
    let asked = patience.mul_f64(0.9).as_millis().max(1);
    let sent = http
        .post(url)
        .timeout(patience)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, ACCEPTED)
        .header("idempotency-key", key)
        .header("rdb-timeout-ms", asked.to_string())
        .body(body)
        .send()
        .await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return Attempt::Failed(not_answered(&error)),
    };
    match read(&mut response).await {
        Ok(body) => judge(response.status(), response.headers(), &body),
        Err(failed) => Attempt::Failed(failed),
    }
}

/// Gets what stands at `url` and waits at most `patience`. Changes nothing there.
pub(crate) async fn get(
    http: &reqwest::Client,
    url: Url,
    patience: Duration,
) -> Result<(StatusCode, Vec<u8>), Failed> {
    let sent = http.get(url).timeout(patience).header(ACCEPT, ACCEPTED).send().await;
    let mut response = sent.map_err(|error| not_answered(&error))?;
    let body = read(&mut response).await?;
    Ok((response.status(), body))
}

/// Posts nothing to `url` and waits at most `patience`. For what may be asked twice.
pub(crate) async fn post(
    http: &reqwest::Client,
    url: Url,
    patience: Duration,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failed> {
    let sent = http.post(url).timeout(patience).header(ACCEPT, ACCEPTED).send().await;
    let mut response = sent.map_err(|error| not_answered(&error))?;
    let body = read(&mut response).await?;
    Ok((response.status(), std::mem::take(response.headers_mut()), body))
}

/// An answer whose status no node gives there.
pub(crate) fn wrong_status(status: StatusCode) -> Failed {
    lost(status.as_u16(), &format!("HTTP {status}"))
}

async fn read(response: &mut Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(lost(0, "the answer is too long")),
            Err(error) => return Err(not_answered(&error)),
        }
    }
}

/// What an answer says became of the attempt.
pub(crate) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Attempt {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = content.is_some_and(|content| content.starts_with("application/json"));
    match (status, json) {
        (StatusCode::OK, _) => answered(headers, body, Attempt::Answered),
        (StatusCode::CONFLICT, true) => answered(headers, body, Attempt::Mismatch),
        _ => Attempt::Failed(refused(status, headers, body)),
    }
}

fn answered(headers: &HeaderMap, body: &[u8], as_what: fn(Answer) -> Attempt) -> Attempt {
    match Answer::read(headers, body) {
        Ok(answer) => as_what(answer),
        Err(error) => Attempt::Failed(Failed {
            trouble: Trouble::Final(Applied::Unknown),
            status: 0,
            code: "garbled".to_owned(),
            message: error.to_string(),
        }),
    }
}

/// What an answer that is no success says.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failed {
    let applied = match headers.get("rdb-applied").map(|value| value.as_bytes()) {
        Some(b"no") => Applied::No,
        Some(b"unknown") => Applied::Unknown,
        _ => return lost(status.as_u16(), &format!("HTTP {status} from something in between")),
    };
    let problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        code: "http_error".to_owned(),
        detail: format!("HTTP {status}"),
        retryable: status.is_server_error(),
    });
    let trouble = match (status, problem.retryable) {
        // What a proxy repeats may have taken effect before it met a full queue.
        (StatusCode::TOO_MANY_REQUESTS, _) if applied == Applied::No => Trouble::Busy,
        (_, true) => Trouble::Unavailable(applied),
        (_, false) => Trouble::Final(applied),
    };
    let Problem { code, detail: message, .. } = problem;
    Failed { trouble, status: status.as_u16(), code, message }
}

fn not_answered(error: &reqwest::Error) -> Failed {
    if error.is_connect() {
        let (code, message) = ("unreachable".to_owned(), cause(error));
        return Failed { trouble: Trouble::Unreachable, status: 0, code, message };
    }
    lost(0, &cause(error))
}

fn lost(status: u16, message: &str) -> Failed {
    let (code, message) = ("no_answer".to_owned(), message.to_owned());
    Failed { trouble: Trouble::Lost, status, code, message }
}

/// The error with its causes: the outermost alone says little.
fn cause(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl Failed {
    /// What a trace says of it.
    pub(crate) fn step<'s>(&'s self, endpoint: &'s str, again: Option<Duration>) -> Step<'s> {
        Step::Failed { endpoint, code: &self.code, message: &self.message, again }
    }

    /// What the call comes to if no further attempt is made. `unknown`: an
    /// attempt of the same call may have taken effect.
    pub(crate) fn into_error(self, unknown: bool) -> Error {
        let Self { trouble, status, code, message } = self;
        // Judged from the request alone, so every attempt was refused alike.
        let always = matches!(status, 400 | 405 | 413 | 422);
        match trouble {
            Trouble::Final(Applied::No) if always || !unknown => {
                Error::Rejected { status, code, message }
            }
            _ if code == "garbled" => Error::Garbled { message },
            _ if unknown => Error::Unknown { code, message },
            _ => Error::NotApplied { code, message },
        }
    }
}
