//! Stand: five nodes on their ground, and what they say of themselves.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::status::Status;
use futures::future::join_all;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use tests::authority::{Authority, Leaf};
use tests::node::Described;
use tests::{Node, binary};
use tokio::time::sleep;

use crate::ground::{self, Ground};
use crate::member::Member;
use crate::plan::{NODES, Plan, Settings};
use crate::stage::Stage;

const HTTPS_PORT: u16 = 8443;
const PEER_PORT: u16 = 7402;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long finding a leader may take, under load and after a fault.
const LEADER_MAX: Duration = Duration::from_secs(20);

/// The cluster of a run. Dropped, it leaves no process behind, nor its ground.
#[derive(Debug)]
pub struct Stand {
    /// What clients share and everybody notes.
    pub stage: Arc<Stage>,
    /// The nodes. Before the ground, which goes last.
    pub members: Vec<Member>,
    /// What they stand on.
    pub ground: Ground,
    groups: u32,
}

impl Stand {
    /// Makes the ground and the certificates below `root`, and starts every node.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn start(plan: &Plan, root: &Path) -> Result<Self, String> {
        let ground = Ground::make(root)?;
        let authority = Authority::found(root, "ca");
        let names: Vec<_> = (0..NODES).map(|n| format!("rdb_replica_{n}")).collect();
        let base = |n| format!("https://{}:{HTTPS_PORT}", ground.address(n));
        let nodes = names.iter().enumerate().map(|(n, name)| (name.clone(), base(n))).collect();
        let stage = Arc::new(Stage::new(nodes, authority.ca.clone(), plan.load.clone()));
        let seeds: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(n, name)| format!("{name}={}:{PEER_PORT}", ground.address(n)))
            .collect();
        let seeds = seeds.join(",");
        let mut members = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let address = ground.address(n).to_string();
            let _files =
                authority.issue(name, &Leaf { address: Some(&address), ..Leaf::node(name) });
            let described = Described {
                name: name.clone(),
                node_id: 0,
                pid: 0,
                https: base(n),
                peer: format!("{address}:{PEER_PORT}"),
                data: ground::disk(root, n).join("data"),
                command: command(root, (n, name), &address, &seeds, &plan.settings),
            };
            let log = root.join(format!("{name}.log"));
            let node = Node::new(n, &described, &authority.ca, log);
            members.push(Member::new(n, node, root, Arc::clone(&stage)));
        }
        let stand = Self { stage, members, ground, groups: plan.settings.groups };
        stand.mend();
        Ok(stand)
    }

    /// Starts every node that does not run.
    pub fn mend(&self) {
        self.members.iter().for_each(|member| member.start(&self.ground));
    }

    /// A node.
    ///
    /// # Panics
    ///
    /// If there is none of that number.
    #[must_use]
    pub fn member(&self, n: usize) -> &Member {
        self.members.get(n).expect("a node of five")
    }

    /// What each node says of the cluster, if it says anything.
    pub async fn statuses(&self) -> Vec<Option<Status>> {
        let asked = self.members.iter().map(|member| member.node.status());
        join_all(asked).await.into_iter().map(Result::ok).collect()
    }

    /// The data groups.
    pub fn data_groups(&self) -> impl Iterator<Item = u32> {
        1..=self.groups
    }

    /// The node that leads a group, as most nodes say.
    ///
    /// # Errors
    ///
    /// If they do not come to agree.
    pub async fn leader(&self, gid: u32) -> Result<usize, String> {
        let start = Instant::now();
        loop {
            let statuses = self.statuses().await;
            let named = |member: &&Member| {
                let name = Some(member.node.name.as_str());
                let says = |status: &&Status| status.leader(gid) == name;
                statuses.iter().flatten().filter(says).count() > NODES / 2
            };
            if let Some(leader) = self.members.iter().find(named) {
                return Ok(leader.n);
            }
            if start.elapsed() > LEADER_MAX {
                return Err(format!("no agreement on the leader of group {gid}"));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// All nodes but these, in an order of chance.
    #[must_use]
    pub fn others(&self, dice: &mut SmallRng, than: &[usize]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..NODES).filter(|n| !than.contains(n)).collect();
        order.shuffle(dice);
        order
    }

    /// Waits until every node is ready, all agree on a leader of every group, and
    /// everybody has applied everything.
    ///
    /// # Errors
    ///
    /// If that takes longer than `limit`; with what is missing.
    pub async fn wait_whole(&self, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        loop {
            let statuses = self.statuses().await;
            match self.is_whole(&statuses) {
                Ok(()) => return Ok(start.elapsed()),
                Err(why) if start.elapsed() > limit => return Err(why),
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// The same, but whoever is behind need not have caught up: clients still write.
    ///
    /// # Errors
    ///
    /// If that takes longer than `limit`; with what is missing.
    pub async fn wait_serving(&self, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        loop {
            let statuses = self.statuses().await;
            match self.is_serving(&statuses) {
                Ok(()) => return Ok(start.elapsed()),
                Err(why) if start.elapsed() > limit => return Err(why),
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    fn is_serving(&self, statuses: &[Option<Status>]) -> Result<(), String> {
        for (member, status) in self.members.iter().zip(statuses) {
            let name = &member.node.name;
            let Some(status) = status else { return Err(format!("{name} does not answer")) };
            if !status.ready {
                return Err(format!("{name} is not ready: {:?}", status.reason));
            }
            for gid in 0..=self.groups {
                let says = |other: &Option<Status>| {
                    other.as_ref().and_then(|other| other.leader(gid).map(str::to_owned))
                };
                let leader = says(&Some(status.clone()));
                if leader.is_none() || statuses.iter().any(|other| says(other) != leader) {
                    let told: Vec<_> = statuses.iter().map(says).collect();
                    return Err(format!("group {gid}: leaders are {told:?}"));
                }
            }
        }
        Ok(())
    }

    fn is_whole(&self, statuses: &[Option<Status>]) -> Result<(), String> {
        self.is_serving(statuses)?;
        for gid in 0..=self.groups {
            let at: Vec<_> = statuses
                .iter()
                .flatten()
                .filter_map(|status| status.group(gid))
                .map(|group| (group.committed, group.applied))
                .collect();
            let first = at.first().map(|(committed, _)| *committed);
            let equal = |(c, a): &(u64, u64)| Some(*c) == first && Some(*a) == first;
            if at.len() != NODES || !at.iter().all(equal) {
                return Err(format!("group {gid}: committed and applied are {at:?}"));
            }
        }
        Ok(())
    }
}

fn command(
    root: &Path,
    (n, name): (usize, &str),
    address: &str,
    seeds: &str,
    settings: &Settings,
) -> Vec<String> {
    let data = ground::disk(root, n).join("data");
    // The directory must be there: its file system is ours to make.
    fs::create_dir_all(&data).expect("the node's file system is writable");
    let file = |ending| root.join(format!("{name}.{ending}")).display().to_string();
    let ca = root.join("ca.crt").display().to_string();
    let set = [
        ("node-name", name.to_owned()),
        ("node-data-dir", data.display().to_string()),
        ("https-listen", format!("{address}:{HTTPS_PORT}")),
        ("https-cert", file("crt")),
        ("https-key", file("key")),
        ("limits-connections-max", "512".to_owned()),
        ("peer-listen", format!("{address}:{PEER_PORT}")),
        ("peer-ca", ca),
        ("peer-cert", file("crt")),
        ("peer-key", file("key")),
        ("peer-seeds", seeds.to_owned()),
        ("cluster-groups", settings.groups.to_string()),
        ("storage-map-size", "4GiB".to_owned()),
        ("storage-snapshot-log-bytes", format!("{}B", settings.snapshot_log_bytes)),
        ("storage-log-keep-entries", settings.log_keep_entries.to_string()),
        ("storage-disk-reserve", "64MiB".to_owned()),
        ("storage-disk-floor", "16MiB".to_owned()),
        ("runtime-workers", "2".to_owned()),
    ];
    let mut command = vec![binary::path().display().to_string(), "node".to_owned()];
    for (flag, value) in set {
        command.extend([format!("--{flag}"), value]);
    }
    command
}
