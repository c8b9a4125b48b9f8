//! Plan: which node has which name, port, file and directory?

use std::path::{Path, PathBuf};

use crate::dev::made::{self, Made};
use crate::dev::{DevArgs, DevError};

const NODES_DEFAULT: u16 = 5;
const HTTPS_PORT_DEFAULT: u16 = 8443;
const PEER_PORT_DEFAULT: u16 = 7420;
const GROUPS_DEFAULT: u32 = 2;

// From here on the system hands out ports to outgoing connections, so that a
// node might find its own taken after a restart.
const PORTS_END: u16 = 32_768;

/// A cluster on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where everything is kept. Absolute.
    pub root: PathBuf,
    /// The nodes, node N at index N.
    pub nodes: Vec<NodePlan>,
    /// Data groups of the new cluster.
    pub groups: u32,
    /// Settings for every node, as `group.key=value`.
    pub set: Vec<String>,
    /// Port of node 0 for clients.
    pub https_port: u16,
    /// Port of node 0 for the other nodes.
    pub peer_port: u16,
}

/// One node of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub https_port: u16,
    /// Where the other nodes reach it.
    pub peer_port: u16,
    /// Its configuration.
    pub config: PathBuf,
    /// Its data directory.
    pub data: PathBuf,
    /// Where its stdout and stderr go.
    pub log: PathBuf,
    /// What starts it.
    pub command: Vec<String>,
}

impl Plan {
    /// Fills what the arguments leave open from what an earlier run made, then
    /// from the defaults.
    pub fn resolve(root: PathBuf, args: &DevArgs, made: Option<&Made>) -> Result<Self, DevError> {
        if let Some(made) = made {
            refuse_other(&root, "nodes", args.nodes.map(Into::into), made.nodes.into())?;
            refuse_other(
                &root,
                "peer-port",
                args.peer_port.map(Into::into),
                made.peer_port.into(),
            )?;
            refuse_other(&root, "groups", args.groups, made.groups)?;
        }
        let or_made = |given: Option<u16>, of_made: fn(&Made) -> u16, default| {
            given.or(made.map(of_made)).unwrap_or(default)
        };
        let count = or_made(args.nodes, |made| made.nodes, NODES_DEFAULT);
        let https_port = or_made(args.https_port, |made| made.https_port, HTTPS_PORT_DEFAULT);
        let peer_port = or_made(args.peer_port, |made| made.peer_port, PEER_PORT_DEFAULT);
        let groups = args.groups.or(made.map(|made| made.groups)).unwrap_or(GROUPS_DEFAULT);
        let set = match made {
            Some(made) if args.set.is_empty() => made.set.clone(),
            _ => args.set.clone(),
        };
        check_ports(https_port, peer_port, count)?;
        let program = program(args)?;
        let nodes = (0..count)
            .map(|n| {
                let name = node_name(n);
                let config = root.join(format!("node-{n}.toml"));
                NodePlan {
                    https_port: https_port + n,
                    peer_port: peer_port + n,
                    data: root.join(&name),
                    log: root.join(format!("node-{n}.log")),
                    command: vec![
                        program.clone(),
                        "node".to_owned(),
                        "--config".to_owned(),
                        config.display().to_string(),
                    ],
                    config,
                    name,
                }
            })
            .collect();
        Ok(Self { root, nodes, groups, set, https_port, peer_port })
    }

    /// What a later run has to know.
    #[must_use]
    pub fn made(&self) -> Made {
        Made {
            format: made::FORMAT,
            nodes: u16::try_from(self.nodes.len()).unwrap_or(u16::MAX),
            https_port: self.https_port,
            peer_port: self.peer_port,
            groups: self.groups,
            set: self.set.clone(),
        }
    }

    /// Where the certificates are.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.certificates().join("ca.crt")
    }

    /// The file that tells programs about the running cluster.
    #[must_use]
    pub fn report_file(&self) -> PathBuf {
        report_file(&self.root)
    }
}

