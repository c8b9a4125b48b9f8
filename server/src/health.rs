//! Health: does the process turn, and should it get requests?
//!
//! `/livez` says that the event loop answers; nothing else may make an
//! orchestrator kill a node. `/readyz` is for proxies: it never asks whether
//! there is a leader, or one election would empty the proxy.

use std::fmt::Write;
use std::sync::Arc;

use api::service::{Check, Service};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;

use crate::door::Door;

/// `GET /livez`.
pub(crate) async fn live() -> &'static str {
    "ok"
}

/// `GET /readyz`, `GET /readyz?verbose`.
pub(crate) async fn ready<S: Service>(
    State(door): State<Arc<Door<S>>>,
    RawQuery(query): RawQuery,
) -> (StatusCode, String) {
    let checks = checks(&door);
    let verbose = query.is_some_and(|query| {
        query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    });
    report(&checks, verbose)
}

/// The node's own checks, and the door's.
pub(crate) fn checks<S: Service>(door: &Door<S>) -> Vec<Check> {
    let mut checks = door.service.readiness();
    let draining = door.draining.is_cancelled();
    let failure = draining.then(|| "the node is stopping".to_owned());
    checks.push(Check { name: "accepting", failure });
    checks
}

/// All checks when verbose or when one fails; else one word.
fn report(checks: &[Check], verbose: bool) -> (StatusCode, String) {
    let ready = checks.iter().all(|check| check.failure.is_none());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if ready && !verbose {
        return (status, "ok".to_owned());
    }
    let mut text = String::new();
    for Check { name, failure } in checks {
        let written = match failure {
            None => writeln!(text, "[+]{name} ok"),
            Some(reason) => writeln!(text, "[-]{name} failed: {reason}"),
        };
        written.expect("writing to a string cannot fail");
    }
    text.push_str(if ready { "ready" } else { "not ready" });
    (status, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_check_is_named_even_to_who_did_not_ask() {
        let good = Check { name: "identity", failure: None };
        let bad = Check { name: "storage", failure: Some("read-only".to_owned()) };
        assert_eq!(report(std::slice::from_ref(&good), false), (StatusCode::OK, "ok".to_owned()));
        let (status, text) = report(std::slice::from_ref(&good), true);
        assert_eq!((status, &*text), (StatusCode::OK, "[+]identity ok\nready"));
        let (status, text) = report(&[good, bad], false);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "[+]identity ok\n[-]storage failed: read-only\nnot ready");
    }
}
