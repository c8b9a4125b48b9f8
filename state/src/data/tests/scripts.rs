//! Scripts: golden scripts in `state/scripts/data`, one behaviour each.
//!
//! A block is commands, `---`, and what they answered. `RDB_WRITE_SCRIPTS=1`
//! writes the answers of this run into the scripts. The vocabulary:
//!
//! * `time MS`: the stamp of the entries that follow
//! * `put|putvalue|delete|deletevalue|append shard= c= k= [v=] [if=] [max=]`
//!   `[id=] [class=client] [issued=] [asks=]`: a command in an entry of its own;
//!   a line that starts with `+` belongs to the entry before it
//! * `assign epoch= shards=`, `fence c= config=`, `sweep c= max=`: system steps
//! * `get shard= c= k=`, `keys|values|value c= [start= end= prefix= v= limit=]`
//!   `[after= after_value= shards=]`: reads
//! * `shards`, `counts c=`, `fences`, `dedup`, `verify`, `reopen`
//!
//! A byte string is segments joined by `+`: text, `%HH`, or `text*times`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use api::outcome::Value;
use api::service::{Bounds, Range, Row};
use api::{
    Answer, CollectionId, Command, Condition, ConfigVersion, Content, Fingerprint, Operation,
    Rejection, RequestClass, RequestId, ShardId,
};
use bytes::Bytes;

use super::harness::{Harness, commands};
use crate::dedup;
use crate::read::ReadRejection;
use crate::scan::{Position, ScanRequest};

/// One line of a script.
enum Step {
    Time(u64),
    Run(Vec<Arguments>),
    System(Content),
    Get(Arguments),
    Scan(Arguments),
    Show(Arguments),
    Reopen,
}

/// A verb and its `name=value` arguments.
struct Arguments {
    verb: String,
    named: BTreeMap<String, String>,
}

#[test]
fn scripts_answer_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/data");
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
        }
        let name = path.display();
        assert!(write || script == answered, "{name}: expected\n{script}\nfound\n{answered}");
    }
}

/// The script with the answers of this run.
fn answer(script: &str) -> String {
    let mut harness = Harness::new();
    let mut answered = String::new();
    let mut block = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        writeln!(answered, "{line}").unwrap();
        if line == "---" {
            for step in parse(&block) {
                answered.push_str(&perform(&mut harness, step));
                harness.assert_sound();
            }
            block.clear();
            let rest = lines.by_ref().find(|line| line.is_empty());
            if rest.is_some() {
                answered.push('\n');
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            block.push(line);
        }
    }
    assert!(block.is_empty(), "commands without an answer: {block:?}");
    answered
}

fn parse(block: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in block {
        let arguments = Arguments::parse(line.trim_start_matches('+'));
        let step = match &*arguments.verb {
            _ if line.starts_with('+') => {
                let Some(Step::Run(entry)) = steps.last_mut() else { panic!("{line}") };
                entry.push(arguments);
                continue;
            }
            "time" => Step::Time(arguments.named.keys().next().unwrap().parse().unwrap()),
            "put" | "putvalue" | "delete" | "deletevalue" | "append" => Step::Run(vec![arguments]),
            "assign" => Step::System(Content::Assign {
                epoch: arguments.number("epoch").into(),
                shards: arguments.shards().unwrap(),
            }),
            "fence" => Step::System(Content::Fence {
                collection: arguments.collection(),
                config: ConfigVersion(arguments.number("config")),
            }),
            "sweep" => Step::System(Content::Sweep {
                collection: arguments.collection(),
                rows_max: arguments.number("max").try_into().unwrap(),
            }),
            "get" => Step::Get(arguments),
            "keys" | "values" | "value" => Step::Scan(arguments),
            "shards" | "counts" | "fences" | "dedup" | "verify" => Step::Show(arguments),
            "reopen" => Step::Reopen,
            verb => panic!("unknown verb {verb}"),
        };
        steps.push(step);
    }
    steps
}

