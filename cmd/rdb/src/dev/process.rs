//! Process: which process runs a node, whoever started it?
//!
//! A node writes its pid into `<data>/lock` and keeps that file open and
//! locked as long as it lives. So a process of that pid that has the file open
//! is the node, and a stale or reused pid is not.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The pid of the process that holds the data directory.
#[must_use]
pub fn holder(data: &Path) -> Option<u32> {
    let lock = fs::canonicalize(data.join("lock")).ok()?;
    let pid = fs::read_to_string(&lock).ok()?.trim().parse().ok()?;
    has_open(pid, &lock).then_some(pid)
}

/// Sends a signal; a process that is gone already is as good as one that got it.
pub fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _gone = kill(Pid::from_raw(pid), signal);
    }
}

fn has_open(pid: u32, file: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_with_the_lock_open_holds_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()), None);
        let held = disk::DirectoryLock::take(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), Some(std::process::id()));
        drop(held);
        // The pid is still in the file and still alive, but does not hold it.
        assert_eq!(holder(dir.path()), None);
    }
}
