//! Status: what does each node know of the cluster?
//!
//! Every endpoint is asked once and speaks for itself: the differences between
//! the nodes' answers are what one looks for. A proxy answers with whichever
//! node it picks.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{StatusCode, Url};

pub use api::status::{
    GroupStatus, NodeStatus, ReplicaState, ReplicaStatus, SnapshotStatus, Status, StorageStatus,
};

use crate::attempt::{get, wrong_status};
use crate::error::Error;
use crate::trace::{Step, Trace};

const PATH: &str = "/v1/status";

/// What an endpoint said when it was asked for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The endpoint, as `https://host:port`.
    pub endpoint: String,
    /// What it said, or why it said nothing.
    pub status: Result<Status, Error>,
}

/// Asks all endpoints at once, each for at most `patience`.
pub(crate) async fn ask(
    http: &reqwest::Client,
    urls: &[Url],
    patience: Duration,
    trace: &Trace,
) -> Vec<Seen> {
    join_all(urls.iter().map(|url| ask_one(http, url.clone(), patience, trace))).await
}

async fn ask_one(http: &reqwest::Client, mut url: Url, patience: Duration, trace: &Trace) -> Seen {
    url.set_path(PATH);
    let endpoint = url.origin().ascii_serialization();
    trace.step(Step::Asked { endpoint: &endpoint, what: PATH });
    let status = match get(http, url, patience).await {
        Ok((StatusCode::OK, body)) => serde_json::from_slice(&body)
            .map_err(|error| Error::Garbled { message: error.to_string() }),
        Ok((status, _)) => Err(wrong_status(status).into_error(false)),
        Err(failed) => {
            trace.step(failed.step(&endpoint, None));
            Err(failed.into_error(false))
        }
    };
    Seen { endpoint, status }
}
