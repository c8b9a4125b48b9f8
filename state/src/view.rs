//! View: one consistent look at a group's state.
//!
//! A view is one LMDB read transaction. Rows, shard ownership, fences and the
//! applied index all come from it, so what it answers was true at one instant.
//! An open view keeps freed pages from being reused and a snapshot install
//! waiting: take one, read, drop it.

use std::sync::Arc;

use heed::{RoTxn, WithoutTls};

use crate::tables::Tables;

/// One read transaction on one group's state.
pub struct View {
    // Fields drop in this order: the transaction must end before the guard
    // lets the environment close.
    pub(crate) txn: RoTxn<'static, WithoutTls>,
    pub(crate) tables: Tables,
    pub(crate) path: Arc<std::path::Path>,
}
