//! Options: how much may the logs of a node take?

/// How a [`Wal`](crate::Wal) is opened. Start from the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most all logs together may ever take. Address space, not disk: the
    /// file is sparse and grows as it fills. Default 64 GiB.
    pub map_bytes: usize,
    /// Encoded bytes of recent entries each group keeps in memory, so that
    /// replication and apply seldom read the disk. What is not durable yet
    /// stays in memory beyond it. Default 32 MiB.
    pub tail_bytes: usize,
    /// Encoded bytes waiting for the disk, over all groups. Beyond it an
    /// append waits. Default 64 MiB.
    pub queue_bytes: usize,
    /// Operations waiting for the disk, over all groups. Default 16,384.
    pub queue_ops: usize,
    /// Bytes in one commit, unless one operation alone is larger. Bounds how
    /// long a group waits for the others. Default 8 MiB.
    pub batch_bytes: usize,
    /// Operations in one commit. Default 4,096.
    pub batch_ops: usize,
    /// Purged entries deleted with one commit, so that one group's purge does
    /// not stall the others. Default 2,048.
    pub purge_slice: u64,
    /// Reads of the disk at once, over all groups. Each holds a thread of
    /// tokio's blocking pool. Default 8.
    pub disk_reads: usize,
    /// Checks every record when a group opens, even after a clean close.
    /// Default no.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            map_bytes: 64 << 30,
            tail_bytes: 32 << 20,
            queue_bytes: 64 << 20,
            queue_ops: 16_384,
            batch_bytes: 8 << 20,
            batch_ops: 4_096,
            purge_slice: 2_048,
            disk_reads: 8,
            verify: false,
        }
    }
}
