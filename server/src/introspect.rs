//! Introspect: what does the node know of the cluster, and which limits hold?

use std::sync::Arc;

use api::limits;
use api::service::Service;
use api::status::Status;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::door::Door;
use crate::options::{BODY_BYTES_IN_FLIGHT, HEADER_BYTES_MAX, Options, STREAMS_MAX};

/// `GET /v1/status`.
pub(crate) async fn status<S: Service>(State(door): State<Arc<Door<S>>>) -> Json<Status> {
    Json(door.service.status())
}

/// `GET /v1/limits`.
pub(crate) async fn limits<S: Service>(State(door): State<Arc<Door<S>>>) -> Json<Limits> {
    Json(Limits::of(&door.options))
}

/// The limits in force at this node.
#[derive(Serialize)]
pub(crate) struct Limits {
    key_bytes_max: usize,
    value_bytes_max: usize,
    collection_name_bytes_max: usize,
    collections_max: usize,
    idempotency_key_bytes_max: usize,
    idempotency_key_ttl_ms: u128,
    json_depth_max: usize,
    body_bytes_max: usize,
    body_bytes_in_flight_max: usize,
    header_bytes_max: usize,
    range_rows_default: usize,
    range_rows_max: usize,
    range_bytes_max: usize,
    request_timeout_ms: u128,
    requests_max: usize,
    connections_max: usize,
    connections_per_peer_max: usize,
    http2_streams_max: u32,
}

impl Limits {
    fn of(options: &Options) -> Self {
        Self {
            key_bytes_max: limits::KEY_BYTES_MAX,
            value_bytes_max: options.value_bytes_max,
            collection_name_bytes_max: limits::COLLECTION_NAME_BYTES_MAX,
            collections_max: limits::COLLECTIONS_MAX,
            idempotency_key_bytes_max: limits::IDEMPOTENCY_KEY_BYTES_MAX,
            idempotency_key_ttl_ms: limits::CLIENT_ID_TTL.as_millis(),
            json_depth_max: limits::JSON_DEPTH_MAX,
            body_bytes_max: options.body_bytes_max(),
            body_bytes_in_flight_max: BODY_BYTES_IN_FLIGHT,
            header_bytes_max: HEADER_BYTES_MAX,
            range_rows_default: limits::RANGE_ROWS_DEFAULT,
            range_rows_max: limits::RANGE_ROWS_MAX,
            range_bytes_max: limits::RANGE_BYTES_MAX,
            request_timeout_ms: options.request_timeout.as_millis(),
            requests_max: options.requests_max,
            connections_max: options.connections_max,
            connections_per_peer_max: options.connections_per_peer_max,
            http2_streams_max: STREAMS_MAX,
        }
    }
}
