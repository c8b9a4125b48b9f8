//! Metrics: what does the node tell a monitoring system?
//!
//! `GET /metrics`, for Prometheus and whoever reads its formats. Nothing is
//! pushed or kept for it: whoever does something counts it, and a scrape reads
//! the counts.
//!
//! * [`catalogue`]: every metric's name, type, labels and meaning; the one
//!   place where names are decided. docs/metrics.md repeats it.
//! * [`page`]: which figure is shown under which name.
//! * [`exposition`]: the two text formats.
//! * [`requests`]: what `/command` counts of its requests.
//! * [`process`]: what the system says about this process.
//!
//! # Limits
//!
//! [`SCRAPES_MAX`] scrapes at once; beyond, busy. Labels have few values, all
//! known to the node: never a key, a collection or a client.

mod catalogue;
mod exposition;
mod page;
mod process;
pub(crate) mod requests;

use std::sync::Arc;

use api::service::Service;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;
use tracing::error;

use crate::door::Door;
use exposition::Dialect;

/// Scrapes at once. Each holds a thread, and a disk that stands still holds it long.
pub(crate) const SCRAPES_MAX: usize = 2;

/// `GET /metrics`.
pub(crate) async fn scrape<S: Service>(
    State(door): State<Arc<Door<S>>>,
    headers: HeaderMap,
) -> Response {
    let Ok(place) = Arc::clone(&door.scrapes).try_acquire_owned() else {
        let text = "busy: other scrapes have not ended yet";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let dialect = Dialect::accepted(&headers);
    // Some figures are read from the disk.
    let written = spawn_blocking(move || {
        let page = page::write(&door, dialect);
        drop(place);
        page
    });
    match written.await {
        Ok(page) => ([(CONTENT_TYPE, dialect.content_type())], page).into_response(),
        Err(panic) => {
            error!(%panic, "read the figures");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
