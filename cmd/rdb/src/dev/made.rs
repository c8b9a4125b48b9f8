//! Made: what did an earlier `rdb dev` make in this directory?
//!
//! A marker file tells. Without it nothing is wiped and nothing is taken over:
//! the directory may be someone's real data.

use std::fs;
use std::io;
use std::path::Path;

use disk::fault::OrFault;
use serde::{Deserialize, Serialize};

use crate::dev::plan::{self, Plan};
use crate::dev::{DevError, process};
use crate::output;

/// The version of the marker's form.
pub const FORMAT: u32 = 1;

const MARKER: &str = "made-by-rdb-dev.json";

/// The options of the run that made the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The version of this form.
    pub format: u32,
    /// How many nodes.
    pub nodes: u16,
    /// Port of node 0 for clients.
    pub https_port: u16,
    /// Port of node 0 for the other nodes.
    pub peer_port: u16,
    /// Data groups.
    pub groups: u32,
    /// Settings for every node.
    pub set: Vec<String>,
}

impl Made {
    /// Reads the marker, if there is one.
    pub fn load(root: &Path) -> Result<Option<Self>, DevError> {
        let path = root.join(MARKER);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.or_fault("read marker", &path)?,
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(made) if made.format == FORMAT => Ok(Some(made)),
            Ok(made) => Err(DevError::Refused(format!(
                "{} has format {}, this release knows {FORMAT}",
                path.display(),
                made.format
            ))),
            Err(error) => {
                Err(DevError::Refused(format!("cannot read {}: {error}", path.display())))
            }
        }
    }

    /// Writes the marker.
    pub fn store(&self, root: &Path) -> Result<(), DevError> {
        let text = serde_json::to_vec_pretty(self).expect("numbers and texts make JSON");
        Ok(disk::file::write_durably(&root.join(MARKER), &text)?)
    }

    /// Removes the nodes' data, logs and configurations. Refused while one of
    /// the nodes runs. The certificates stay, so that command lines with their
    /// paths go on working; the marker stays, because they are ours.
    pub fn wipe(&self, root: &Path) -> Result<(), DevError> {
        let names: Vec<_> = (0..self.nodes).map(plan::node_name).collect();
        let running = names.iter().filter_map(|name| process::holder(&root.join(name)));
        refuse(running, root, "--fresh wipes only what no node uses")?;
        disk::file::remove_if_present(&plan::report_file(root))?;
        for (n, name) in names.iter().enumerate() {
            let data = root.join(name);
            match fs::remove_dir_all(&data) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.or_fault("wipe data directory", &data)?,
            }
            disk::file::remove_if_present(&root.join(format!("node-{n}.toml")))?;
            disk::file::remove_if_present(&root.join(format!("node-{n}.log")))?;
        }
        output::progress(format_args!("wiped the old cluster in {}", root.display()));
        Ok(())
    }
}

/// Refuses a directory without marker that holds what looks like nodes.
pub fn refuse_foreign(root: &Path) -> Result<(), DevError> {
    let entries = fs::read_dir(root).or_fault("list directory", root)?;
    for entry in entries {
        let name = entry.or_fault("list directory", root)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("rdb_replica_") || name.starts_with("node-") || name == "certs" {
            return Err(DevError::Refused(format!(
                "{} holds {name}, but not from `rdb dev` (no {MARKER}); name another --data-dir",
                root.display()
            )));
        }
    }
    Ok(())
}

/// Refuses if one of the plan's nodes runs.
pub fn refuse_running(plan: &Plan, reason: &str) -> Result<(), DevError> {
    refuse(plan.nodes.iter().filter_map(|node| process::holder(&node.data)), &plan.root, reason)
}

fn refuse(running: impl Iterator<Item = u32>, root: &Path, reason: &str) -> Result<(), DevError> {
    let pids: Vec<_> = running.map(|pid| pid.to_string()).collect();
    if pids.is_empty() {
        return Ok(());
    }
    Err(DevError::Refused(format!(
        "nodes in {} still run (pid {}): {reason}; stop them first",
        root.display(),
        pids.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Made {
        let (https_port, peer_port) = (8443, 7420);
        Made { format: FORMAT, nodes: 2, https_port, peer_port, groups: 2, set: Vec::new() }
    }

    #[test]
    fn wiping_leaves_what_dev_did_not_make() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        made().store(root).unwrap();
        assert_eq!(Made::load(root).unwrap(), Some(made()));
        for name in ["rdb_replica_0/state/1/data.mdb", "rdb_replica_7/x", "certs/ca.crt", "mine/x"]
        {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for name in ["node-0.toml", "node-0.log", "dev.json"] {
            fs::write(root.join(name), "").unwrap();
        }
        made().wipe(root).unwrap();
        let left = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["certs", MARKER, "mine", "rdb_replica_7"]);
    }

    #[test]
    fn data_that_dev_did_not_make_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes"), "").unwrap();
        refuse_foreign(dir.path()).unwrap();
        fs::create_dir(dir.path().join("rdb_replica_0")).unwrap();
        let refused = refuse_foreign(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("rdb_replica_0"), "{refused}");
    }

    #[test]
    fn a_directory_in_use_is_not_wiped() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("rdb_replica_1");
        fs::create_dir(&data).unwrap();
        let _held = disk::DirectoryLock::take(&data).unwrap();
        let refused = made().wipe(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(data.exists());
    }
}
