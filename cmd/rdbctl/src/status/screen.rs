//! Screen: the report and its problems, as text.
//!
//! For people one table of nodes, with a column per group for the replicas'
//! lag, and one of groups, within about 100 columns. Programs get everything.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::Form;
use crate::sheet::{Sheet, visible};
use crate::size::shown;
use crate::status::problem::Problem;
use crate::status::report::{Group, Node, Report};

/// Groups whose lag has a column of its own: more do not fit a screen.
const LAG_COLUMNS_MAX: usize = 4;

#[derive(Serialize)]
struct Everything<'a> {
    #[serde(flatten)]
    report: &'a Report,
    spare: Option<usize>,
    problems: &'a [Problem],
}

/// Shows the cluster.
#[must_use]
pub fn render(report: &Report, problems: &[Problem], form: Form) -> String {
    match form {
        Form::Table => screen(report, problems),
        Form::Plain => plain(report, problems),
        Form::Json | Form::Ndjson => {
            let everything = Everything { report, spare: report.spare(), problems };
            let json = match form {
                Form::Ndjson => serde_json::to_string(&everything),
                _ => serde_json::to_string_pretty(&everything),
            };
            json.expect("texts and numbers make JSON") + "\n"
        }
    }
}

fn screen(report: &Report, problems: &[Problem]) -> String {
    let mut text = format!("{}\n{}\n", cluster_line(report), health_line(report, problems));
    if !report.nodes.is_empty() {
        write!(text, "\n{}", node_sheet(report).table()).expect("writing to a string cannot fail");
    }
    if !report.groups.is_empty() {
        write!(text, "\n{}", group_sheet(report, Form::Table).table())
            .expect("writing to a string cannot fail");
    }
    for problem in problems {
        let (what, hint) = (visible(&problem.what), visible(&problem.hint));
        write!(text, "\nproblem: {what}\n   hint: {hint}\n")
            .expect("writing to a string cannot fail");
    }
    text
}

fn cluster_line(report: &Report) -> String {
    let id = match report.cluster_id.as_str() {
        "" => "(none)".to_owned(),
        id => visible(id),
    };
    let shards: usize = report.groups.iter().map(|group| group.shards).sum();
    let (nodes, groups) = (report.nodes.len(), report.groups.len());
    format!("cluster {id}: {nodes} nodes, {groups} groups, {shards} shards")
}

fn health_line(report: &Report, problems: &[Problem]) -> String {
    let health = match problems.len() {
        0 => "healthy".to_owned(),
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    let spare = match report.spare() {
        _ if report.groups.is_empty() => return health,
        None => "a group is without a majority".to_owned(),
        Some(0) => "tolerates no further loss".to_owned(),
        Some(1) => "tolerates the loss of 1 more node".to_owned(),
        Some(spare) => format!("tolerates the loss of {spare} more nodes"),
    };
    format!("{health}; {spare}")
}

fn node_sheet(report: &Report) -> Sheet {
    let lagging = || report.groups.iter().take(LAG_COLUMNS_MAX);
    let columns = ["NODE", "ID", "READY", "REACHABLE", "LOG", "FREE"].map(str::to_owned);
    let lags = lagging().map(|group| format!("LAG {}", group.gid));
    let mut sheet = Sheet::new(columns.into_iter().chain(lags));
    for node in &report.nodes {
        let cells = [
            node.name.clone(),
            or_dash((node.node_id > 0).then_some(node.node_id)),
            ready(node).to_owned(),
            reachable(node).to_owned(),
            log_size(node, Form::Table),
            free_size(node, Form::Table),
        ];
        sheet.add(cells.into_iter().chain(lagging().map(|group| lag(group, node))));
    }
    sheet
}

pub(super) fn ready(node: &Node) -> &'static str {
    match node.ready {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not asked",
    }
}

pub(super) fn reachable(node: &Node) -> &'static str {
    match (node.reachable, node.unreachable_from.is_empty()) {
        (false, _) => "no",
        (true, false) => "in part",
        (true, true) => "yes",
    }
}

/// Sizes are a node's own to know.
pub(super) fn log_size(node: &Node, form: Form) -> String {
    let log_bytes = node.storage.and_then(|storage| storage.log_bytes);
    or_dash(log_bytes.map(|bytes| shown(bytes, form)))
}

pub(super) fn free_size(node: &Node, form: Form) -> String {
    or_dash(node.storage.map(|storage| shown(storage.free_bytes, form)))
}

/// `-`: no replica there. `?`: nobody who answered can know.
fn lag(group: &Group, node: &Node) -> String {
    match group.replicas.iter().find(|replica| replica.node == node.name) {
        None => "-".to_owned(),
        Some(replica) => replica.lag.map_or("?".to_owned(), |lag| lag.to_string()),
    }
}

/// The cells are as `form` shows them.
pub(super) fn group_sheet(report: &Report, form: Form) -> Sheet {
    let positions = ["GROUP", "LEADER", "TERM", "COMMITTED", "APPLIED"];
    let extent = ["SHARDS", "REPLICAS", "SIZE", "SNAPSHOT"];
    let mut sheet = Sheet::new(positions.into_iter().chain(extent));
    for group in &report.groups {
        let gid = match group.gid {
            0 => "0 (meta)".to_owned(),
            gid => gid.to_string(),
        };
        let up = |name: &str| report.nodes.iter().any(|node| node.name == name && node.reachable);
        let reachable = group.replicas.iter().filter(|replica| up(&replica.node)).count();
        sheet.add([
            gid,
            or_dash(group.leader.clone()),
            group.term.to_string(),
            group.committed.to_string(),
            group.applied.to_string(),
            group.shards.to_string(),
            format!("{reachable} of {}", group.replicas.len()),
            state_size(group, form),
            snapshot(group),
        ]);
    }
    sheet
}

fn state_size(group: &Group, form: Form) -> String {
    or_dash(group.state_bytes.map(|bytes| shown(bytes, form)))
}

fn snapshot(group: &Group) -> String {
    or_dash(group.snapshot.as_ref().map(|snapshot| snapshot.index))
}

/// A line per thing; the first field says what it is.
fn plain(report: &Report, problems: &[Problem]) -> String {
    let mut lines = vec![
        vec!["cluster".to_owned(), report.cluster_id.clone()],
        vec!["spare".to_owned(), or_dash(report.spare())],
    ];
    for node in &report.nodes {
        lines.push(vec![
            "node".to_owned(),
            node.name.clone(),
            node.node_id.to_string(),
            ready(node).to_owned(),
            reachable(node).to_owned(),
            log_size(node, Form::Plain),
            free_size(node, Form::Plain),
        ]);
    }
    for group in &report.groups {
        lines.push(vec![
            "group".to_owned(),
            group.gid.to_string(),
            or_dash(group.leader.clone()),
            group.term.to_string(),
            group.committed.to_string(),
            group.applied.to_string(),
            group.shards.to_string(),
            state_size(group, Form::Plain),
            snapshot(group),
        ]);
        for replica in &group.replicas {
            lines.push(vec![
                "replica".to_owned(),
                group.gid.to_string(),
                replica.node.clone(),
                replica.state.to_string(),
                or_dash(replica.applied),
                or_dash(replica.lag),
            ]);
        }
    }
    for problem in problems {
        lines.push(vec!["problem".to_owned(), problem.what.clone(), problem.hint.clone()]);
    }
    let joined = |line: &Vec<String>| {
        let fields: Vec<_> = line.iter().map(|field| visible(field)).collect();
        fields.join("\t") + "\n"
    };
    lines.iter().map(joined).collect()
}

pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}
