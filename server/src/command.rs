//! Command: the `/command` dialect, rdbv2's words and ours.
//!
//! One request passes four stages, each a pure function but the third:
//!
//! * [`parse`]: bytes to fields, or "unable to parse JSON object".
//! * [`request`]: fields to a request within all limits.
//! * [`perform`]: the request to the service, and its answer.
//! * [`reply`]: the answer to JSON and headers.
//!
//! # Limits
//!
//! [`Options::requests_max`](crate::Options) calls of the service at once, and
//! [`ANSWER_BYTES_IN_FLIGHT`](crate::options::ANSWER_BYTES_IN_FLIGHT) of answers
//! that wait to be taken; beyond, busy. A call runs in a task of its own: who
//! hangs up does not stop a write midway.

#[cfg(test)]
mod hostile;
mod parse;
mod perform;
mod pieces;
mod reply;
mod request;

use std::sync::Arc;
use std::time::Instant;

use api::Applied;
use api::service::{Call, Consistency, OutsideId, Service};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request as HttpRequest, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::time::timeout;
use tracing::{error, warn};

use crate::admission::BodyHold;
use crate::body::{self, Received};
use crate::door::Door;
use crate::header;
use crate::metrics::requests::Measured;
use crate::options::ANSWER_GRACE;
use crate::proxy::Caller;
use crate::refused::Refused;
use parse::Fields;
use reply::Reply;
use request::{Request, Verb};

pub(crate) use request::OPS;

/// `/command`.
pub(crate) async fn answer<S: Service>(
    State(door): State<Arc<Door<S>>>,
    request: HttpRequest<Body>,
) -> Response {
    let mut measured = door.requests.begin();
    let (head, body) = request.into_parts();
    let answered = if head.method == Method::POST {
        answer_post(&door, &head, body, &mut measured).await
    } else {
        Err(Refused::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "http method not allowed",
        ))
    };
    let refused = match answered {
        Ok(reply) => {
            measured.ended(reply.code());
            return reply.into_response();
        }
        Err(refused) => refused,
    };
    log(&door, measured.op(), &refused);
    measured.ended(refused.code);
    let mut response = refused.answer(&head.headers);
    if refused.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Says why a request got nothing although there was nothing wrong with it.
/// Never what was in it.
fn log<S: Service>(door: &Door<S>, op: &str, refused: &Refused) {
    let Refused { status, code, text, .. } = refused;
    // A panic was logged where it was caught.
    let logged_before = *status == StatusCode::INTERNAL_SERVER_ERROR;
    let ours = status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS;
    if !ours || logged_before {
        return;
    }
    if let Some(left_out) = door.failures_log.pass(Instant::now()) {
        warn!(op, code, reason = %text, left_out, "refuse a request");
    }
}

async fn answer_post<S: Service>(
    door: &Arc<Door<S>>,
    head: &Parts,
    body: Body,
    measured: &mut Measured,
) -> Result<Reply, Refused> {
    let repeated = caller(head).repeats(&head.headers);
    // Whatever this node refuses, the one that was asked before may have done.
    let ambiguous = |refused: Refused| if repeated { refused.unknown() } else { refused };
    let received = body::receive(body, &head.headers, &door.body_bytes, &door.options).await;
    let Received { bytes, hold } = received.map_err(ambiguous)?;
    let fields = parse::parse(&bytes).map_err(ambiguous)?;
    let verb = Verb::of(fields.action.as_deref()).map_err(ambiguous)?;
    measured.is(verb.op());
    let answered = match check(door, head, verb, fields, &bytes) {
        Ok((call, request)) => carry_out(door, call, request, hold).await,
        Err(refused) => Err(refused),
    };
    if verb.writes() { answered.map_err(ambiguous) } else { answered }
}

/// Everything that a request may be refused for before it has done anything.
fn check<S: Service>(
    door: &Door<S>,
    head: &Parts,
    verb: Verb,
    fields: Fields<'_>,
    body: &Bytes,
) -> Result<(Call, Request), Refused> {
    let request_id = request_id(head)?;
    let timeout = header::timeout(&head.headers, door.options.request_timeout)?;
    let asked = consistency_asked(head.uri.query())?;
    let request = request::check(verb, fields, body, door.options.value_bytes_max, asked)?;
    Ok((Call { request_id, timeout }, request))
}

/// The client's own id for the request, or else the proxy's.
fn request_id(head: &Parts) -> Result<Option<OutsideId>, Refused> {
    if let Some(id) = header::idempotency_key(&head.headers)? {
        return Ok(Some(OutsideId::Client(id)));
    }
    caller(head).request_id(&head.headers)
}

fn caller(head: &Parts) -> Caller {
    head.extensions.get().copied().unwrap_or_default()
}

/// Runs the request in a task of its own and waits for it, but not for ever.
async fn carry_out<S: Service>(
    door: &Arc<Door<S>>,
    call: Call,
    request: Request,
    hold: BodyHold,
) -> Result<Reply, Refused> {
    let Ok(place) = Arc::clone(&door.places).try_acquire_owned() else {
        door.counters.requests_busy.add();
        return Err(Refused::busy("busy: as many requests are at work as may be; try again"));
    };
    door.counters.requests.add();
    let writes = request.writes;
    let applied = if writes { Applied::Unknown } else { Applied::No };
    let service = Arc::clone(&door.service);
    let task = door.calls.spawn(async move {
        let reply = perform::perform(&*service, call, request).await;
        drop((place, hold));
        reply
    });
    match timeout(call.timeout + ANSWER_GRACE, task).await {
        Ok(Ok(reply)) => reply?.held(&door.answer_bytes, writes),
        Ok(Err(panic)) => {
            door.counters.panics.add();
            error!(%panic, "answer a request whose call failed");
            let text = "internal error: the request's outcome is unknown";
            let refused = Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", text);
            Err(Refused { applied, ..refused })
        }
        Err(_) => {
            let text = format!("outcome unknown: no answer within {:?}", call.timeout);
            let refused = Refused::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", text);
            Err(Refused { applied, retryable: true, ..refused })
        }
    }
}

/// `?consistency=` of the query, if it is there. Other parameters are as
/// welcome as unknown fields.
fn consistency_asked(query: Option<&str>) -> Result<Option<Consistency>, Refused> {
    let mut asked = None;
    for pair in query.unwrap_or_default().split('&') {
        let Some(("consistency", value)) = pair.split_once('=').or(Some((pair, ""))) else {
            continue;
        };
        let consistency = request::consistency(value)?;
        if asked.is_some_and(|asked| asked != consistency) {
            return Err(request::two_consistencies());
        }
        asked = Some(consistency);
    }
    Ok(asked)
}
