//! Script: golden scripts, one behaviour each, run on both stores.
//!
//! A script is blocks of commands and what they print, a blank line between two. `UPDATE_SCRIPTS=1`
//! writes what they print now; read the difference before you keep it.

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;

use api::GroupId;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use wal::Options;
use wal::inspect::Inspector;
use wal::key::Key;
use wal::store::{Change, Failure, Table};

use crate::binding::{Entry, LogId, entry, log_id, text, vote};
use crate::harness::{Disk, Node, Told, callback, cause, now, run};

#[test]
fn every_script_holds_in_memory_and_on_lmdb() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut wrong = String::new();
    let mut scripts: Vec<_> = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for path in scripts {
        let script = fs::read_to_string(&path).unwrap();
        let ran = run_script(&script, Disk::memory());
        assert_eq!(ran, run_script(&script, Disk::lmdb()), "{}: stores differ", path.display());
        if ran != script && update {
            fs::write(&path, ran).unwrap();
        } else if ran != script {
            writeln!(wrong, "== {}\n{ran}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "these scripts now print:\n{wrong}");
}

/// Returns the script with what its commands print now.
fn run_script(script: &str, disk: Disk) -> String {
    let options = Options { purge_slice: 2, map_bytes: 16 << 20, ..Options::default() };
    let mut stage =
        Stage { node: Node::new(disk, options), gid: 1, told: Vec::new(), printed: String::new() };
    let mut ran = Vec::new();
    for block in script.trim_end().split("\n\n") {
        let (commands, expects) = match block.split_once("\n---") {
            Some((commands, _)) => (commands, true),
            None => (block, false),
        };
        for line in commands.lines().filter(|line| !line.starts_with('#')) {
            let command = line.parse().unwrap_or_else(|_| panic!("unknown command: {line}"));
            stage.perform(&command);
        }
        let printed = std::mem::take(&mut stage.printed);
        assert!(expects || printed.is_empty(), "nothing is expected after: {commands}");
        let rule = if expects { "\n---\n" } else { "" };
        ran.push(format!("{commands}{rule}{}", printed.trim_end()).trim_end().to_owned());
    }
    ran.join("\n\n") + "\n"
}

/// All a script can ask for.
enum Command {
    /// Later commands are about this group.
    Group(u32),
    /// Appends entries, without waiting for the disk.
    Append { term: u64, texts: Vec<String> },
    /// Saves a vote.
    Vote { term: u64 },
    /// Truncates after an entry, or all.
    Truncate { after: Option<LogId> },
    /// Purges, without waiting for the disk.
    Purge { upto: LogId },
    /// Saves a committed log id.
    Commit { upto: LogId },
    /// Lets the writer take one batch.
    Turn,
    /// Lets the writer take all there is.
    Sync,
    /// Reads a range.
    Read { start: u64, end: u64 },
    /// Prints what openraft would find.
    State,
    /// Prints what an inspector finds.
    Disk,
    /// Closes and opens again.
    Reopen,
    /// Loses what is not on the disk, and opens again.
    Crash { next: Option<(u64, Failure)> },
    /// Flips a bit of an entry's record on the disk.
    Flip { index: u64 },
}

impl FromStr for Command {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let mut words = line.split_whitespace();
        let verb = words.next().ok_or(())?;
        let rest: Vec<_> = words.collect();
        let number =
            |at: usize| -> Result<u64, ()> { rest.get(at).ok_or(())?.parse().map_err(drop) };
        let position = |at: usize| -> Result<LogId, ()> {
            let (index, term) = rest.get(at).ok_or(())?.split_once('@').ok_or(())?;
            Ok(log_id(term.parse().map_err(drop)?, index.parse().map_err(drop)?))
        };
        Ok(match verb {
            "group" => Self::Group(u32::try_from(number(0)?).map_err(drop)?),
            "append" => Self::Append {
                term: rest
                    .first()
                    .and_then(|it| it.strip_prefix("term="))
                    .ok_or(())?
                    .parse()
                    .map_err(drop)?,
                texts: rest[1..].iter().map(|text| (*text).to_owned()).collect(),
            },
            "vote" => Self::Vote { term: number(0)? },
            "truncate" if rest == ["all"] => Self::Truncate { after: None },
            "truncate" => Self::Truncate { after: Some(position(0)?) },
            "purge" => Self::Purge { upto: position(0)? },
            "commit" => Self::Commit { upto: position(0)? },
            "turn" => Self::Turn,
            "sync" => Self::Sync,
            "read" => Self::Read { start: number(0)?, end: number(1)? },
            "state" => Self::State,
            "disk" => Self::Disk,
            "reopen" => Self::Reopen,
            "crash" if rest.is_empty() => Self::Crash { next: None },
            "crash" => {
                let failure = match *rest.get(1).ok_or(())? {
                    "lost" => Failure::Lost,
                    "kept" => Failure::Kept,
                    _ => return Err(()),
                };
                Self::Crash { next: Some((number(0)?, failure)) }
            }
            "flip" => Self::Flip { index: number(0)? },
            _ => return Err(()),
        })
    }
}

/// Where a script plays.
struct Stage {
    node: Node,
    gid: u32,
    told: Vec<(String, Told)>,
    printed: String,
}

impl Stage {
    fn perform(&mut self, command: &Command) {
        match command {
            Command::Group(gid) => self.gid = *gid,
            Command::Append { term, texts } => self.append(*term, texts),
            Command::Vote { term } => {
                self.wait("vote", async |log| log.save_vote(&vote(*term)).await)
            }
            Command::Truncate { after } => {
                self.wait("truncate", async |log| log.truncate_after(*after).await);
            }
            Command::Purge { upto } => now(self.log().purge(*upto)).unwrap(),
            Command::Commit { upto } => now(self.log().save_committed(Some(*upto))).unwrap(),
            Command::Turn => {
                let worked = self.node.wal().drive();
                self.print(if worked { "worked" } else { "idle" });
            }
            Command::Sync => self.node.drain(),
            Command::Read { start, end } => self.read(*start, *end),
            Command::State => self.state(),
            Command::Disk => self.disk(),
            Command::Reopen => {
                self.node.close().unwrap();
                self.node.start(None);
            }
            Command::Crash { next } => {
                self.node.crash();
                self.told.clear();
                self.node.start(*next);
            }
            Command::Flip { index } => self.flip(*index),
        }
        self.print_told();
        let faults = std::mem::take(&mut *self.node.faults.lock());
        for fault in faults {
            self.print(&format!("fault: {fault}"));
        }
    }

    fn log(&mut self) -> &mut crate::binding::Log {
        self.node.log(self.gid)
    }

    fn print(&mut self, line: &str) {
        self.printed.push_str(line);
        self.printed.push('\n');
    }

    fn append(&mut self, term: u64, texts: &[String]) {
        let state = now(self.log().get_log_state()).unwrap();
        let next = state.last_log_id.map_or(0, |last| last.index + 1);
        let entries: Vec<Entry> =
            (next..).zip(texts).map(|(index, text)| entry(term, index, text)).collect();
        let (callback, told) = callback();
        let name = format!("append {next}@{term} {}", texts.join(" "));
        match now(self.log().append(entries, callback)) {
            Ok(()) => self.told.push((name, told)),
            Err(_) => self.print(&format!("refused {name}")),
        }
    }

    fn wait(
        &mut self,
        name: &str,
        call: impl AsyncFnOnce(&mut crate::binding::Log) -> std::io::Result<()>,
    ) {
        let wal = self.node.wal().clone();
        let ended = run(&wal, call(self.log()));
        self.print_told();
        self.print(&format!("{name} {}", if ended.is_ok() { "is durable" } else { "failed" }));
    }

    /// In order; a callback that overtakes another would be missed here.
    fn print_told(&mut self) {
        while let Some((name, told)) = self.told.first_mut() {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let told = std::pin::pin!(told).poll(&mut context);
            let std::task::Poll::Ready(told) = told else { return };
            let ended = if told.unwrap().is_ok() { "is durable" } else { "failed" };
            let line = format!("{name} {ended}");
            self.told.remove(0);
            self.print(&line);
        }
    }

    fn read(&mut self, start: u64, end: u64) {
        let read = match self.node.open(self.gid) {
            Ok(()) => now(self.log().reader().try_get_log_entries(start..end)),
            Err(fault) => return self.print(&format!("cannot open: {}", cause(&fault))),
        };
        match read {
            Ok(entries) if entries.is_empty() => self.print("(none)"),
            Ok(entries) => {
                for entry in entries {
                    let line = format!("{} {}", name(&entry.log_id()), text(&entry));
                    self.print(&line);
                }
            }
            Err(_) => self.print("cannot read"),
        }
    }

    fn state(&mut self) {
        if let Err(fault) = self.node.open(self.gid) {
            return self.print(&format!("cannot open: {}", cause(&fault)));
        }
        let log = self.node.log(self.gid);
        let state = now(log.get_log_state()).unwrap();
        let committed = now(log.read_committed()).unwrap();
        let vote = now(log.reader().read_vote()).unwrap();
        let flushed = log.flushed().index();
        let line = format!(
            "purged={} last={} flushed={} committed={} vote={}",
            maybe(state.last_purged_log_id.as_ref().map(name)),
            maybe(state.last_log_id.as_ref().map(name)),
            maybe(flushed),
            maybe(committed.as_ref().map(name)),
            maybe(vote.map(|vote| vote.leader_id.term)),
        );
        self.print(&line);
    }

    fn disk(&mut self) {
        let inspector = Inspector::on_store(self.node.store().clone());
        let found = inspector.summary(GroupId(self.gid)).unwrap();
        let index = |position: Option<Result<wal::inspect::Position, _>>| {
            maybe(position.map(|position| position.unwrap().index))
        };
        let mut line = format!("{} entries:", found.entries);
        inspector
            .records(GroupId(self.gid), 0..u64::MAX, &mut |record| {
                let mark = if record.body.is_ok() { "" } else { "!" };
                write!(line, " {}{mark}", record.index).unwrap();
                ControlFlow::Continue(())
            })
            .unwrap();
        write!(line, "; purged={} committed={}", index(found.purged), index(found.committed))
            .unwrap();
        self.print(&line);
    }

    fn flip(&mut self, index: u64) {
        let key = Key::entry(GroupId(self.gid), index);
        let mut record = self.node.store().get(Table::Log, &key).unwrap().unwrap().to_vec();
        *record.last_mut().unwrap() ^= 1;
        let change = Change::Put { table: Table::Log, key, record: record.into() };
        self.node.store().apply(&[change]).unwrap();
    }
}

fn name(log_id: &LogId) -> String {
    format!("{}@{}", log_id.index, log_id.leader_id.term)
}

fn maybe<T: ToString>(value: Option<T>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}
