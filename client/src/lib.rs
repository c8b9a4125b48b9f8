//! The client library: every action of `/command` as an async call.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let ca = std::fs::read("ca.crt")?;
//! let client = client::Client::builder()
//!     .endpoints(["https://localhost:8443", "https://localhost:8444"])
//!     .ca_pem(&ca)
//!     .build()?;
//! client.put("users", "alice", "1").await?;
//! let row = client.get("users", "alice").await?;
//! assert_eq!(row.and_then(|row| row.value).as_deref(), Some("1"));
//! # Ok(())
//! # }
//! ```
//!
//! A call is retried through other nodes until it has an answer or its time is
//! over. [`Error`] says whether a failed write took effect.
//!
//! # Invariants
//!
//! * E1: all attempts of one call carry the same `Idempotency-Key`, made before
//!   the first, so that a call takes effect at most once.
//! * E2: a call that failed after an attempt without an answer is never
//!   reported as not applied.
//!
//! # Not here
//!
//! Routing: every node answers for all keys. [`Client::locate`] repeats what an
//! answer says of a row's place, and nothing is decided by it.

mod answer;
mod attempt;
mod builder;
mod calls;
mod error;
pub mod health;
#[cfg(test)]
mod hostile;
mod locate;
mod request;
pub mod retry;
pub mod snapshots;
pub mod status;
mod trace;

pub use answer::{Page, Row, Written};
pub use builder::{BuildError, Builder};
pub use calls::{Client, Expected, Range};
pub use error::Error;
pub use locate::{Held, Located};
pub use trace::Step;
