//! Health: does each endpoint run, and should it get requests?
//!
//! Every endpoint is asked once and speaks for itself. Whoever answers in other
//! words than a node's is no node: a proxy's error page is not "not ready".

use std::time::Duration;

use futures::future::join_all;
use reqwest::{StatusCode, Url};

use crate::attempt::{get, wrong_status};
use crate::error::Error;
use crate::trace::{Step, Trace};

/// What an endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Does the process turn?
    Live,
    /// Should it get requests?
    Ready,
}

/// What an endpoint said of its health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The endpoint, as `https://host:port`.
    pub endpoint: String,
    /// What it said, or why it said nothing.
    pub checkup: Result<Checkup, Error>,
}

/// A node's word on itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// Whether the answer is yes.
    pub well: bool,
    /// What it looked at. Nothing for [`Probe::Live`].
    pub checks: Vec<Check>,
}

/// One thing a node looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What is wrong with it, if something is.
    pub failure: Option<String>,
}

impl Probe {
    fn path_and_query(self) -> &'static str {
        match self {
            Self::Live => "/livez",
            Self::Ready => "/readyz?verbose",
        }
    }
}

/// Asks all endpoints at once, each for at most `patience`.
pub(crate) async fn ask(
    http: &reqwest::Client,
    urls: &[Url],
    probe: Probe,
    patience: Duration,
    trace: &Trace,
) -> Vec<Health> {
    join_all(urls.iter().map(|url| ask_one(http, url, probe, patience, trace))).await
}

async fn ask_one(
    http: &reqwest::Client,
    url: &Url,
    probe: Probe,
    patience: Duration,
    trace: &Trace,
) -> Health {
    let what = probe.path_and_query();
    let (path, query) = what.split_once('?').map_or((what, None), |(p, q)| (p, Some(q)));
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(query);
    let endpoint = url.origin().ascii_serialization();
    trace.step(Step::Asked { endpoint: &endpoint, what });
    let checkup = match get(http, url, patience).await {
        Ok((status, body)) => checkup(status, &String::from_utf8_lossy(&body)),
        Err(failed) => {
            trace.step(failed.step(&endpoint, None));
            Err(failed.into_error(false))
        }
    };
    Health { endpoint, checkup }
}

/// What an answer says of a node's health.
pub(crate) fn checkup(status: StatusCode, text: &str) -> Result<Checkup, Error> {
    let well = match status {
        StatusCode::OK => true,
        StatusCode::SERVICE_UNAVAILABLE => false,
        _ => return Err(wrong_status(status).into_error(false)),
    };
    let (checks, end) = read(text);
    let failing = checks.iter().any(|check| check.failure.is_some());
    match (well, end) {
        (true, "ok" | "ready") if !failing => Ok(Checkup { well, checks }),
        (false, "not ready") if failing => Ok(Checkup { well, checks }),
        (false, _) => Err(wrong_status(status).into_error(false)),
        (true, _) => Err(Error::Garbled { message: "these are not a node's words".to_owned() }),
    }
}

/// The checks, and what stands after them.
fn read(text: &str) -> (Vec<Check>, &str) {
    let mut checks = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        let Some(check) = check(line) else { break };
        checks.push(check);
        rest = after;
    }
    (checks, rest)
}

fn check(line: &str) -> Option<Check> {
    let (name, failure) = match line.strip_prefix("[-]") {
        Some(failed) => {
            let (name, reason) = failed.split_once(" failed: ")?;
            (name, Some(reason.to_owned()))
        }
        None => (line.strip_prefix("[+]")?.strip_suffix(" ok")?, None),
    };
    Some(Check { name: name.to_owned(), failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: StatusCode, text: &str) -> Option<(bool, Vec<Option<String>>)> {
        let checkup = checkup(status, text).ok()?;
        let failures = checkup.checks.into_iter().map(|check| check.failure);
        Some((checkup.well, failures.collect()))
    }

    #[test]
    fn a_node_says_yes_in_one_word_or_with_all_checks() {
        assert_eq!(of(StatusCode::OK, "ok"), Some((true, vec![])));
        let all = "[+]storage ok\n[+]accepting ok\nready";
        assert_eq!(of(StatusCode::OK, all), Some((true, vec![None, None])));
    }

    #[test]
    fn a_node_says_no_with_its_reasons() {
        let text = "[+]identity ok\n[-]storage failed: read: only\nnot ready";
        let expected = Some((false, vec![None, Some("read: only".to_owned())]));
        assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE, text), expected);
    }

    #[test]
    fn who_speaks_otherwise_is_no_node() {
        for (status, text) in [
            (StatusCode::OK, "<html>welcome</html>"),
            (StatusCode::OK, ""),
            (StatusCode::OK, "[-]storage failed: x\nready"),
            (StatusCode::SERVICE_UNAVAILABLE, "No server is available"),
            (StatusCode::SERVICE_UNAVAILABLE, "[+]storage ok\nnot ready"),
            (StatusCode::NOT_FOUND, "ok"),
        ] {
            assert_eq!(of(status, text), None, "{status} {text}");
        }
    }
}
