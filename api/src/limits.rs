//! Limits: how much of everything is allowed?
//!
//! Every bound of the system stands here with its reason. A bound that an
//! operator may lower or raise says so; the rest are constants of the format
//! or of the design. Zero never means "no limit".

use std::time::Duration;

/// Shards of a cluster. A constant of the format: it decides where keys live.
pub const SHARDS: u16 = 1024;

/// Data groups a cluster may be founded with. Each costs tasks and a timer on every node.
pub const GROUPS_MAX: u32 = 64;

/// Nodes a cluster may be founded with.
pub const NODES_MAX: usize = 9;

/// The longest user key. LMDB keys end at 511 bytes, of which the row's prefix takes 6;
/// the rest is headroom for tables that will prefix more.
pub const KEY_BYTES_MAX: usize = 480;

/// The longest collection name, in bytes of UTF-8.
pub const COLLECTION_NAME_BYTES_MAX: usize = 255;

/// The longest value by default. Settable up to [`VALUE_BYTES_HARD_MAX`].
pub const VALUE_BYTES_DEFAULT: usize = 1 << 20;

/// The longest value an operator may allow. Larger ones belong in an object store.
pub const VALUE_BYTES_HARD_MAX: usize = 8 << 20;

/// The longest `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Live collections of a cluster. Every node keeps the catalogue in memory.
pub const COLLECTIONS_MAX: usize = 65_535;

/// How deep JSON may nest before a request is refused. Real requests need 2.
pub const JSON_DEPTH_MAX: usize = 32;

/// A request body: a value in which every byte is escaped, and its frame.
pub const BODY_BYTES_PER_VALUE_BYTE: usize = 6;

/// Room in a request body beside the value.
pub const BODY_BYTES_FRAME: usize = 64 << 10;

/// Commands in one log entry.
pub const BATCH_COMMANDS_MAX: usize = 1024;

/// Bytes in one log entry, unless one command alone is larger.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The largest log entry: a `cas` with two values of the hard maximum, the expected and
/// the new one, and its frame. A node takes no larger one from a client or a peer.
pub const ENTRY_BYTES_MAX: usize = 2 * VALUE_BYTES_HARD_MAX + (64 << 10);

/// Commands that may wait for a place in a batch, per group and node. Beyond: busy.
pub const QUEUE_COMMANDS_MAX: usize = 16_384;

/// Bytes that may wait for a place in a batch, per group and node. Beyond: busy.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;

/// Readers that may wait for one read round, per group and node. Beyond: busy.
pub const READERS_MAX: usize = 16_384;

/// Entries in one append message.
pub const APPEND_ENTRIES_MAX: u64 = 1024;

/// Bytes of entries in one append message, unless one entry alone is larger.
pub const APPEND_BYTES_MAX: usize = 1 << 20;

/// Rows in one `range` or `find` answer when the client names no limit.
pub const RANGE_ROWS_DEFAULT: usize = 1_000;

/// Rows in one `range` or `find` answer at most.
pub const RANGE_ROWS_MAX: usize = 10_000;

/// Bytes of keys and values in one `range` or `find` answer.
pub const RANGE_BYTES_MAX: usize = 1 << 20;

/// Rows one drop step deletes: bounds how long an entry occupies the apply thread.
pub const DROP_ROWS_PER_STEP: u32 = 1_000;

/// Result bytes a dedup item keeps for replays.
pub const REPLAY_RESULT_BYTES_MAX: usize = 1 << 10;

/// Bytes of values that the answers of one log entry carry; beyond that a value is
/// left out. Small commands that answer with large rows must not fill the memory
/// of every replica. At least one value of the hard maximum always fits.
pub const ANSWER_VALUES_BYTES_MAX: usize = 2 * VALUE_BYTES_HARD_MAX;

/// How long a request id made by a node is remembered, in group time.
pub const INTERNAL_ID_TTL: Duration = Duration::from_secs(60);

/// How long a client's request id is remembered, in group time.
pub const CLIENT_ID_TTL: Duration = Duration::from_secs(600);

/// How long after it left the proxy a request is still taken up. The proxy tries
/// other nodes within its own time-outs, which are shorter.
pub const PROXY_REQUEST_AGE_MAX: Duration = Duration::from_secs(30);

/// How far the proxy's clock may be ahead of a node's.
pub const PROXY_CLOCK_LEAD_MAX: Duration = Duration::from_secs(5);

/// How far an internal id's issue time may be ahead of group time.
pub const INTERNAL_ID_SKEW: Duration = Duration::from_secs(5);

/// How far a client id's issue time may be ahead of group time.
pub const CLIENT_ID_SKEW: Duration = Duration::from_secs(60);

/// Dedup items kept per class and group. On overflow the oldest go and requests
/// issued before them are refused, so memory is bounded and nothing runs twice.
pub const DEDUP_ITEMS_MAX: u64 = 500_000;

/// Dedup rows one entry may expire: bounds the work of an apply after a long idle time.
pub const DEDUP_ROWS_EXPIRED_PER_ENTRY: usize = 64;

/// How far one leader's clock may push group time past the median of the nodes.
pub const CLOCK_LEAD_MAX: Duration = Duration::from_secs(5);

/// How long a node works on a client's request before it answers, by default.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// The longest request timeout: a router's retries must end well inside the
/// time its request id is remembered.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(KEY_BYTES_MAX + 6 <= 511, "a row's key must fit an LMDB key");
const _: () = assert!(VALUE_BYTES_DEFAULT <= VALUE_BYTES_HARD_MAX);
const _: () = assert!(ENTRY_BYTES_MAX > 2 * VALUE_BYTES_HARD_MAX + KEY_BYTES_MAX);
const _: () = assert!(RANGE_ROWS_DEFAULT <= RANGE_ROWS_MAX);
const _: () = assert!(
    REQUEST_TIMEOUT_MAX.as_secs() * 6 <= INTERNAL_ID_TTL.as_secs(),
    "an internal id outlives every retry of its request"
);
const _: () = assert!(
    PROXY_REQUEST_AGE_MAX.as_secs()
        + PROXY_CLOCK_LEAD_MAX.as_secs()
        + REQUEST_TIMEOUT_MAX.as_secs()
        < INTERNAL_ID_TTL.as_secs(),
    "the id of a proxy's request outlives every attempt of it"
);
