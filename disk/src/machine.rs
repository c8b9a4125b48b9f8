//! Machine: what the system says about itself and its disk.

use std::fs;
use std::path::Path;

use crate::fault::{Fault, OrFault};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// This boot of the machine. Another id later means that memory, and with it
/// every unsynced page, was lost in between.
pub fn boot_id() -> Result<String, Fault> {
    let path = Path::new(BOOT_ID);
    Ok(fs::read_to_string(path).or_fault("read boot id", path)?.trim().to_owned())
}

/// Bytes of a file system, and how many of them an ordinary process may still use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total_bytes: u64,
    /// What is left.
    pub free_bytes: u64,
}

/// Space of the file system that `path` lies on.
pub fn space(path: &Path) -> Result<Space, Fault> {
    let stat = nix::sys::statvfs::statvfs(path)
        .map_err(|errno| Fault::io("measure free space", path, errno.into()))?;
    let block = stat.fragment_size();
    Ok(Space { total_bytes: block * stat.blocks(), free_bytes: block * stat.blocks_available() })
}
