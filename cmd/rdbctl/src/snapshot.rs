//! Snapshot: are those there that were asked for? Pure.
//!
//! Nodes are told apart by their names, because an endpoint may be a proxy: who
//! is met there next need not be who took note of the request.

use std::collections::{BTreeMap, BTreeSet};

use client::snapshots::Asked;
use client::status::{Seen, SnapshotStatus};
use serde_json::{Value, json};

use crate::cli::Form;
use crate::failure::silence;
use crate::sheet::{Sheet, visible};
use crate::size::shown;

/// What came of asking for snapshots, as far as one has looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// By node and group.
    wanted: BTreeMap<(String, u32), Wanted>,
    /// Endpoints that took no note, and why.
    deaf: Vec<String>,
    /// Nodes that answered the last look.
    met: BTreeSet<String>,
    /// Whether an endpoint did not.
    silence: bool,
    /// Nodes of the cluster, as those say.
    known: BTreeSet<String>,
}

/// A snapshot that a node will take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// The last index that must be in it.
    index: u64,
    /// The first that was seen to be enough.
    taken: Option<SnapshotStatus>,
}

impl Round {
    /// What is wanted, by what the endpoints said.
    #[must_use]
    pub fn of(asked: &[Asked]) -> Self {
        let mut round = Self::default();
        for Asked { endpoint, noted } in asked {
            match noted {
                Ok(noted) => {
                    for goal in &noted.groups {
                        let place = (noted.node.clone(), goal.gid);
                        let wanted = round.wanted.entry(place).or_default();
                        // Two endpoints may lead to one node.
                        wanted.index = wanted.index.max(goal.index);
                    }
                }
                Err(error) => round.deaf.push(format!("{endpoint}: {}", silence(error))),
            }
        }
        round
    }

    /// Takes in what the endpoints say now.
    pub fn look(&mut self, seen: &[Seen]) {
        self.met.clear();
        self.silence = seen.iter().any(|seen| seen.status.is_err());
        for status in seen.iter().filter_map(|seen| seen.status.as_ref().ok()) {
            self.met.insert(status.node.clone());
            self.known.extend(status.nodes.iter().map(|node| node.name.clone()));
            for group in &status.groups {
                let Some(snapshot) = &group.snapshot else { continue };
                let place = (status.node.clone(), group.gid);
                if let Some(wanted) = self.wanted.get_mut(&place)
                    && wanted.taken.is_none()
                    && snapshot.index >= wanted.index
                {
                    wanted.taken = Some(snapshot.clone());
                }
            }
        }
    }

    /// Whether nothing more will come: all that were noted are there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left().next().is_none()
    }

    /// How far it is, on one line.
    #[must_use]
    pub fn progress(&self) -> String {
        let of = self.wanted.len();
        let text = format!("{} of {of} snapshots are there", of - self.left().count());
        let missing = self.by_node().into_iter().map(|(node, gids)| {
            let met = if self.met.contains(node) { "" } else { ", which did not answer" };
            format!("; missing: group {} of {node}{met}", gids.join(", "))
        });
        visible(&(text + &missing.collect::<String>()))
    }

    /// What was not done, and what to do about it; `None`: everything was.
    #[must_use]
    pub fn shortfall(&self) -> Option<(String, &'static str)> {
        let deaf = self.deaf.iter().map(|deaf| format!("; took no note: {}", visible(deaf)));
        let what = self.progress() + &deaf.collect::<String>();
        let unmet = self.by_node().keys().any(|node| !self.met.contains(*node));
        let hint = if unmet && self.silence {
            "`rdbctl health` shows who is silent; ask again when all answer"
        } else if unmet {
            "a proxy leads to one node at a time: name the nodes themselves with --endpoints"
        } else if !self.is_over() {
            "the nodes go on: --for waits longer; a node needs room for twice its state, and its \
             log says if there is none"
        } else if !self.deaf.is_empty() {
            "ask again when they answer; whoever has its snapshots takes no others"
        } else {
            return None;
        };
        Some((what, hint))
    }

    /// What should be known though nothing is missing.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let asked: BTreeSet<_> = self.wanted.keys().map(|(node, _)| node).collect();
        let others = self.known.iter().filter(|name| !asked.contains(name));
        let others: Vec<_> = others.map(|name| visible(name)).collect();
        (!others.is_empty()).then(|| {
            format!("not asked: {}; --endpoints takes the address of each node", others.join(", "))
        })
    }

    /// The snapshots, by node and group.
    #[must_use]
    pub fn render(&self, form: Form) -> String {
        let mut sheet = Sheet::new(["NODE", "GROUP", "INDEX", "BYTES", "FILE"]);
        for ((node, gid), Wanted { taken, .. }) in &self.wanted {
            let cell = |of: fn(&SnapshotStatus, Form) -> String| {
                taken.as_ref().map_or("-".to_owned(), |taken| of(taken, form))
            };
            sheet.add([
                node.clone(),
                gid.to_string(),
                cell(|taken, _| taken.index.to_string()),
                cell(|taken, form| shown(taken.bytes, form)),
                cell(|taken, _| taken.file.clone()),
            ]);
        }
        sheet.render(form, || self.wanted.iter().map(object).collect())
    }

    fn left(&self) -> impl Iterator<Item = &(String, u32)> {
        self.wanted.iter().filter(|(_, wanted)| wanted.taken.is_none()).map(|(place, _)| place)
    }

    /// The groups that are missing, by node.
    fn by_node(&self) -> BTreeMap<&str, Vec<String>> {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (node, gid) in self.left() {
            groups.entry(node).or_default().push(gid.to_string());
        }
        groups
    }
}

