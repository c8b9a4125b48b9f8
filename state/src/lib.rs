//! State: what a group's log adds up to.

pub mod data;
mod dedup;
pub mod flush;
mod folder;
pub mod inspect;
mod key;
pub mod machine;
pub mod membership;
pub mod meta;
pub mod raft_machine;
pub mod read;
pub mod recovery;
mod row;
pub mod scan;
mod seal;
pub mod snapshot;
mod step;
pub mod store;
mod system;
pub mod tables;
mod time;
pub mod view;

pub use flush::{Flush, LmdbFlush};
pub use meta::{MetaState, MetaView};
pub use recovery::OpenError;
pub use snapshot::{BadSnapshot, SnapshotFile};
pub use store::{Applied, Driver, LogWatermark, OpenOptions, Store};
pub use view::View;
