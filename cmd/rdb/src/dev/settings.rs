//! Settings: the configuration of each node, as a file that can be read and changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use disk::fault::OrFault;

use crate::config::setting::{self, Setting};
use crate::config::value::Value;
use crate::config::{self, Merged, Sources};
use crate::dev::DevError;
use crate::dev::plan::{NodePlan, Plan};

const HEAD: &str = "# Made by `rdb dev`, which keeps it until its own options change.\n";

// `rdb dev` decides these; everything else may be set.
const DECIDED: [&str; 4] = ["node", "https", "peer", "cluster"];

/// Refuses settings that no node would start with.
pub fn check(plan: &Plan) -> Result<(), DevError> {
    for node in &plan.nodes {
        let file = Some((node.config.clone(), file(plan, node)?));
        let merged = Merged::from_sources(&Sources { file, ..Sources::default() })?;
        config::check::config(&merged)?;
    }
    Ok(())
}

/// Writes the nodes' configurations: all of them if the options changed, else
/// those that are missing. Makes the data directories.
pub fn write(plan: &Plan, changed: bool) -> Result<(), DevError> {
    for node in &plan.nodes {
        if changed || !node.config.exists() {
            disk::file::write_durably(&node.config, file(plan, node)?.as_bytes())?;
        }
        fs::create_dir_all(&node.data).or_fault("make directory", &node.data)?;
    }
    Ok(())
}

fn file(plan: &Plan, node: &NodePlan) -> Result<String, DevError> {
    let values = values(plan, node)?;
    let mut text = HEAD.to_owned();
    let mut group = "";
    for setting in setting::ALL {
        let Some(value) = values.get(&setting.name()) else { continue };
        if setting.group != group {
            group = setting.group;
            text.push_str(&format!("\n[{group}]\n"));
        }
        text.push_str(&format!("{} = {value}\n", setting.key));
    }
    Ok(text)
}

fn values(plan: &Plan, node: &NodePlan) -> Result<BTreeMap<String, Value>, DevError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = u64::try_from(cores / plan.nodes.len()).unwrap_or(1).max(1);
    let certificate = |ending| {
        let path: PathBuf = plan.certificates().join(format!("{}.{ending}", node.name));
        Value::Path(path)
    };
    let listen = |port| Value::Address((std::net::Ipv4Addr::LOCALHOST, port).into());
    let seeds = plan.nodes.iter().map(|seed| format!("{}=localhost:{}", seed.name, seed.peer_port));
    let mut values: BTreeMap<String, Value> = [
        (setting::NODE_NAME, Value::Text(node.name.clone())),
        (setting::NODE_DATA_DIR, Value::Path(node.data.clone())),
        (setting::HTTPS_LISTEN, listen(node.https_port)),
        (setting::HTTPS_CERT, certificate("crt")),
        (setting::HTTPS_KEY, certificate("key")),
        (setting::HTTPS_CLIENT_CA, Value::Path(plan.ca())),
        (setting::PEER_LISTEN, listen(node.peer_port)),
        (setting::PEER_CA, Value::Path(plan.ca())),
        (setting::PEER_CERT, certificate("crt")),
        (setting::PEER_KEY, certificate("key")),
        (setting::PEER_SEEDS, Value::List(seeds.collect())),
        (setting::CLUSTER_GROUPS, Value::Count(plan.groups.into())),
        (setting::RUNTIME_WORKERS, Value::Count(workers)),
    ]
    .map(|(setting, value)| (setting.name(), value))
    .into();
    for given in &plan.set {
        let (setting, value) = parse(given).map_err(DevError::Usage)?;
        values.insert(setting.name(), value);
    }
    Ok(values)
}

/// Reads one `--set`.
fn parse(given: &str) -> Result<(&'static Setting, Value), String> {
    let named = given.split_once('=').and_then(|(name, text)| Some((name.split_once('.')?, text)));
    let ((group, key), text) =
        named.ok_or_else(|| format!("--set {given}: GROUP.KEY=VALUE is expected"))?;
    if DECIDED.contains(&group) {
        return Err(format!("--set {given}: `rdb dev` decides [{group}] itself"));
    }
    let setting = Setting::find(group, key).ok_or_else(|| {
        format!("--set {given}: there is no such setting; `rdb config example` shows all")
    })?;
    let value = Value::from_text(setting.kind, text);
    value.map(|value| (setting, value)).map_err(|reason| format!("--set {given}: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dev::DevArgs;

    fn plan(set: &[&str]) -> Plan {
        let args = DevArgs {
            data_dir: "d".into(),
            nodes: None,
            https_port: None,
            peer_port: None,
            groups: Some(3),
            set: set.iter().map(|&text| text.to_owned()).collect(),
            fresh: false,
            timeout: Duration::ZERO,
            program: Some("/bin/rdb".into()),
        };
        Plan::resolve("/the \"dev\" dir".into(), &args, None).unwrap()
    }

    #[test]
    fn every_node_gets_a_valid_configuration() {
        let plan = plan(&["raft.heartbeat=50ms", "runtime.workers=2"]);
        check(&plan).unwrap();
        let node = &plan.nodes[1];
        let file = Some((node.config.clone(), file(&plan, node).unwrap()));
        let merged = Merged::from_sources(&Sources { file, ..Sources::default() }).unwrap();
        let (config, warnings) = config::check::config(&merged).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.node.data_dir, node.data);
        assert_eq!(config.peer.advertise, "localhost:7421");
        assert_eq!(config.peer.seeds.len(), 5);
        assert_eq!(config.cluster.groups, 3);
        assert_eq!(config.raft.heartbeat, Duration::from_millis(50));
        assert_eq!(config.runtime.workers, 2);
    }

    #[test]
    fn wrong_settings_are_refused_before_anything_starts() {
        for (set, reason) in [
            ("raft.heartbeat", "GROUP.KEY=VALUE"),
            ("raft.hartbeat=1s", "no such setting"),
            ("raft.heartbeat=fast", "not a duration"),
            ("raft.heartbeat=1s", "three heartbeats"),
            ("node.name=x", "decides [node]"),
        ] {
            let refused = check(&plan(&[set])).unwrap_err().to_string();
            assert!(refused.contains(reason), "{set}: {refused}");
        }
    }
}
