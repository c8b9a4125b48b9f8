//! Service: what a node does for its doors.
//!
//! HTTP and gRPC dialects parse their input into these requests and turn
//! these answers back into their own shapes. Whatever reaches a [`Service`]
//! has been checked against the limits; whatever a service refuses says
//! whether it took effect.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::command::Operation;
use crate::figures::Figures;
use crate::id::{GroupId, RequestId, ShardId};
use crate::limits::{PROXY_CLOCK_LEAD_MAX, PROXY_REQUEST_AGE_MAX};
use crate::outcome::Outcome;
use crate::refusal::{Applied, Refusal};
use crate::snapshot::Noted;
use crate::status::Status;

/// A running node, as its doors see it. Works on whichever node is asked:
/// calls are routed to the right group and forwarded to its leader.
pub trait Service: Send + Sync + 'static {
    /// Changes one row. A collection that does not exist is made first if the
    /// operation writes a value; for a delete it counts as empty.
    fn write(
        &self,
        call: Call,
        write: Write,
    ) -> impl Future<Output = Result<Written, Failure>> + Send;

    /// Reads one row by key.
    fn get(&self, call: Call, get: Get) -> impl Future<Output = Result<Found, Failure>> + Send;

    /// Reads rows in order, over all shards of a collection. An unknown
    /// collection is an empty one.
    fn scan(&self, call: Call, scan: Scan) -> impl Future<Output = Result<Page, Failure>> + Send;

    /// Makes sure the collection exists.
    fn create_collection(
        &self,
        call: Call,
        name: String,
    ) -> impl Future<Output = Result<Ran, Failure>> + Send;

    /// Drops the collection of that name; when this returns, no reader finds a row of it.
    fn drop_collection(
        &self,
        call: Call,
        name: String,
    ) -> impl Future<Output = Result<Ran, Failure>> + Send;

    /// The names of all collections, in byte order.
    fn list_collections(
        &self,
        call: Call,
    ) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;

    /// Takes note that every group here shall take a snapshot. Returns at once:
    /// cheap however often it is called.
    fn ask_snapshots(&self) -> Result<Noted, Failure>;

    /// What this node knows of the cluster, without asking anyone and without
    /// touching the disk.
    fn status(&self) -> Status;

    /// Whether this node should get requests from a proxy, check by check.
    fn readiness(&self) -> Vec<Check>;

    /// What this node measures of itself. Blocks: some of it is read from the disk.
    fn figures(&self) -> Figures;
}

/// What every call carries.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The request's id, if it came with one.
    pub request_id: Option<OutsideId>,
    /// How long the client waits for an answer.
    pub timeout: Duration,
}

/// A request id that was made outside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideId {
    /// By a client, as its `Idempotency-Key`.
    Client(RequestId),
    /// By the proxy, when it passed the request on. It may pass the same request
    /// to another node soon after, and never later than that.
    Proxy {
        /// The id.
        id: RequestId,
        /// When that was by the proxy's clock, milliseconds since 1970.
        sent_at_ms: u64,
    },
}

/// A change of one row.
#[derive(Clone, Debug)]
pub struct Write {
    /// The collection's name.
    pub collection: String,
    /// What to do.
    pub operation: Operation,
}

/// A read of one row.
#[derive(Clone, Debug)]
pub struct Get {
    /// The collection's name.
    pub collection: String,
    /// The user key.
    pub key: Bytes,
    /// How fresh the answer must be.
    pub consistency: Consistency,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// It sees every write that was acknowledged before it was asked.
    #[default]
    Linearizable,
    /// What this node has, however old.
    Stale,
}

/// A read of many rows, in order.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The collection's name.
    pub collection: String,
    /// Which rows, in which order.
    pub range: Range,
    /// Rows at most, in `1..=RANGE_ROWS_MAX`.
    pub limit: usize,
    /// Where the last page ended, as [`Page::cursor`] gave it.
    pub cursor: Option<String>,
    /// How fresh the answer must be.
    pub consistency: Consistency,
}

/// Which rows a scan reads, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// By value, then key; `start` included, `end` excluded.
    Values(Bounds),
    /// By key; `start` included, `end` excluded.
    Keys(Bounds),
    /// Rows that hold exactly this value, by key.
    Value(Bytes),
}

/// From where to where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The first that may be in it.
    pub start: Bytes,
    /// The first that is past it.
    pub end: Option<Bytes>,
    /// What all in it start with.
    pub prefix: Bytes,
}

/// A row as a read finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The user key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The row's version.
    pub version: u64,
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What the command came to.
    pub outcome: Outcome,
    /// It had run before; this is that answer again.
    pub replay: bool,
    /// Where it ran. `None`: nowhere, because the collection does not exist.
    pub route: Option<Route>,
}

/// The answer to a read of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The row, if there is one.
    pub row: Option<Row>,
    /// Where it was read. `None`: nowhere, because the collection does not exist.
    pub route: Option<Route>,
}

/// Rows in order, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Pass it back to read on; `None` after the last row.
    pub cursor: Option<String>,
}

/// The answer to a change of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// It had run before; this is that answer again.
    pub replay: bool,
}

/// Where a request was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The row's shard.
    pub shard: ShardId,
    /// The shard's group.
    pub group: GroupId,
    /// The name of the node that leads the group, as far as is known.
    pub leader: Option<String>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The node or group will not serve it now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request id was used for another request; the client chooses a fresh key.
    #[error("this idempotency key was used for another request; use a new key")]
    IdReused,
    /// The request id is too old to tell whether it ran before; the client reads
    /// what is there and decides.
    #[error("this request is older than its id is remembered; read the data and decide")]
    IdExpired,
    /// The request is too old, or the proxy's clock is off: whether it ran before
    /// could no longer be told. The operator synchronises the clocks.
    #[error(
        "by the proxy's clock this request is {age_ms} ms old; between -{lead} and {most} are \
         taken: synchronise the clocks of proxy and nodes",
        lead = PROXY_CLOCK_LEAD_MAX.as_millis(),
        most = PROXY_REQUEST_AGE_MAX.as_millis()
    )]
    Untimely {
        /// How long ago it left the proxy.
        age_ms: i64,
    },
    /// The catalogue is full; the operator drops collections.
    #[error("too many collections: the limit is {limit}; drop some")]
    TooManyCollections {
        /// The limit.
        limit: usize,
    },
    /// The cursor is not one this cluster made for this scan; the client starts over.
    #[error("the cursor does not belong to this scan; start without one")]
    BadCursor,
}

impl Failure {
    /// Whether the failed write may have taken effect.
    #[must_use]
    pub fn applied(&self) -> Applied {
        match self {
            Self::Refused(refusal) => refusal.applied(),
            Self::IdReused
            | Self::Untimely { .. }
            | Self::TooManyCollections { .. }
            | Self::BadCursor => Applied::No,
            // An earlier attempt under this id may have run.
            Self::IdExpired => Applied::Unknown,
        }
    }

    /// The failure's stable name in answers, logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::IdReused => "idempotency_key_reused",
            Self::IdExpired => "request_expired",
            Self::Untimely { .. } => "proxy_clock",
            Self::TooManyCollections { .. } => "too_many_collections",
            Self::BadCursor => "bad_cursor",
        }
    }
}

/// One readiness check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Why it fails, if it does.
    pub failure: Option<String>,
}
