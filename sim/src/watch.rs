//! Watch: what must hold at every tick, whatever breaks.
//!
//! * One node at most leads a group in a term.
//! * What is applied at an index is the same entry on every node and in every life.
//! * A node's applied index never goes back within a life.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{GroupId, NodeId};

use crate::node::SimNode;

/// What was seen so far.
#[derive(Default)]
pub struct Watch {
    leaders: BTreeMap<(GroupId, u64), NodeId>,
    applied: BTreeMap<(GroupId, u64), String>,
    reached: BTreeMap<(String, GroupId), u64>,
    violations: Vec<String>,
}

impl Watch {
    /// Looks at every node that runs.
    pub fn look(&mut self, nodes: &[Arc<SimNode>]) {
        for node in nodes {
            let Some(running) = node.running().and_then(|node| node.running().ok()) else {
                continue;
            };
            for group in running.groups.values() {
                let now = *group.leadership.borrow();
                if let Some(leader) = now.leader {
                    self.leads(group.gid, now.term, leader);
                }
                let last = group.applied.borrow().last;
                if let Some(last) = last {
                    self.applies(&node.name, group.gid, last.index, last.to_string());
                }
            }
        }
    }

    /// The node is down: its next life may begin behind where this one was.
    pub fn forget(&mut self, node: &str) {
        self.reached.retain(|(name, _), _| name != node);
    }

    /// What did not hold.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    fn leads(&mut self, group: GroupId, term: u64, leader: NodeId) {
        let before = *self.leaders.entry((group, term)).or_insert(leader);
        if before != leader {
            let what = format!("term {term} of group {group} is led by {before} and {leader}");
            self.violations.push(what);
        }
    }

    fn applies(&mut self, node: &str, group: GroupId, index: u64, id: String) {
        let reached = self.reached.entry((node.to_owned(), group)).or_default();
        if index < *reached {
            let what = format!("group {group} on {node} goes back from {reached} to {index}");
            self.violations.push(what);
        }
        if index == *reached {
            return;
        }
        *reached = index;
        let before = self.applied.entry((group, index)).or_insert_with(|| id.clone());
        if *before != id {
            let what = format!("group {group} applies {before} and {id} on {node}");
            self.violations.push(what);
        }
    }
}
