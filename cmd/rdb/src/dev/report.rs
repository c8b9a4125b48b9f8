//! Report: what does one need to know of the running cluster? A table and a
//! command line for people, `dev.json` for programs.

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::dev::DevError;
use crate::dev::plan::Plan;

/// A running node, as far as its process and its own answers tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its process, or its last one.
    pub pid: u32,
    /// Its id; 0 as long as it has none.
    pub node_id: u64,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    cluster_id: &'a str,
    ca: String,
    client_cert: String,
    client_key: String,
    nodes: Vec<NodeReport<'a>>,
}

#[derive(Debug, Serialize)]
struct NodeReport<'a> {
    name: &'a str,
    node_id: u64,
    pid: u32,
    https: String,
    peer: String,
    data: String,
    command: &'a [String],
}

/// Writes `dev.json`, whole or not at all.
pub fn write(plan: &Plan, cluster_id: &str, facts: &[NodeFacts]) -> Result<(), DevError> {
    let file = |name| plan.certificates().join(name).display().to_string();
    let nodes = plan.nodes.iter().zip(facts).map(|(node, facts)| NodeReport {
        name: &node.name,
        node_id: facts.node_id,
        pid: facts.pid,
        https: node.url(),
        peer: node.peer(),
        data: node.data.display().to_string(),
        command: &node.command,
    });
    let report = Report {
        cluster_id,
        ca: plan.ca().display().to_string(),
        client_cert: file("client.crt"),
        client_key: file("client.key"),
        nodes: nodes.collect(),
    };
    let text = serde_json::to_vec_pretty(&report).expect("numbers and texts make JSON");
    Ok(disk::file::write_durably(&plan.report_file(), &text)?)
}

/// The table of nodes.
#[must_use]
pub fn table(plan: &Plan, facts: &[NodeFacts]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "NODE ID", "PID", "HTTPS", "PEER", "DATA"]);
    for (node, facts) in plan.nodes.iter().zip(facts) {
        table.add_row([
            node.name.clone(),
            facts.node_id.to_string(),
            facts.pid.to_string(),
            node.url(),
            node.peer(),
            node.data.display().to_string(),
        ]);
    }
    table.trim_fmt()
}

/// A command line that writes a value, ready to be pasted.
#[must_use]
pub fn curl(plan: &Plan) -> String {
    let url = plan.nodes.first().map(|node| format!("{}/command", node.url())).unwrap_or_default();
    let ca = quoted(&plan.ca().display().to_string());
    let body = r#"{"action":"put","payload":{"collection":"greetings","value":"hello"}}"#;
    format!("curl --cacert {ca} {url} -H 'Content-Type: application/json' -d '{body}'")
}

/// The text as one word of a shell command.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-=:@%+,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_blanks_and_quotes_are_one_word() {
        assert_eq!(quoted("/tmp/a-b/ca.crt"), "/tmp/a-b/ca.crt");
        assert_eq!(quoted("/my dir/it's"), r"'/my dir/it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
