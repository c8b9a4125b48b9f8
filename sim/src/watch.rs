//! Watch: what must hold at every tick, whatever breaks.
//!
//! * A node follows one leader after the other in the order of term and node id: openraft
//!   allows several leaders in a term, the one with the greatest id last.
//! * What is committed at an index, and what is applied there, is the same entry on
//!   every node and in every life.
//! * Within a node's life, neither its committed index nor its applied one goes back.
//! * Nothing is applied that is not committed.
//! * No group stops but with its node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{GroupId, NodeId};
use raft::group::Group;

use crate::node::SimNode;
use crate::trace::Trace;

/// What was seen so far.
#[derive(Default)]
pub struct Watch {
    entries: BTreeMap<(GroupId, u64), String>,
    /// Of the nodes that are up, by name.
    replicas: BTreeMap<(String, GroupId), Replica>,
    violations: Vec<String>,
}

/// Where one replica was when it was last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Replica {
    term: u64,
    leader: Option<NodeId>,
    /// The last leader, lost from sight or not, and its term.
    reign: (u64, NodeId),
    committed: u64,
    applied: u64,
}

impl Watch {
    /// Looks at every node that runs.
    pub fn look(&mut self, at: Duration, nodes: &[Arc<SimNode>], trace: &Trace) {
        for node in nodes {
            let Some(running) = node.running().and_then(|node| node.running().ok()) else {
                continue;
            };
            for group in running.groups.values() {
                let key = (node.name.clone(), group.gid);
                let before = self.replicas.get(&key).cloned().unwrap_or_default();
                let now = self.replica(node, group, &before);
                if now != before {
                    trace.add_event(at, &node.name, format_args!("{} {now:?}", group.gid));
                    self.replicas.insert(key, now);
                }
            }
        }
    }

    /// The node is down: its next life may begin behind where this one was.
    pub fn forget(&mut self, node: &str) {
        self.replicas.retain(|(name, _), _| name != node);
    }

    /// What did not hold.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    fn replica(&mut self, node: &SimNode, group: &Group, before: &Replica) -> Replica {
        let (name, gid) = (&node.name, group.gid);
        // First what is applied: it may only grow until the other is read.
        let applied = group.applied.borrow().last;
        let metrics = group.handle.metrics();
        let (term, leader) = (metrics.current_term, metrics.current_leader);
        let committed = metrics.local_committed;
        let known = [(applied, before.applied), (committed, before.committed)];
        for (last, known) in known {
            // Most ticks bring nothing new.
            if let Some(last) = last.filter(|last| last.index != known) {
                self.is_agreed(name, gid, last.index, last.to_string());
            }
        }
        let index = |last: Option<u64>| last.unwrap_or_default();
        let now = Replica {
            term,
            leader,
            reign: leader.map_or(before.reign, |leader| (term, leader)),
            committed: index(committed.map(|last| last.index)),
            applied: index(applied.map(|last| last.index)),
        };
        let positions = |at: &Replica| [at.term, at.committed, at.applied];
        let mut moves = positions(before).into_iter().zip(positions(&now));
        if now.reign < before.reign || moves.any(|(before, now)| now < before) {
            self.found(format!("group {gid} on {name} went from {before:?} to {now:?}"));
        }
        if now.applied > now.committed {
            self.found(format!("group {gid} on {name} applied too much: {now:?}"));
        }
        if let Err(why) = metrics.running_state
            && !node.is_ending()
        {
            self.found(format!("group {gid} stopped on {name}: {why}"));
        }
        now
    }

    fn is_agreed(&mut self, node: &str, group: GroupId, index: u64, id: String) {
        let before = self.entries.entry((group, index)).or_insert_with(|| id.clone());
        if *before != id {
            let what = format!("group {group} has {before}, and {id} on {node}");
            self.found(what);
        }
    }

    /// What is broken stays broken: the first word of it is enough.
    fn found(&mut self, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(what);
        }
    }
}

/// How many violations are kept.
const VIOLATIONS_MAX: usize = 20;
