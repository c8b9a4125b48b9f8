//! Problem: what is wrong with the cluster, and what should be done?

use serde::Serialize;

use crate::size::short;
use crate::status::report::{Group, Node, Report};

/// Behind by more than this is more than the time between two answers explains.
pub const LAG_ENTRIES_MAX: u64 = 1_000;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// Everything that is wrong, the worst first.
#[must_use]
pub fn problems(report: &Report) -> Vec<Problem> {
    let mut found = Vec::new();
    cluster(report, &mut found);
    for group in &report.groups {
        leadership(group, report, &mut found);
    }
    nodes(report, &mut found);
    for group in &report.groups {
        lag(group, report, &mut found);
    }
    endpoints(report, &mut found);
    found
}

fn cluster(report: &Report, found: &mut Vec<Problem>) {
    if report.has_answers() && report.cluster_id.is_empty() {
        found.push(Problem::new(
            "no node that answered is part of a cluster yet",
            "a cluster is founded when all its nodes run and reach each other",
        ));
    }
    for endpoint in &report.endpoints {
        if !endpoint.cluster_id.is_empty() && endpoint.cluster_id != report.cluster_id {
            found.push(Problem::new(
                format!("{} is of another cluster: {}", endpoint.address, endpoint.cluster_id),
                "correct --endpoints; two clusters must not be used as one",
            ));
        }
    }
}

fn leadership(group: &Group, report: &Report, found: &mut Vec<Problem>) {
    let gid = group.gid;
    let of = group.replicas.len();
    let down = down(group, report);
    let up = of - down.len();
    let names = down.join(", ");
    match (&group.leader, group.spare) {
        (_, None) => found.push(Problem::new(
            format!("group {gid} has no majority: {up} of {of} replicas are reachable"),
            format!("start again: {names}"),
        )),
        (None, Some(_)) => found.push(Problem::new(
            format!("group {gid} has no leader, though {up} of {of} replicas are reachable"),
            "an election takes about a second: look again, then into the nodes' logs",
        )),
        (Some(_), Some(0)) if of > 1 => found.push(Problem::new(
            format!("group {gid} cannot lose one more of its {up} reachable replicas"),
            if names.is_empty() {
                "found clusters of three or five nodes".to_owned()
            } else {
                format!("start again: {names}")
            },
        )),
        (Some(_), Some(_)) => {}
    }
}

/// The nodes of a group's replicas that nobody reaches.
fn down<'r>(group: &'r Group, report: &Report) -> Vec<&'r str> {
    let names = group.replicas.iter().map(|replica| replica.node.as_str());
    let up = |name: &str| report.nodes.iter().any(|node| node.name == name && node.reachable);
    names.filter(|name| !up(name)).collect()
}

fn nodes(report: &Report, found: &mut Vec<Problem>) {
    for node in &report.nodes {
        let name = &node.name;
        if !node.reachable {
            found.push(Problem::new(
                format!("{name} is not reachable"),
                "is its process up? its log says more",
            ));
        } else if !node.unreachable_from.is_empty() {
            let from = node.unreachable_from.join(", ");
            found.push(Problem::new(
                format!("{name} is up, but not reachable from {from}"),
                "look at the network and the certificates between them",
            ));
        }
        if node.ready == Some(false) {
            let reason = node.reason.as_deref().unwrap_or("it does not say why");
            found.push(Problem::new(
                format!("{name} is not ready: {reason}"),
                "/readyz?verbose of that node lists its checks",
            ));
        }
        found.extend(no_room(node));
    }
}

fn no_room(node: &Node) -> Option<Problem> {
    let storage = node.storage.filter(|storage| storage.free_bytes < storage.reserve_bytes)?;
    let (free, reserve) = (short(storage.free_bytes), short(storage.reserve_bytes));
    Some(Problem::new(
        format!("{} has {free} of free disk, less than its reserve of {reserve}", node.name),
        "make room there; until then writes are refused, while reads and deletes go on",
    ))
}

fn lag(group: &Group, report: &Report, found: &mut Vec<Problem>) {
    let down = down(group, report);
    for replica in &group.replicas {
        match replica.lag {
            Some(lag) if lag > LAG_ENTRIES_MAX && !down.contains(&replica.node.as_str()) => {
                found.push(Problem::new(
                    format!("{} is {lag} entries behind in group {}", replica.node, group.gid),
                    "it catches up by itself; if that number grows, look at its disk",
                ));
            }
            _ => {}
        }
    }
}

fn endpoints(report: &Report, found: &mut Vec<Problem>) {
    for endpoint in &report.endpoints {
        if let Some(silence) = &endpoint.silence {
            found.push(Problem::new(
                format!("{} gives no status: {silence}", endpoint.address),
                "is a node there, and does --cacert name the authority of its certificate?",
            ));
        }
    }
}
