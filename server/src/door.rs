//! Door: what all routes share, and which routes there are.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use api::service::Service;
use api::throttle::Throttle;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::BodyBytes;
use crate::command;
use crate::counters::Counters;
use crate::expiry::Expiries;
use crate::header;
use crate::metrics::requests::Requests;
use crate::metrics::{self, SCRAPES_MAX};
use crate::options::{ANSWER_BYTES_IN_FLIGHT, BODY_BYTES_IN_FLIGHT, Options};
use crate::{health, introspect, snapshots};

/// What all routes share.
#[derive(Debug)]
pub(crate) struct Door<S> {
    pub(crate) service: Arc<S>,
    pub(crate) options: Options,
    pub(crate) counters: Arc<Counters>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) expiries: Arc<Expiries>,
    /// Places to read the figures.
    pub(crate) scrapes: Arc<Semaphore>,
    /// When it was made, Unix time.
    pub(crate) start_seconds: f64,
    pub(crate) failures_log: Throttle,
    /// Places inside the service.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) body_bytes: BodyBytes,
    pub(crate) answer_bytes: BodyBytes,
    /// Calls of the service. They outlive their connections, but not the node.
    pub(crate) calls: TaskTracker,
    /// Set as soon as the node is to stop.
    pub(crate) draining: CancellationToken,
    served_by: HeaderValue,
}

impl<S: Service> Door<S> {
    /// Expects options that were validated.
    pub(crate) fn new(service: Arc<S>, options: Options) -> Self {
        let served_by =
            HeaderValue::from_str(&options.node).expect("a validated node name is visible ASCII");
        // A clock before 1970 is wrong anyway.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            service,
            counters: Arc::default(),
            requests: Arc::new(Requests::new()),
            expiries: Arc::default(),
            scrapes: Arc::new(Semaphore::new(SCRAPES_MAX)),
            start_seconds: since_epoch.as_secs_f64(),
            failures_log: Throttle::default(),
            places: Arc::new(Semaphore::new(options.requests_max.min(Semaphore::MAX_PERMITS))),
            body_bytes: BodyBytes::new(BODY_BYTES_IN_FLIGHT),
            answer_bytes: BodyBytes::new(ANSWER_BYTES_IN_FLIGHT),
            calls: TaskTracker::new(),
            draining: CancellationToken::new(),
            served_by,
            options,
        }
    }
}

/// Every route of the client door.
pub(crate) fn router<S: Service>(door: Arc<Door<S>>) -> Router {
    let read = |route| only::<S>("GET, HEAD", route);
    Router::new()
        .route("/command", any(command::answer::<S>))
        .route("/livez", read(get(health::live)))
        .route("/readyz", read(get(health::ready::<S>)))
        .route("/metrics", read(get(metrics::scrape::<S>)))
        .route("/v1/status", read(get(introspect::status::<S>)))
        .route("/v1/limits", read(get(introspect::limits::<S>)))
        .route("/v1/snapshots", only::<S>("POST", post(snapshots::ask::<S>)))
        .fallback(unknown_path)
        .layer(middleware::from_fn_with_state(Arc::clone(&door), sign::<S>))
        .with_state(door)
}

/// The route, which names its methods to who comes with another one.
fn only<S: Service>(
    methods: &'static str,
    route: MethodRouter<Arc<Door<S>>>,
) -> MethodRouter<Arc<Door<S>>> {
    let allow = [(ALLOW, methods)];
    route.fallback(move || async move {
        (StatusCode::METHOD_NOT_ALLOWED, allow, "http method not allowed")
    })
}

/// Signs every answer with the node's name and the request's own id.
async fn sign<S: Service>(
    State(door): State<Arc<Door<S>>>,
    request: Request,
    next: Next,
) -> Response {
    let request_id = header::request_id(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::SERVED_BY, door.served_by.clone());
    if let Some(request_id) = request_id {
        headers.insert(header::REQUEST_ID, request_id);
    }
    response
}

async fn unknown_path() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "no such path; the data is behind POST /command")
}
