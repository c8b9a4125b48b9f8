//! Snapshots: asks each endpoint's node to take some.
//!
//! Every endpoint is asked once. Behind a proxy that asks one node, and the
//! answer says which. A node answers before it takes the snapshots; they are
//! there when its status says so.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{StatusCode, Url};

pub use api::snapshot::{Goal, Noted};

use crate::attempt::{post, refused};
use crate::error::Error;
use crate::trace::{Step, Trace};

const PATH: &str = "/v1/snapshots";

/// What an endpoint said when it was asked for snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The endpoint, as `https://host:port`.
    pub endpoint: String,
    /// What will be taken, or why nothing will.
    pub noted: Result<Noted, Error>,
}

/// Asks all endpoints at once, each for at most `patience`.
pub(crate) async fn ask(
    http: &reqwest::Client,
    urls: &[Url],
    patience: Duration,
    trace: &Trace,
) -> Vec<Asked> {
    join_all(urls.iter().map(|url| ask_one(http, url.clone(), patience, trace))).await
}

async fn ask_one(http: &reqwest::Client, mut url: Url, patience: Duration, trace: &Trace) -> Asked {
    url.set_path(PATH);
    let endpoint = url.origin().ascii_serialization();
    trace.step(Step::Asked { endpoint: &endpoint, what: PATH });
    let failed = match post(http, url, patience).await {
        Ok((StatusCode::ACCEPTED, _, body)) => {
            let noted = serde_json::from_slice(&body);
            let noted = noted.map_err(|error| Error::Garbled { message: error.to_string() });
            return Asked { endpoint, noted };
        }
        Ok((status, headers, body)) => refused(status, &headers, &body),
        Err(failed) => failed,
    };
    trace.step(failed.step(&endpoint, None));
    // Asked for twice, a snapshot is taken once: nothing is ever unknown.
    Asked { endpoint, noted: Err(failed.into_error(false)) }
}
