//! Snapshots: asks the node to take some.
//!
//! The request only leaves a mark and is answered before the work begins, so it
//! needs no place among the calls of the service. It has no body; what comes as
//! one is not read.

use std::sync::Arc;

use api::Refusal;
use api::service::{Failure, Service};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::door::Door;
use crate::refused::Refused;

/// `POST /v1/snapshots`.
pub(crate) async fn ask<S: Service>(
    State(door): State<Arc<Door<S>>>,
    headers: HeaderMap,
) -> Response {
    // A node that is told to stop promises nothing new.
    let noted = if door.draining.is_cancelled() {
        Err(Failure::Refused(Refusal::Stopping))
    } else {
        door.service.ask_snapshots()
    };
    match noted {
        Ok(noted) => (StatusCode::ACCEPTED, Json(noted)).into_response(),
        Err(failure) => Refused::by_service(&failure, false).answer(&headers),
    }
}
