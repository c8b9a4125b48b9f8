//! Identity: whose logs are these, and may this release open them?
//!
//! Table `system` answers before anything else is read. Its row `format` is
//! the one record without a header: every release, older or newer, must be
//! able to read it.

use std::path::{Path, PathBuf};

use api::{ClusterId, GroupId, Incarnation};
use bytes::{BufMut, Bytes};
use disk::Fault;

use crate::key::Key;
use crate::record;
use crate::store::{Change, Store, Table};

/// The format this release writes, and the only one it opens.
pub const FORMAT: u32 = 1;

const FORMAT_ROW: &str = "format";
const IDENTITY_ROW: &str = "identity";
const CLEAN_ROW: &str = "clean";

/// Whose logs: the cluster, and this life of the node's data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The life of the data directory.
    pub incarnation: Incarnation,
}

/// Why the logs were not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// They belong to another cluster or to another life of the directory. The
    /// operator names the right directory.
    #[error(
        "the log in {} belongs to cluster {} incarnation {}, not to cluster {} incarnation {}",
        path.display(), found.cluster, found.incarnation, expected.cluster, expected.incarnation
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose they are.
        found: Identity,
        /// Who asked.
        expected: Identity,
    },
    /// Another release wrote them. The operator runs that one, or upgrades.
    #[error("the log in {} has format {found}; this release opens format {FORMAT}", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// The storage is broken.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How the logs were left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Closed, or never used.
    Clean,
    /// In the middle of something: every record is checked.
    Unclean,
}

/// What table `system` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// The format of the environment.
    pub format: u32,
    /// Whose it is. `None` if the format is unknown, for then only the format can be read.
    pub identity: Option<Identity>,
    /// How it was left.
    pub left: Left,
}

/// Reads table `system`. `None` in an environment without it.
pub(crate) fn read(store: &dyn Store) -> Result<Option<System>, Fault> {
    let Some(format) = store.get(Table::System, &Key::system(FORMAT_ROW))? else {
        return Ok(None);
    };
    let format = <[u8; 4]>::try_from(format.as_ref()).map_err(|_| {
        let what = format!("the format row has {} bytes", format.len());
        Fault::corrupt("read log format", store.path(), what)
    })?;
    let format = u32::from_be_bytes(format);
    if format != FORMAT {
        return Ok(Some(System { format, identity: None, left: Left::Unclean }));
    }
    let identity = Some(read_identity(store)?);
    let clean = store.get(Table::System, &Key::system(CLEAN_ROW))?;
    let left = if clean.is_some() { Left::Clean } else { Left::Unclean };
    Ok(Some(System { format, identity, left }))
}

/// Checks that the environment is `identity`'s, or makes a new one so; takes
/// its clean mark away and returns whether there was one.
pub(crate) fn admit(store: &dyn Store, identity: Identity) -> Result<Left, OpenError> {
    let Some(system) = read(store)? else {
        found(store, identity)?;
        return Ok(Left::Clean);
    };
    let path = || -> PathBuf { Path::to_owned(store.path()) };
    match system.identity {
        None => Err(OpenError::Format { path: path(), found: system.format }),
        Some(found) if found != identity => {
            Err(OpenError::Foreign { path: path(), found, expected: identity })
        }
        Some(_) => {
            if system.left == Left::Clean {
                let clean = Key::system(CLEAN_ROW);
                store.apply(&[Change::Delete { table: Table::System, from: clean, to: clean }])?;
            }
            Ok(system.left)
        }
    }
}

/// The row a clean close leaves behind.
pub(crate) fn clean_mark() -> Change {
    let key = Key::system(CLEAN_ROW);
    Change::Put { table: Table::System, key, record: record::seal(&key, 0, |_empty| {}) }
}

fn read_identity(store: &dyn Store) -> Result<Identity, Fault> {
    let key = Key::system(IDENTITY_ROW);
    let bad = |what: String| Fault::corrupt("read log identity", store.path(), what);
    let record = store.get(Table::System, &key)?.ok_or_else(|| bad("it is missing".into()))?;
    let body = record::unseal(key.as_slice(), &record).map_err(|error| bad(error.to_string()))?;
    let length = || bad(format!("it has {} bytes", body.len()));
    let (cluster, incarnation) = body.split_at_checked(16).ok_or_else(length)?;
    Ok(Identity {
        cluster: ClusterId::try_from(cluster).map_err(|_| length())?,
        incarnation: Incarnation::try_from(incarnation).map_err(|_| length())?,
    })
}

fn found(store: &dyn Store, identity: Identity) -> Result<(), Fault> {
    let first = Key::entry(GroupId(0), 0);
    let last = Key::entry(GroupId(u32::MAX), u64::MAX);
    if store.last(Table::Log, &first, &last)?.is_some() {
        let what = "there are entries but no format";
        return Err(Fault::corrupt("read log format", store.path(), what));
    }
    let key = Key::system(IDENTITY_ROW);
    let record = record::seal(&key, 32, |body| {
        body.put_slice(&identity.cluster.0);
        body.put_slice(&identity.incarnation.0);
    });
    let format = Bytes::copy_from_slice(&FORMAT.to_be_bytes());
    let put = |key, record| Change::Put { table: Table::System, key, record };
    store.apply(&[put(Key::system(FORMAT_ROW), format), put(key, record)])
}
