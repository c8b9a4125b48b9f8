//! Identity: who is this data directory?
//!
//! One small JSON file, `<data>/identity`, written by temporary file, rename
//! and directory sync before any environment exists.
//!
//! # Invariants
//!
//! * I1: an incarnation names one life of a data directory. It is made when the
//!   file is first written and never changes.
//! * I2: a node id is persisted before the node answers that it adopted it.
//! * I3: a directory that has started Raft and lost its log never starts again
//!   under that identity.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use api::{ClusterId, Incarnation, Member, NodeId};
use disk::Fault;
use disk::fault::OrFault;

const FORMAT: u32 = 1;
const FILE: &str = "identity";

/// Who a data directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Version of this file's form.
    pub format: u32,
    /// The node's name, as in its certificate.
    pub name: String,
    /// This life of the directory.
    pub incarnation: Incarnation,
    /// The cluster it belongs to, once it does.
    pub adopted: Option<Adopted>,
}

/// A node's place in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// This node's id in it.
    pub node_id: NodeId,
    /// Data groups the cluster was founded with.
    pub groups: u32,
    /// The founding members.
    pub members: Vec<Founder>,
    /// Raft has run here: a log must exist from now on.
    pub started: bool,
    /// The cluster is known to be founded: nobody may initialise it again.
    pub founded: bool,
}

/// One founding member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder {
    /// Its id.
    pub node_id: NodeId,
    /// Its name, address and incarnation.
    #[serde(flatten)]
    pub member: Member,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Files, but nothing that says whose; the operator names another directory.
    #[error(
        "data directory {} has files but no identity: it is not an rdb data directory; \
         name an empty one, or restore its `identity` file",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Another node's directory; the operator fixes the configuration.
    #[error(
        "data directory {} belongs to node {found}, but this node is configured as {configured}",
        path.display()
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who we are.
        configured: String,
    },
    /// The log is gone; the operator starts over with an empty directory.
    #[error(
        "data directory {} has lost its log (replication/): this node must not vote again \
         under id {node_id}; move the directory away and start with an empty one",
        path.display()
    )]
    LostLog {
        /// The directory.
        path: PathBuf,
        /// The id that must not be used again.
        node_id: NodeId,
    },
    /// The file cannot be read or written, or is damaged.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Identity {
    /// Reads the directory's identity, or gives an empty directory one.
    ///
    /// `new_incarnation` is only called for an empty directory.
    pub fn load_or_create(
        data: &Path,
        name: &str,
        new_incarnation: impl FnOnce() -> Incarnation,
    ) -> Result<Self, IdentityError> {
        let path = data.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::create(data, name, new_incarnation());
            }
            read => read.or_fault("read identity", &path)?,
        };
        let identity: Self = serde_json::from_str(&text)
            .map_err(|error| Fault::corrupt("read identity", &path, error.to_string()))?;
        if identity.format != FORMAT {
            let what = format!("format {} is not {FORMAT}", identity.format);
            return Err(Fault::corrupt("read identity", &path, what).into());
        }
        if identity.name != name {
            let (found, configured) = (identity.name, name.to_owned());
            return Err(IdentityError::OtherNode { path: data.to_owned(), found, configured });
        }
        identity.check_log(data)?;
        Ok(identity)
    }

    fn create(data: &Path, name: &str, incarnation: Incarnation) -> Result<Self, IdentityError> {
        let entries = fs::read_dir(data).or_fault("list data directory", data)?;
        for entry in entries {
            let entry = entry.or_fault("list data directory", data)?;
            // The lock is ours, `lost+found` the file system's, and the two folders
            // are what a compose file mounts: empty, they hold nothing of anyone.
            let name = entry.file_name();
            let known = ["lock", "lost+found", "identity.tmp"].iter().any(|known| name == *known);
            let empty_mount = ["replication", "state"].iter().any(|known| name == *known)
                && fs::read_dir(entry.path()).is_ok_and(|mut files| files.next().is_none());
            if !known && !empty_mount {
                return Err(IdentityError::Foreign { path: data.to_owned() });
            }
        }
        let identity = Self { format: FORMAT, name: name.to_owned(), incarnation, adopted: None };
        identity.store(data)?;
        Ok(identity)
    }

    /// Writes the identity durably.
    pub fn store(&self, data: &Path) -> Result<(), Fault> {
        let mut text = serde_json::to_vec_pretty(self).expect("an identity is plain data");
        text.push(b'\n');
        disk::file::write_durably(&data.join(FILE), &text)
    }

    fn check_log(&self, data: &Path) -> Result<(), IdentityError> {
        let log = data.join("replication").join(disk::environment::DATA_FILE);
        match &self.adopted {
            Some(adopted) if adopted.started && !log.exists() => {
                Err(IdentityError::LostLog { path: data.to_owned(), node_id: adopted.node_id })
            }
            _ => Ok(()),
        }
    }
}

impl Adopted {
    /// The founding members by id.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.members.iter().map(|founder| (founder.node_id, &founder.member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(data: &Path, name: &str) -> Result<Identity, IdentityError> {
        Identity::load_or_create(data, name, || Incarnation([3; 16]))
    }

    fn adopted(started: bool) -> Adopted {
        let member = Member { name: "n0".into(), ..Member::default() };
        Adopted {
            cluster_id: ClusterId([1; 16]),
            node_id: NodeId(1),
            groups: 2,
            members: vec![Founder { node_id: NodeId(1), member }],
            started,
            founded: false,
        }
    }

    #[test]
    fn an_empty_directory_gets_an_identity_and_keeps_it() {
        let data = tempfile::tempdir().unwrap();
        let created = load(data.path(), "n0").unwrap();
        let again = Identity::load_or_create(data.path(), "n0", || unreachable!()).unwrap();
        assert_eq!(created, again);
        assert_eq!(created.adopted, None);
    }

    #[test]
    fn an_adopted_identity_survives_the_file() {
        let data = tempfile::tempdir().unwrap();
        let mut identity = load(data.path(), "n0").unwrap();
        identity.adopted = Some(adopted(false));
        identity.store(data.path()).unwrap();
        assert_eq!(load(data.path(), "n0").unwrap(), identity);
    }

    #[test]
    fn a_directory_with_files_and_no_identity_is_refused() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("photos.zip"), b"x").unwrap();
        assert!(matches!(load(data.path(), "n0"), Err(IdentityError::Foreign { .. })));
    }

    #[test]
    fn empty_mounts_and_the_lock_do_not_make_a_directory_foreign() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("replication")).unwrap();
        fs::create_dir(data.path().join("state")).unwrap();
        fs::write(data.path().join("lock"), b"1").unwrap();
        load(data.path(), "n0").unwrap();
    }

    #[test]
    fn another_nodes_directory_is_refused() {
        let data = tempfile::tempdir().unwrap();
        load(data.path(), "n0").unwrap();
        assert!(matches!(load(data.path(), "n1"), Err(IdentityError::OtherNode { .. })));
    }

    #[test]
    fn a_started_directory_without_its_log_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut identity = load(data.path(), "n0").unwrap();
        identity.adopted = Some(adopted(true));
        identity.store(data.path()).unwrap();
        assert!(matches!(load(data.path(), "n0"), Err(IdentityError::LostLog { .. })));
    }

    #[test]
    fn a_damaged_identity_is_a_fault() {
        let data = tempfile::tempdir().unwrap();
        load(data.path(), "n0").unwrap();
        fs::write(data.path().join(FILE), b"{\"format\":1").unwrap();
        assert!(matches!(load(data.path(), "n0"), Err(IdentityError::Fault(_))));
    }
}
