//! Scripts: golden scripts in `state/scripts/meta`, one behaviour each.
//!
//! A block is commands, `---`, and what they answered. `RDB_WRITE_SCRIPTS=1`
//! writes the answers of this run into the scripts. The vocabulary:
//!
//! * `found cluster groups [shards]`, `create name`, `drop name`,
//!   `fence cid group`, `sweep cid group`: a command in an entry of its own.
//!   `name*times` repeats a name; `@number` behind a command asks under that
//!   id, to retry or to collide
//! * `time MS`: the time of the entries that follow
//! * `state`: the whole state; `worker group`: what that group has to do
//! * `reopen`

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use api::limits::SHARDS;
use api::{
    Answer, ClusterId, CollectionId, GroupId, Incarnation, Member, MetaOperation, NodeId, ShardId,
};

use super::harness::{Harness, payload};

/// Ids of requests that a script does not number itself.
const FIRST_ID: u64 = 1000;

struct Run {
    harness: Harness,
    next_id: u64,
    time_ms: u64,
}

#[test]
fn scripts_answer_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/meta");
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    let write = std::env::var_os("RDB_WRITE_SCRIPTS").is_some();
    for path in scripts {
        let script = fs::read_to_string(&path).unwrap();
        let answered = answer(&script);
        if write {
            fs::write(&path, &answered).unwrap();
            continue;
        }
        assert_eq!(script, answered, "{}", path.display());
    }
}

/// The script with the answers of this run.
fn answer(script: &str) -> String {
    let mut run = Run { harness: Harness::new(), next_id: FIRST_ID, time_ms: 1_000_000 };
    let mut answered = String::new();
    let mut block = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        writeln!(answered, "{line}").unwrap();
        if line != "---" {
            block.push(line);
            continue;
        }
        for command in block.drain(..).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            run.perform(command, &mut answered);
        }
        // The old answers end at an empty line.
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        answered.push('\n');
    }
    while answered.ends_with("\n\n") {
        answered.pop();
    }
    answered
}

impl Run {
    fn perform(&mut self, line: &str, answered: &mut String) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "time" => self.time_ms = words[1].parse().unwrap(),
            "reopen" => self.harness.reopen(),
            "state" => self.show_state(answered),
            "worker" => self.show_worker(GroupId(words[1].parse().unwrap()), answered),
            _ => self.run(&words, answered),
        }
    }

    fn run(&mut self, words: &[&str], answered: &mut String) {
        let id = match words.last().unwrap().strip_prefix('@') {
            Some(id) => id.parse().unwrap(),
            None => {
                self.next_id += 1;
                self.next_id
            }
        };
        let operation = parse(words);
        let answers = self.harness.apply_all(&[payload(id, self.time_ms, &[operation])]);
        match &answers[0].0[..] {
            [Answer::Executed { outcome, replay }] => {
                let again = if *replay { " again" } else { "" };
                let (verdict, version) = (outcome.verdict, outcome.version);
                let config = self.harness.state().config;
                writeln!(answered, "{verdict:?} {version}{again}, config {config}").unwrap();
            }
            [Answer::Rejected(rejection)] => writeln!(answered, "{rejection:?}").unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn show_state(&self, answered: &mut String) {
        let state = self.harness.state();
        let cluster = state.cluster().map_or("none".to_owned(), |id| id.0[0].to_string());
        let (config, next) = (state.config, state.next_collection);
        writeln!(answered, "cluster {cluster} config {config} next {next}").unwrap();
        for (id, member) in state.nodes.iter() {
            writeln!(answered, "node {id} {} {}", member.name, member.peer).unwrap();
        }
        for group in state.groups.iter() {
            let shards = state.shards_of(*group);
            let (first, last) = (shards.first().unwrap(), shards.last().unwrap());
            let (from, to, epoch) = (first.0, last.0, last.1);
            writeln!(answered, "group {group} shards {from}-{to} epoch {epoch}").unwrap();
            assert_eq!(state.owner(ShardId(from.0)), Some(*group));
        }
        for (name, collection) in state.collections.iter() {
            let dropping = if collection.dropping { " dropping" } else { "" };
            writeln!(answered, "collection {name} {}{dropping}", collection.id).unwrap();
        }
        for (id, drop) in state.drops.iter() {
            let ids = |groups: &std::collections::BTreeSet<GroupId>| {
                let texts: Vec<String> = groups.iter().map(GroupId::to_string).collect();
                texts.join(",")
            };
            let (fenced, swept) = (ids(&drop.fenced), ids(&drop.swept));
            let config = drop.config;
            writeln!(answered, "drop {id} config {config} fenced [{fenced}] swept [{swept}]")
                .unwrap();
        }
    }

    fn show_worker(&self, group: GroupId, answered: &mut String) {
        let state = self.harness.state();
        for (id, config) in state.unfenced(group) {
            writeln!(answered, "fence {id} config {config}").unwrap();
        }
        for id in state.unswept(group) {
            writeln!(answered, "sweep {id}").unwrap();
        }
    }
}

fn parse(words: &[&str]) -> MetaOperation {
    let name = || match words[1].split_once('*') {
        Some((text, times)) => text.repeat(times.parse().unwrap()),
        None => words[1].replace("EMPTY", ""),
    };
    let number = |at: usize| words[at].parse::<u32>().unwrap();
    match words[0] {
        "found" => MetaOperation::Found {
            cluster: ClusterId([u8::try_from(number(1)).unwrap(); 16]),
            shards: words.get(3).map_or(SHARDS, |shards| shards.parse().unwrap_or(SHARDS)),
            groups: number(2),
            members: (1..=3).map(member).collect(),
        },
        "create" => MetaOperation::CreateCollection { name: name() },
        "drop" => MetaOperation::BeginDrop { name: name() },
        "fence" => MetaOperation::AckFence {
            collection: CollectionId(number(1)),
            group: GroupId(number(2)),
        },
        "sweep" => MetaOperation::AckSwept {
            collection: CollectionId(number(1)),
            group: GroupId(number(2)),
        },
        verb => panic!("no such command: {verb}"),
    }
}

fn member(number: u64) -> (NodeId, Member) {
    let (name, peer) = (format!("node_{number}"), format!("host:{}", 7420 + number));
    (NodeId(number), Member { name, peer, incarnation: Incarnation([3; 16]) })
}