fn perform(harness: &mut Harness, step: Step) -> String {
    match step {
        Step::Time(time_ms) => {
            harness.time_ms = time_ms;
            String::new()
        }
        Step::Run(entry) => {
            let entry: Vec<Command> = entry.iter().map(|line| line.command(harness)).collect();
            harness.apply(&commands(&entry)).iter().map(|answer| line(&show(answer))).collect()
        }
        Step::System(content) => {
            assert!(harness.apply(&content).is_empty());
            String::new()
        }
        Step::Get(arguments) => {
            match harness.get(arguments.shard().0, arguments.collection().0, &arguments.bytes("k"))
            {
                Ok(None) => line("none"),
                Ok(Some(row)) => line(&show_row(&row)),
                Err(rejection) => line(&show_read_rejection(rejection)),
            }
        }
        Step::Scan(arguments) => scan(harness, &arguments),
        Step::Show(arguments) => show_state(harness, &arguments),
        Step::Reopen => {
            harness.reopen();
            String::new()
        }
    }
}

fn scan(harness: &Harness, arguments: &Arguments) -> String {
    let bounds = Bounds {
        start: arguments.bytes("start"),
        end: arguments.named.contains_key("end").then(|| arguments.bytes("end")),
        prefix: arguments.bytes("prefix"),
    };
    let range = match &*arguments.verb {
        "keys" => Range::Keys(bounds),
        "values" => Range::Values(bounds),
        _ => Range::Value(arguments.bytes("v")),
    };
    let after = arguments
        .named
        .contains_key("after")
        .then(|| Position { value: arguments.bytes("after_value"), key: arguments.bytes("after") });
    let limit = arguments.named.get("limit").map_or(1000, |limit| limit.parse().unwrap());
    let shards = arguments.shards();
    let request = ScanRequest {
        collection: arguments.collection(),
        range: &range,
        after: after.as_ref(),
        limit,
        shards: shards.as_deref(),
    };
    match harness.view().scan(&request).unwrap() {
        Err(rejection) => line(&show_read_rejection(rejection)),
        Ok(part) => {
            let mut text: String = part.rows.iter().map(|row| line(&show_row(row))).collect();
            let served = part.served.iter().map(|(shard, epoch)| format!(" {shard}@{epoch}"));
            let more = if part.more { ", more" } else { "" };
            writeln!(text, "served{}{more}", served.collect::<String>()).unwrap();
            text
        }
    }
}

fn show_state(harness: &Harness, arguments: &Arguments) -> String {
    let view = harness.view();
    let mut text = String::new();
    match &*arguments.verb {
        "shards" => {
            for (shard, epoch) in view.owned_shards().unwrap() {
                writeln!(text, "shard {shard} epoch {epoch}").unwrap();
            }
        }
        "counts" => {
            let counts = view.counts(arguments.collection()).unwrap();
            writeln!(text, "{} rows, {} bytes", counts.rows, counts.bytes).unwrap();
        }
        "fences" => {
            for (collection, fence) in view.fences().unwrap() {
                let swept = if fence.swept { ", swept" } else { "" };
                writeln!(text, "collection {collection} config {}{swept}", fence.config).unwrap();
            }
        }
        "dedup" => {
            for (name, key, value) in harness.dump() {
                if name == "dedup" {
                    let (time_ms, index) = dedup::parse_key(&key).unwrap();
                    let items = u32::from_be_bytes(value[8..12].try_into().unwrap());
                    writeln!(text, "class {} time {time_ms} entry {index}: {items}", key[0])
                        .unwrap();
                }
            }
            writeln!(text, "{} remembered", harness.remembered()).unwrap();
        }
        _ => {
            let report = harness.verify();
            let (rows, problems) = (report.total.rows, report.problems);
            writeln!(text, "{rows} rows, {problems} problems").unwrap();
        }
    }
    text
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn show(answer: &Answer) -> String {
    match answer {
        Answer::Executed { outcome, replay } => {
            let replay = if *replay { "replay: " } else { "" };
            let value = match &outcome.value {
                Value::None => String::new(),
                Value::Omitted => " value omitted".to_owned(),
                Value::Bytes(bytes) => format!(" value {}", show_bytes(bytes)),
            };
            format!("{replay}{:?} version {}{value}", outcome.verdict, outcome.version)
        }
        Answer::Rejected(Rejection::NotOwner { epoch }) => format!("rejected: epoch {epoch}"),
        Answer::Rejected(rejection) => format!("rejected: {rejection:?}"),
    }
}

fn show_read_rejection(rejection: ReadRejection) -> String {
    format!("rejected: {rejection}")
}

fn show_row(row: &Row) -> String {
    format!("{} = {} version {}", show_bytes(&row.key), show_bytes(&row.value), row.version)
}

/// Long runs are shortened to `byte*times`.
fn show_bytes(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "\"\"".to_owned();
    }
    let segment = |run: &[u8]| {
        let byte = run[0].escape_ascii().to_string();
        if run.len() > 8 { format!("{byte}*{}", run.len()) } else { byte.repeat(run.len()) }
    };
    let mut text = String::new();
    let mut after_long = false;
    for run in bytes.chunk_by(|a, b| a == b) {
        if !text.is_empty() && (after_long || run.len() > 8) {
            text.push('+');
        }
        after_long = run.len() > 8;
        text.push_str(&segment(run));
    }
    text
}

