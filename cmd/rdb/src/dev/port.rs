//! Port: is it free, and if not, who has it?

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

// A node that was just killed keeps its sockets until its last thread is gone,
// which takes as long as the disk takes to answer that thread.
const FREE_TIMEOUT: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits a moment for all the ports to be free; else says which are not.
pub async fn wait_until_free(ports: &[u16]) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let taken: Vec<_> = ports.iter().copied().filter_map(taken).collect();
        if taken.is_empty() {
            return Ok(());
        }
        if start.elapsed() > FREE_TIMEOUT {
            return Err(taken.join(", "));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Why nobody can listen on the port, if so.
fn taken(port: u16) -> Option<String> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Some(match listener(port) {
            Some(owner) => format!("port {port} is taken by {owner}"),
            None => format!("port {port} is taken by another process"),
        }),
        Err(error) => Some(format!("cannot listen on port {port}: {error}")),
    }
}

/// Name and pid of the process that listens on the port, as far as we may see it.
fn listener(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables.iter().find_map(|table| {
        fs::read_to_string(table).ok()?.lines().find_map(|line| listening_inode(line, port))
    })?;
    let socket = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| has_socket(*pid, &socket))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", name.trim()))
}

/// The socket of a line of the kernel's table, if it listens on the port.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let (_, hex) = local.rsplit_once(':')?;
    let here = u16::from_str_radix(hex, 16).ok()? == port;
    if here && state == LISTEN { inode.parse().ok() } else { None }
}

fn has_socket(pid: u32, socket: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_taken_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let reason = taken(port).unwrap();
        assert!(reason.contains(&format!("pid {}", std::process::id())), "{reason}");
    }
    #[tokio::test(start_paused = true)]
    async fn a_port_that_is_freed_soon_counts_as_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ports = [listener.local_addr().unwrap().port()];
        let freed = async {
            tokio::time::sleep(2 * LOOK_EVERY).await;
            drop(listener);
        };
        let (free, ()) = tokio::join!(wait_until_free(&ports), freed);
        assert_eq!(free, Ok(()));
    }
}
