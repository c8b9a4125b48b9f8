//! Wait: what is missing before the cluster serves? Pure.

use api::limits::SHARDS;
use serde_json::json;

use crate::cli::Form;
use crate::sheet::visible;
use crate::status::Report;
use crate::status::report::Node;

/// What is missing; `None`: nothing. `nodes`: so many ready ones are enough;
/// without it all that are known, and an answer from every endpoint.
#[must_use]
pub fn missing(report: &Report, nodes: Option<u32>) -> Option<String> {
    // Reasons are the nodes' words.
    cluster(report)
        .or_else(|| groups(report))
        .or_else(|| members(report, nodes))
        .as_deref()
        .map(visible)
}

fn cluster(report: &Report) -> Option<String> {
    if !report.has_answers() {
        return Some(format!("no endpoint answers ({})", silent(report).unwrap_or_default()));
    }
    if report.cluster_id.is_empty() {
        return Some(because("there is no cluster yet", report));
    }
    None
}

/// What was waited for, now that it is there.
#[must_use]
pub fn render(report: &Report, waited_ms: u128, form: Form) -> String {
    let (ready, known) = (ready(report), report.nodes.len());
    let groups = report.groups.len();
    match form {
        Form::Table | Form::Plain => {
            format!("{ready} of {known} nodes are ready, {groups} groups have leaders\n")
        }
        Form::Json | Form::Ndjson => {
            let json =
                json!({"ready": ready, "nodes": known, "groups": groups, "waited_ms": waited_ms});
            format!("{json}\n")
        }
    }
}

fn groups(report: &Report) -> Option<String> {
    let shards: usize = report.groups.iter().map(|group| group.shards).sum();
    // While the cluster is being founded, its groups appear one by one.
    if shards < usize::from(SHARDS) {
        return Some(because(&format!("groups own {shards} of {SHARDS} shards yet"), report));
    }
    let leaderless: Vec<_> = report
        .groups
        .iter()
        .filter(|group| group.leader.is_none() || group.spare.is_none())
        .map(|group| group.gid.to_string())
        .collect();
    if leaderless.is_empty() {
        return None;
    }
    Some(format!("no leader with a majority in group {}", leaderless.join(", ")))
}

fn members(report: &Report, nodes: Option<u32>) -> Option<String> {
    let (ready, known) = (ready(report), report.nodes.len());
    let wanted = nodes.map_or(known, |nodes| usize::try_from(nodes).unwrap_or(usize::MAX));
    if ready < wanted {
        let text = format!("{ready} of {wanted} nodes are ready");
        let absent = report.nodes.iter().find(|node| !is_ready(node));
        return Some(match absent {
            Some(Node { name, reason: Some(reason), .. }) => format!("{text}; {name}: {reason}"),
            Some(Node { name, reachable: false, .. }) => format!("{text}; {name} is not reachable"),
            Some(Node { name, .. }) => format!("{text}; {name} is not"),
            None => text,
        });
    }
    // Whoever names an endpoint and not a number wants to use it afterwards.
    let silent = silent(report).filter(|_| nodes.is_none())?;
    Some(format!("no status from {silent}"))
}

fn ready(report: &Report) -> usize {
    report.nodes.iter().filter(|node| is_ready(node)).count()
}

/// What a node says of itself; of one that no endpoint leads to, what others see.
fn is_ready(node: &Node) -> bool {
    node.ready.unwrap_or(node.reachable)
}

fn silent(report: &Report) -> Option<String> {
    report.endpoints.iter().find_map(|endpoint| {
        endpoint.silence.as_ref().map(|silence| format!("{}: {silence}", endpoint.address))
    })
}

/// One reason is enough: they differ in little.
fn because(what: &str, report: &Report) -> String {
    match report.nodes.iter().find_map(|node| node.reason.as_ref()) {
        Some(reason) => format!("{what} ({reason})"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::report::{Endpoint, Group};

    fn node(name: &str, ready: Option<bool>, reachable: bool) -> Node {
        Node { name: name.to_owned(), ready, reachable, ..Node::default() }
    }

    fn whole() -> Report {
        let group = |gid, shards| Group {
            gid,
            shards,
            leader: Some("a".to_owned()),
            spare: Some(1),
            ..Group::default()
        };
        let node_named = |name| node(name, Some(true), true);
        let endpoint = Endpoint { node: Some("a".to_owned()), ..Endpoint::default() };
        Report {
            cluster_id: "c1".to_owned(),
            endpoints: vec![endpoint],
            nodes: ["a", "b", "c"].map(node_named).into(),
            groups: vec![group(0, 0), group(1, 512), group(2, 512)],
        }
    }

    fn silent_endpoint() -> Endpoint {
        let silence = Some("refused".to_owned());
        Endpoint { address: "https://b:1".to_owned(), silence, ..Endpoint::default() }
    }

    #[test]
    fn a_whole_cluster_lacks_nothing() {
        assert_eq!(missing(&whole(), None), None);
        assert_eq!(missing(&whole(), Some(3)), None);
        let text = "3 of 3 nodes are ready, 3 groups have leaders\n";
        assert_eq!(render(&whole(), 7, Form::Table), text);
        let json = "{\"groups\":3,\"nodes\":3,\"ready\":3,\"waited_ms\":7}\n";
        assert_eq!(render(&whole(), 7, Form::Json), json);
    }

    #[test]
    fn a_group_must_be_there_with_a_leader_and_a_majority() {
        let mut report = whole();
        report.groups[1].leader = None;
        report.groups[2].spare = None;
        let expected = "no leader with a majority in group 1, 2";
        assert_eq!(missing(&report, None).as_deref(), Some(expected));
        report.groups.truncate(2);
        let expected = "groups own 512 of 1024 shards yet";
        assert_eq!(missing(&report, Some(1)).as_deref(), Some(expected));
    }

    #[test]
    fn a_node_must_say_that_it_is_ready_or_be_reached_by_others() {
        let mut report = whole();
        report.nodes[2] = node("c", None, true);
        assert_eq!(missing(&report, None), None);
        report.nodes[2] = node("c", None, false);
        let expected = "2 of 3 nodes are ready; c is not reachable";
        assert_eq!(missing(&report, None).as_deref(), Some(expected));
        assert_eq!(missing(&report, Some(2)), None);
        report.nodes[2] = node("c", Some(false), true);
        report.nodes[2].reason = Some("catching up".to_owned());
        let expected = "2 of 3 nodes are ready; c: catching up";
        assert_eq!(missing(&report, None).as_deref(), Some(expected));
        let more = missing(&whole(), Some(5));
        assert_eq!(more.as_deref(), Some("3 of 5 nodes are ready"));
    }

    #[test]
    fn who_names_an_endpoint_waits_for_it_unless_nodes_are_counted() {
        let mut report = whole();
        report.endpoints.push(silent_endpoint());
        let expected = "no status from https://b:1: refused";
        assert_eq!(missing(&report, None).as_deref(), Some(expected));
        assert_eq!(missing(&report, Some(3)), None);
    }

    #[test]
    fn before_there_is_a_cluster_the_reason_is_told() {
        let report = Report { endpoints: vec![silent_endpoint()], ..Report::default() };
        let expected = "no endpoint answers (https://b:1: refused)";
        assert_eq!(missing(&report, None).as_deref(), Some(expected));
        let mut report = whole();
        report.cluster_id.clear();
        report.nodes[0].reason = Some("waiting for b".to_owned());
        let expected = "there is no cluster yet (waiting for b)";
        assert_eq!(missing(&report, None).as_deref(), Some(expected));
    }
}