impl Arguments {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap().to_owned();
        let named = words.map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            (name.to_owned(), value.to_owned())
        });
        Self { verb, named: named.collect() }
    }

    fn number(&self, name: &str) -> u64 {
        self.named.get(name).map_or(0, |text| text.parse().unwrap())
    }

    fn bytes(&self, name: &str) -> Bytes {
        self.named.get(name).map_or_else(Bytes::new, |text| parse_bytes(text))
    }

    fn shard(&self) -> ShardId {
        ShardId(self.number("shard").try_into().unwrap())
    }

    fn collection(&self) -> CollectionId {
        CollectionId(self.number("c").try_into().unwrap())
    }

    fn shards(&self) -> Option<Vec<ShardId>> {
        let list = self.named.get("shards")?;
        Some(list.split(',').map(|number| ShardId(number.parse().unwrap())).collect())
    }

    fn command(&self, harness: &mut Harness) -> Command {
        let operation = self.operation();
        let mut header = harness.header(self.shard().0, self.collection().0, &operation);
        if let Some(id) = self.named.get("id") {
            header.id = RequestId::from_idempotency_key(id.as_bytes());
        }
        if let Some(issued) = self.named.get("issued") {
            header.issued_at_ms = issued.parse().unwrap();
        }
        if self.named.contains_key("class") {
            header.class = RequestClass::Client;
        }
        if self.named.contains_key("asks") {
            header.fingerprint = Fingerprint(self.number("asks"));
        }
        Command { header, operation }
    }

    fn operation(&self) -> Operation {
        let (key, value) = (self.bytes("k"), self.bytes("v"));
        match &*self.verb {
            "put" => Operation::Put { key, value, condition: self.condition() },
            "putvalue" => Operation::PutValue { key, value },
            "delete" => Operation::Delete { key, condition: self.condition() },
            "deletevalue" => Operation::DeleteValue { key, value },
            _ => {
                let max = self.named.get("max").map_or("1048576", |max| max);
                Operation::Append { key, value, bytes_max: max.parse().unwrap() }
            }
        }
    }

    fn condition(&self) -> Condition {
        match self.named.get("if").map(|text| text.split_once(':').unwrap_or((text, ""))) {
            None => Condition::Always,
            Some(("absent", _)) => Condition::Absent,
            Some(("version", version)) => Condition::Version(version.parse().unwrap()),
            Some(("value", value)) => Condition::Value(parse_bytes(value)),
            Some((condition, _)) => panic!("unknown condition {condition}"),
        }
    }
}

fn parse_bytes(text: &str) -> Bytes {
    let segment = |segment: &str| {
        if let Some(byte) = segment.strip_prefix('%') {
            return hex::decode(byte).unwrap();
        }
        match segment.split_once('*') {
            Some((text, times)) => text.repeat(times.parse().unwrap()).into_bytes(),
            None => segment.as_bytes().to_vec(),
        }
    };
    text.split('+').flat_map(segment).collect::<Vec<u8>>().into()
}
