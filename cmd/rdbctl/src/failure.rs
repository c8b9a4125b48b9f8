//! Failure: what does the user read, and the script see, when it did not work?
//!
//! Every failure has a code, a message and a hint what to do next. Pure: an
//! error of the client library in, those three out.

use std::fmt;

use api::limits::CLIENT_ID_TTL;
use client::Error;

use crate::exit::Exit;

const STATUS: &str = "`rdbctl status` shows what is wrong";

/// Why a verb did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the script sees.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

/// What was asked when it failed: it decides what a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Nothing that could change a row.
    Read,
    /// A change, under this idempotency key.
    Write(&'a str),
}

impl Failure {
    /// There is no such row.
    #[must_use]
    pub fn not_found() -> Self {
        Self {
            exit: Exit::NotFound,
            message: "there is no such row".to_owned(),
            hint: "`rdbctl scan <COLLECTION>` lists rows, `rdbctl collections` collections"
                .to_owned(),
        }
    }

    /// What an error of the client library means to the user.
    #[must_use]
    pub fn of(error: &Error, asked: Asked<'_>) -> Self {
        let (exit, hint) = match error {
            Error::Conflict { present } => {
                let version = present.as_ref().map(|row| row.version.unwrap_or(0));
                (Exit::Conflict, conflict_hint(version))
            }
            Error::Rejected { status, code, .. } => rejected(*status, code),
            Error::NotApplied { code, message } => not_applied(code, message),
            Error::Unknown { .. } => (Exit::Unknown, again_hint(asked)),
            Error::Garbled { .. } => match asked {
                Asked::Write(_) => (Exit::Unknown, again_hint(asked)),
                Asked::Read => (
                    Exit::Failure,
                    "is every endpoint a node, or a proxy that asks one?".to_owned(),
                ),
            },
        };
        Self { exit, message: message(error), hint }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.message, self.hint)
    }
}

fn message(error: &Error) -> String {
    match error {
        Error::Conflict { .. } => format!("{error}; nothing changed"),
        // The node's own words say it already.
        Error::Rejected { message, .. } => message.clone(),
        Error::NotApplied { code, message } if code == "unreachable" => {
            format!("cannot connect: {}", cause(message))
        }
        Error::NotApplied { .. } | Error::Unknown { .. } | Error::Garbled { .. } => {
            error.to_string()
        }
    }
}

/// The end of a chain of causes: what goes before says only that a connection failed.
fn cause(message: &str) -> &str {
    message.rsplit_once("client error (Connect): ").map_or(message, |(_, cause)| cause)
}

/// Why an endpoint has nothing to say. Nobody asked it to change anything.
#[must_use]
pub fn silence(error: &Error) -> String {
    match error {
        Error::NotApplied { message, .. } => cause(message).to_owned(),
        other => message(other),
    }
}

fn conflict_hint(version: Option<u64>) -> String {
    match version {
        None | Some(0) => "there is no row now; `cas --if-absent` writes the first".to_owned(),
        Some(version) => {
            format!("the row has version {version} now; read it, decide, then --if-version")
        }
    }
}

fn rejected(status: u16, code: &str) -> (Exit, String) {
    let (exit, hint) = match code {
        "too_large" => (Exit::Limit, "/v1/limits of a node lists the limits in force"),
        "too_many_collections" => (Exit::Limit, "`rdbctl collections drop` one that nobody needs"),
        "disk_full" => (Exit::Limit, "make room on the nodes' disks; reads and deletes go on"),
        "value_key_conflict" => {
            (Exit::Conflict, "somebody wrote other bytes under that key: delete it by key first")
        }
        "not_text" => (Exit::Failure, "read it by the interface that wrote it"),
        "bad_cursor" => (Exit::Usage, "start again without --cursor"),
        "idempotency_key_reused" => {
            (Exit::Usage, "repeat the very same request, or choose a fresh key")
        }
        _ if (400..500).contains(&status) => (Exit::Usage, "--help of the verb has examples"),
        _ => (Exit::Failure, STATUS),
    };
    (exit, hint.to_owned())
}

fn not_applied(code: &str, message: &str) -> (Exit, String) {
    let (exit, hint) = match code {
        "unreachable" if speaks_of_trust(message) => (
            Exit::Unreachable,
            "--cacert or RDBCTL_CACERT names the cluster's authority; \
             `rdb dev` keeps its in rdb-dev/certs/ca.crt",
        ),
        "unreachable" => (
            Exit::Unreachable,
            "does a node run there? --endpoints or RDBCTL_ENDPOINTS lists the nodes",
        ),
        "busy" => (Exit::Limit, "the cluster has all it can do: try again later"),
        "no_answer" if message.contains("CertificateRequired") => {
            (Exit::Unreachable, "it asks for a certificate of yours: --cert and --key name it")
        }
        "no_answer" => (
            Exit::Unavailable,
            "give more time with --timeout; is it a node, and https or http as given?",
        ),
        _ => (Exit::Unavailable, STATUS),
    };
    (exit, hint.to_owned())
}

