//! Blocking: where does work run that waits for the disk?
//!
//! On a thread of the runtime's pool: no task may wait behind a slow disk. The
//! simulation of a cluster is one thread, and two runs of it are the same only if
//! nothing runs beside it; there such work runs at once, where it is asked for.

use std::cell::Cell;

use tokio::task::JoinError;

thread_local! {
    static INLINE: Cell<bool> = const { Cell::new(false) };
}

/// From now on, whatever this thread asks for runs on it, at once.
pub fn inline_on_this_thread() {
    INLINE.set(true);
}

/// Runs `work`. An error says that it panicked, or that the runtime ends and it
/// did not begin. Who stops waiting does not stop it.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if INLINE.get() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn work_leaves_the_thread_unless_that_is_all_there_is() {
        let here = thread::current().id();
        assert_ne!(run(|| thread::current().id()).await.unwrap(), here);
        inline_on_this_thread();
        assert_eq!(run(|| thread::current().id()).await.unwrap(), here);
    }
}
