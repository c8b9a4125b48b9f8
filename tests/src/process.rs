//! Process: what does the system know of one of ours?
//!
//! Processes are addressed by id, and only after their command line has shown
//! that they are ours: an id may have been given to somebody else meanwhile.

use std::fs;
use std::path::Path;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// Sends a signal; a process that is gone counts as having got it.
pub fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _gone = signal::kill(Pid::from_raw(pid), signal);
    }
}

/// Whether any thread of the process is left. Its first thread may be gone long
/// before the last one has let go of files, locks and ports.
#[must_use]
pub fn runs(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut states = threads.flatten().filter_map(|thread| state(&thread.path()));
    states.any(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether the process is stopped by a signal.
#[must_use]
pub fn is_paused(pid: u32) -> bool {
    state(Path::new(&format!("/proc/{pid}"))) == Some('T')
}

fn state(of: &Path) -> Option<char> {
    let stat = fs::read_to_string(of.join("stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.trim_start().chars().next()
}

/// Whether an argument of the process's command line names something in `directory`.
#[must_use]
pub fn is_of(pid: u32, directory: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let directory = directory.to_string_lossy();
    let names = |argument: &[u8]| String::from_utf8_lossy(argument).contains(&*directory);
    // The first argument is the program.
    line.split(|&byte| byte == 0).skip(1).any(names)
}

/// Every running process that has `directory` in its command line.
#[must_use]
pub fn all_of(directory: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    pids.filter(|&pid| pid != own && runs(pid) && is_of(pid, directory)).collect()
}

/// Bytes of memory that the process holds, pages of mapped files left out:
/// those are the system's to take back.
#[must_use]
pub fn anonymous_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "RssAnon:")
}

/// Bytes of memory that the process holds, mapped files included.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmRSS:")
}

fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Open file descriptors of the process, sockets included.
#[must_use]
pub fn descriptors(pid: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count)
}

/// Threads of the process.
#[must_use]
pub fn threads(pid: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{pid}/task")).ok().map(Iterator::count)
}