fn object(((node, gid), Wanted { index, taken }): (&(String, u32), &Wanted)) -> Value {
    let taken = taken.as_ref();
    json!({
        "node": node,
        "group": gid,
        "wanted": index,
        "index": taken.map(|taken| taken.index),
        "bytes": taken.map(|taken| taken.bytes),
        "file": taken.map(|taken| &taken.file),
    })
}

#[cfg(test)]
mod tests {
    use client::Error;
    use client::snapshots::{Goal, Noted};
    use client::status::{GroupStatus, NodeStatus, Status};

    use super::*;

    fn noted(node: &str, goals: &[(u32, u64)]) -> Asked {
        let groups = goals.iter().map(|&(gid, index)| Goal { gid, index }).collect();
        let noted = Ok(Noted { node: node.to_owned(), groups });
        Asked { endpoint: format!("https://{node}:1"), noted }
    }

    fn deaf(node: &str) -> Asked {
        let (code, message) = ("unreachable".to_owned(), "refused".to_owned());
        let noted = Err(Error::NotApplied { code, message });
        Asked { endpoint: format!("https://{node}:1"), noted }
    }

    /// What `node` of the cluster of a and b has.
    fn has(node: &str, snapshots: &[(u32, u64)]) -> Seen {
        let group = |&(gid, index): &(u32, u64)| {
            let snapshot = SnapshotStatus { index, bytes: 2048, file: format!("state_{index}.gz") };
            GroupStatus { gid, snapshot: Some(snapshot), ..GroupStatus::default() }
        };
        let known = |name: &str| NodeStatus { name: name.to_owned(), ..NodeStatus::default() };
        let status = Status {
            node: node.to_owned(),
            nodes: ["a", "b"].map(known).into(),
            groups: snapshots.iter().map(group).collect(),
            ..Status::default()
        };
        Seen { endpoint: format!("https://{node}:1"), status: Ok(status) }
    }

    #[test]
    fn it_is_over_when_every_group_of_every_node_has_one_that_holds_enough() {
        let mut round = Round::of(&[noted("a", &[(0, 5), (1, 9)]), noted("b", &[(1, 9)])]);
        assert!(!round.is_over());
        round.look(&[has("a", &[(0, 5), (1, 8)]), has("b", &[(1, 12)])]);
        assert_eq!(round.progress(), "2 of 3 snapshots are there; missing: group 1 of a");
        assert!(round.shortfall().unwrap().1.starts_with("the nodes go on: "));
        round.look(&[has("a", &[(0, 7), (1, 9)])]);
        assert!(round.is_over());
        assert_eq!((round.shortfall(), round.note()), (None, None));
        let expected = "\
NODE  GROUP  INDEX  BYTES    FILE
a     0      5      2.0 KiB  state_5.gz
a     1      9      2.0 KiB  state_9.gz
b     1      12     2.0 KiB  state_12.gz
";
        assert_eq!(round.render(Form::Table), expected);
    }

    #[test]
    fn what_is_missing_is_shown_as_such() {
        let mut round = Round::of(&[noted("a", &[(1, 9)])]);
        round.look(&[has("a", &[(1, 3)])]);
        assert_eq!(round.render(Form::Plain), "a\t1\t-\t-\t-\n");
        let object = "{\"bytes\":null,\"file\":null,\"group\":1,\"index\":null,\
                      \"node\":\"a\",\"wanted\":9}\n";
        assert_eq!(round.render(Form::Ndjson), object);
    }

    #[test]
    fn behind_a_proxy_another_node_than_the_asked_one_proves_nothing() {
        let mut round = Round::of(&[noted("a", &[(1, 9)])]);
        round.look(&[has("b", &[(1, 9)])]);
        let (what, hint) = round.shortfall().unwrap();
        let expected = "0 of 1 snapshots are there; missing: group 1 of a, which did not answer";
        assert_eq!(what, expected);
        assert!(hint.starts_with("a proxy leads to one node at a time: "), "{hint}");
        round.look(&[has("a", &[(1, 9)])]);
        assert_eq!(round.shortfall(), None);
        let note = "not asked: b; --endpoints takes the address of each node";
        assert_eq!(round.note().as_deref(), Some(note));
    }

    #[test]
    fn a_node_that_fell_silent_is_told_from_a_proxy() {
        let mut round = Round::of(&[noted("a", &[(1, 9)])]);
        let message = "timed out".to_owned();
        let status = Err(Error::NotApplied { code: "no_answer".to_owned(), message });
        round.look(&[has("a", &[(1, 3)])]);
        round.look(&[Seen { endpoint: "https://a:1".to_owned(), status }]);
        let (what, hint) = round.shortfall().unwrap();
        assert!(what.ends_with("missing: group 1 of a, which did not answer"), "{what}");
        assert!(hint.starts_with("`rdbctl health` shows who is silent"), "{hint}");
    }

    #[test]
    fn who_took_no_note_is_named() {
        let mut round = Round::of(&[noted("a", &[(1, 9)]), deaf("b")]);
        round.look(&[has("a", &[(1, 9)])]);
        assert!(round.is_over());
        let (what, hint) = round.shortfall().unwrap();
        assert_eq!(what, "1 of 1 snapshots are there; took no note: https://b:1: refused");
        assert!(hint.starts_with("ask again when they answer"), "{hint}");
    }
}
