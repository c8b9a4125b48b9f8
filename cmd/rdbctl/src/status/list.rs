//! List: the nodes, or the groups, of a report.

use serde::Serialize;
use serde_json::Value;

use crate::cli::Form;
use crate::sheet::Sheet;
use crate::status::report::{Node, Report};
use crate::status::screen::{free_size, group_sheet, log_size, or_dash, reachable, ready};

/// A node, with what its replicas do.
#[derive(Serialize)]
struct Member<'r> {
    #[serde(flatten)]
    node: &'r Node,
    /// The groups it leads.
    leads: Vec<u32>,
    /// How far its worst replica is behind; `None` if nobody who answered knows.
    lag: Option<u64>,
}

impl<'r> Member<'r> {
    fn of(node: &'r Node, report: &Report) -> Self {
        let leads = |leader: &Option<String>| leader.as_deref() == Some(node.name.as_str());
        let led = report.groups.iter().filter(|group| leads(&group.leader));
        let replicas = report.groups.iter().flat_map(|group| &group.replicas);
        let own = replicas.filter(|replica| replica.node == node.name);
        let lag = own.filter_map(|replica| replica.lag).max();
        Self { node, leads: led.map(|group| group.gid).collect(), lag }
    }
}

/// The nodes, by name.
#[must_use]
pub fn nodes(report: &Report, form: Form) -> String {
    let members: Vec<_> = report.nodes.iter().map(|node| Member::of(node, report)).collect();
    let state = ["NODE", "ID", "READY", "REACHABLE", "LEADS", "LAG"];
    let mut sheet = Sheet::new(state.into_iter().chain(["LOG", "FREE", "WHY NOT"]));
    for Member { node, leads, lag } in &members {
        let leads: Vec<_> = leads.iter().map(ToString::to_string).collect();
        sheet.add([
            node.name.clone(),
            or_dash((node.node_id > 0).then_some(node.node_id)),
            ready(node).to_owned(),
            reachable(node).to_owned(),
            or_dash((!leads.is_empty()).then(|| leads.join(","))),
            lag.map_or("?".to_owned(), |lag| lag.to_string()),
            log_size(node, form),
            free_size(node, form),
            node.reason.clone().unwrap_or_default(),
        ]);
    }
    sheet.render(form, || members.iter().map(object).collect())
}

/// The groups, by id.
#[must_use]
pub fn groups(report: &Report, form: Form) -> String {
    group_sheet(report, form).render(form, || report.groups.iter().map(object).collect())
}

fn object(it: &impl Serialize) -> Value {
    serde_json::to_value(it).expect("texts and numbers make JSON")
}
