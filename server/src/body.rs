//! Body: the bytes of one request, bounded in length, time and memory.
//!
//! A body that says it is too long is refused before a byte of it is kept. One
//! that does not say is cut off at the limit. Memory is taken as bytes come,
//! never as they are promised.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::EXPECT;
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::admission::{BodyBytes, BodyHold};
use crate::options::Options;
use crate::refused::{Limit, Refused};

/// How much of a body that is refused for its length is read all the same: a
/// socket closed on unread bytes resets, and the answer is lost with it.
pub(crate) const LINGER_BYTES_MAX: u64 = 4 << 20;

/// For how long.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(2);

/// A whole body, and the room it takes.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) hold: BodyHold,
}

/// Reads all of `body`.
pub(crate) async fn receive(
    mut body: Body,
    headers: &HeaderMap,
    room: &BodyBytes,
    options: &Options,
) -> Result<Received, Refused> {
    if body.size_hint().lower() > options.body_bytes_max() as u64 {
        linger(body, headers);
        return Err(too_long(options));
    }
    let received = timeout(options.timeouts.body, collect(&mut body, room, options)).await;
    match received {
        Ok(Ok(received)) => Ok(received),
        Ok(Err(refused)) => {
            linger(body, headers);
            Err(refused)
        }
        Err(_) => Err(Refused {
            retryable: true,
            ..Refused::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                format!("the request's body did not arrive within {:?}", options.timeouts.body),
            )
        }),
    }
}

async fn collect(
    body: &mut Body,
    room: &BodyBytes,
    options: &Options,
) -> Result<Received, Refused> {
    let bytes_max = options.body_bytes_max();
    let mut hold = BodyHold::default();
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(data) = next_data(body).await? {
        if first.len() + all.len() + data.len() > bytes_max {
            return Err(too_long(options));
        }
        if !room.grow(&mut hold, data.len()) {
            return Err(Refused::busy("busy: too many large requests at once; try again"));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    // Most bodies are one piece, which needs no copy.
    let bytes = if all.is_empty() { first } else { all.freeze() };
    Ok(Received { bytes, hold })
}

/// The next piece of data. Trailers are of no interest.
async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Refused> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Refused::bad_request("the request's body ends early")),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_) => {}
            },
        }
    }
}

fn too_long(options: &Options) -> Refused {
    let most = options.body_bytes_max();
    let value = options.value_bytes_max;
    Refused::too_large(
        format!(
            "request body too large: at most {most} bytes, \
             enough for a value of {value} bytes (setting limits.value_bytes_max)"
        ),
        Limit { most, setting: Some("limits.value_bytes_max") },
    )
}

/// Reads on for a while so that the client gets to read its answer. A client
/// that waits for `100 Continue` must not be told to go on, which reading does.
fn linger(mut body: Body, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) {
        return;
    }
    // Bounded by its time; there is at most one per connection and stream.
    tokio::spawn(timeout(LINGER_TIME, async move {
        let mut read = 0;
        while let Ok(Some(data)) = next_data(&mut body).await {
            read += data.len() as u64;
            if read > LINGER_BYTES_MAX {
                return;
            }
        }
    }));
}