impl NodePlan {
    /// Where clients reach it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.https_port)
    }

    /// Where the other nodes reach it.
    #[must_use]
    pub fn peer(&self) -> String {
        format!("localhost:{}", self.peer_port)
    }
}

/// The name of node N.
#[must_use]
pub fn node_name(n: u16) -> String {
    format!("rdb_replica_{n}")
}

/// The file that tells programs about the cluster in `root`.
#[must_use]
pub fn report_file(root: &Path) -> PathBuf {
    root.join("dev.json")
}

fn refuse_other(root: &Path, option: &str, given: Option<u32>, made: u32) -> Result<(), DevError> {
    match given {
        Some(given) if given != made => Err(DevError::Usage(format!(
            "the cluster in {} was made with --{option} {made}, which cannot change; \
             leave --{option} out, start over with --fresh, or name another --data-dir",
            root.display()
        ))),
        _ => Ok(()),
    }
}

fn check_ports(https: u16, peer: u16, count: u16) -> Result<(), DevError> {
    for (option, first) in [("https-port", https), ("peer-port", peer)] {
        if first == 0 || first.checked_add(count).is_none_or(|end| end > PORTS_END) {
            return Err(DevError::Usage(format!(
                "--{option} {first}: ports {first} and up must stay in 1 to {}",
                PORTS_END - 1
            )));
        }
    }
    if https.abs_diff(peer) < count {
        return Err(DevError::Usage(format!(
            "--https-port {https} and --peer-port {peer} overlap: each needs {count} ports"
        )));
    }
    Ok(())
}

fn program(args: &DevArgs) -> Result<String, DevError> {
    let path = match &args.program {
        Some(path) => std::path::absolute(path),
        None => std::env::current_exe(),
    };
    let path = path.map_err(|error| DevError::System { operation: "find the program", error })?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn args() -> DevArgs {
        DevArgs {
            data_dir: "d".into(),
            nodes: None,
            https_port: None,
            peer_port: None,
            groups: None,
            set: Vec::new(),
            fresh: false,
            timeout: Duration::ZERO,
            program: Some("/bin/rdb".into()),
        }
    }

    #[test]
    fn nodes_are_numbered_from_0_on_neighbouring_ports() {
        let plan = Plan::resolve("/dev".into(), &args(), None).unwrap();
        assert_eq!((plan.nodes.len(), plan.groups), (5, 2));
        let node = &plan.nodes[4];
        assert_eq!(node.name, "rdb_replica_4");
        assert_eq!((node.https_port, node.peer_port), (8447, 7424));
        assert_eq!(node.data, Path::new("/dev/rdb_replica_4"));
        assert_eq!(node.command, ["/bin/rdb", "node", "--config", "/dev/node-4.toml"]);
    }

    #[test]
    fn a_later_run_takes_over_what_is_not_given() {
        let first = DevArgs { https_port: Some(9000), set: vec!["a.b=c".into()], ..args() };
        let first = Plan::resolve("/dev".into(), &first, None).unwrap();
        let again = Plan::resolve("/dev".into(), &args(), Some(&first.made())).unwrap();
        assert_eq!(again, first);

        let other = DevArgs { groups: Some(3), ..args() };
        let refused = Plan::resolve("/dev".into(), &other, Some(&first.made())).unwrap_err();
        assert!(refused.to_string().contains("was made with --groups 2"), "{refused}");
    }

    #[test]
    fn ports_neither_overlap_nor_leave_the_safe_range() {
        for (https, peer) in [(8443, 8446), (8443, 8439), (32_764, 7420), (0, 7420)] {
            let args = DevArgs { https_port: Some(https), peer_port: Some(peer), ..args() };
            assert!(Plan::resolve("/dev".into(), &args, None).is_err(), "{https} {peer}");
        }
        let args = DevArgs { https_port: Some(32_763), peer_port: Some(32_758), ..args() };
        Plan::resolve("/dev".into(), &args, None).unwrap();
    }
}
