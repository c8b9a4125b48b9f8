//! Deadline: has it happened yet?

use std::future::Future;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Tries until `attempt` succeeds; gives what it gave.
///
/// # Panics
///
/// When `limit` has passed, with the last reason.
pub async fn until<T, F>(what: &str, limit: Duration, mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(why) if start.elapsed() >= limit => {
                panic!("{what} did not happen within {limit:?}: {why}")
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The same for an attempt that waits for nothing. Blocks the thread.
///
/// # Panics
///
/// When `limit` has passed, with the last reason.
pub fn until_blocking<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(why) if start.elapsed() >= limit => {
                panic!("{what} did not happen within {limit:?}: {why}")
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