/// Whether a connection failed for want of trust; rustls says so in words only.
fn speaks_of_trust(message: &str) -> bool {
    ["certificate", "UnknownIssuer"].iter().any(|word| message.contains(word))
}

fn again_hint(asked: Asked<'_>) -> String {
    match asked {
        Asked::Read => STATUS.to_owned(),
        Asked::Write(key) => format!(
            "the same command with --idempotency-key {key} within {} minutes \
             takes effect at most once",
            CLIENT_ID_TTL.as_secs() / 60,
        ),
    }
}

#[cfg(test)]
mod tests {
    use client::Row;

    use super::*;

    fn of(error: Error) -> Failure {
        Failure::of(&error, Asked::Write("k1"))
    }

    fn rejected(status: u16, code: &str) -> Exit {
        let message = "no".to_owned();
        of(Error::Rejected { status, code: code.to_owned(), message }).exit
    }

    fn not_applied(code: &str, message: &str) -> Failure {
        of(Error::NotApplied { code: code.to_owned(), message: message.to_owned() })
    }

    #[test]
    fn a_failure_is_two_lines() {
        let present = Row { key: "k".to_owned(), value: None, version: Some(7) };
        assert_eq!(
            of(Error::Conflict { present: Some(present) }).to_string(),
            "error: the condition does not hold; nothing changed\n\
             hint: the row has version 7 now; read it, decide, then --if-version"
        );
        assert_eq!(
            of(Error::Conflict { present: None }).hint,
            "there is no row now; `cas --if-absent` writes the first"
        );
    }

    #[test]
    fn an_unknown_outcome_comes_with_the_way_to_settle_it() {
        let unknown =
            Error::Unknown { code: "no_answer".to_owned(), message: "timed out".to_owned() };
        assert_eq!(
            of(unknown).to_string(),
            "error: outcome unknown (no_answer): timed out\n\
             hint: the same command with --idempotency-key k1 within 10 minutes \
             takes effect at most once"
        );
        let garbled = Error::Garbled { message: "no JSON".to_owned() };
        assert_eq!(of(garbled.clone()).exit, Exit::Unknown);
        assert_eq!(Failure::of(&garbled, Asked::Read).exit, Exit::Failure);
    }

    #[test]
    fn the_reason_decides_the_code() {
        assert_eq!(rejected(413, "too_large"), Exit::Limit);
        assert_eq!(rejected(409, "too_many_collections"), Exit::Limit);
        assert_eq!(rejected(507, "disk_full"), Exit::Limit);
        assert_eq!(rejected(409, "value_key_conflict"), Exit::Conflict);
        assert_eq!(rejected(409, "not_text"), Exit::Failure);
        assert_eq!(rejected(400, "bad_request"), Exit::Usage);
        assert_eq!(rejected(422, "idempotency_key_reused"), Exit::Usage);
        assert_eq!(rejected(501, "new"), Exit::Failure);
        assert_eq!(not_applied("busy", "").exit, Exit::Limit);
        assert_eq!(not_applied("no_leader", "").exit, Exit::Unavailable);
        assert_eq!(not_applied("no_answer", "").exit, Exit::Unavailable);
    }

    #[test]
    fn want_of_trust_is_told_from_want_of_a_node() {
        let untrusted = not_applied("unreachable", "invalid peer certificate: UnknownIssuer");
        assert_eq!(untrusted.exit, Exit::Unreachable);
        assert!(untrusted.hint.contains("--cacert"), "{untrusted}");
        let anonymous = not_applied("no_answer", "received fatal alert: CertificateRequired");
        assert_eq!(anonymous.exit, Exit::Unreachable);
        assert!(anonymous.hint.contains("--cert"), "{anonymous}");
        let absent = not_applied("unreachable", "connection refused");
        assert_eq!(absent.exit, Exit::Unreachable);
        assert!(absent.hint.contains("--endpoints"), "{absent}");
    }

    #[test]
    fn of_a_chain_of_causes_the_last_is_told() {
        let chain = "error sending request for url (https://a:1/command): \
                     client error (Connect): tcp connect error: refused";
        let failure = not_applied("unreachable", chain);
        assert_eq!(failure.message, "cannot connect: tcp connect error: refused");
        let (code, message) = ("unreachable".to_owned(), chain.to_owned());
        assert_eq!(silence(&Error::NotApplied { code, message }), "tcp connect error: refused");
    }
}
