//! Log: entries, votes and positions of the groups' logs.

use std::ops::ControlFlow;

use api::GroupId;
use api::wire::peer;
use disk::Fault;
use prost::Message;
use serde_json::Value;
use wal::inspect::{Inspector, Position};
use wal::record::BadRecord;

use crate::inspect::InspectArgs;
use crate::inspect::directory::Directory;
use crate::inspect::entry;
use crate::inspect::sheet::{Findings, Sheet};

const PART: &str = "log";

/// A line per group: how far its log goes.
pub fn groups(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    let columns = &["group", "first", "last", "entries", "bytes", "purged", "committed"];
    let mut sheet = Sheet::new("log", columns);
    with_log(directory, only, findings, |log, gid, findings| {
        let found = log.summary(gid)?;
        let purged = index(gid, found.purged, findings);
        let committed = index(gid, found.committed, findings);
        sheet.add([
            gid.0.into(),
            found.first.into(),
            found.last.into(),
            found.entries.into(),
            found.bytes.into(),
            purged,
            committed,
        ]);
        Ok(())
    });
    findings.add(sheet);
}

/// A line per group: its vote.
pub fn votes(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    let mut sheet = Sheet::new("votes", &["group", "term", "node", "committed"]);
    with_log(directory, only, findings, |log, gid, findings| {
        let vote = log.summary(gid)?.vote.map(|body| {
            let body = body.map_err(|bad| bad.to_string())?;
            peer::Vote::decode(body).map_err(|error| error.to_string())
        });
        match vote {
            None => sheet.add([gid.0.into(), Value::Null, Value::Null, Value::Null]),
            Some(Ok(vote)) => {
                sheet.add([gid.0.into(), vote.term.into(), vote.node.into(), vote.committed.into()])
            }
            Some(Err(error)) => findings.problem(PART, Some(gid.0), format!("vote: {error}")),
        }
        Ok(())
    });
    findings.add(sheet);
}

/// A line per entry, from an index on, up to a limit per group.
pub fn entries(directory: &Directory, args: &InspectArgs, findings: &mut Findings) {
    let columns =
        &["group", "index", "term", "node", "time_ms", "kind", "commands", "bytes", "detail"];
    let mut sheet = Sheet::new("entries", columns);
    let mut cut = Sheet::new("continue", &["group", "from"]);
    with_log(directory, args.group, findings, |log, gid, findings| {
        let mut shown = 0;
        log.records(gid, args.from..u64::MAX, &mut |record| {
            if shown == args.limit {
                cut.add([gid.0.into(), record.index.into()]);
                return ControlFlow::Break(());
            }
            shown += 1;
            let body = record.body.map_err(|bad| bad.to_string());
            let described = body.and_then(|body| entry::describe(gid, body));
            let described = described.unwrap_or_else(|error| {
                findings.problem(PART, Some(gid.0), format!("entry {}: {error}", record.index));
                entry::Described { kind: "bad", detail: error, ..entry::Described::default() }
            });
            sheet.add([
                gid.0.into(),
                record.index.into(),
                described.term.into(),
                described.node.into(),
                described.time_ms.into(),
                described.kind.into(),
                described.commands.into(),
                record.bytes.into(),
                described.detail.into(),
            ]);
            ControlFlow::Continue(())
        })
    });
    findings.add(sheet);
    if !cut.is_empty() {
        findings.add(cut);
    }
}

/// Checks every record, and that every entry can be read.
pub fn verify(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    let mut sheet = Sheet::new("verified log", &["groups", "entries", "bytes", "problems"]);
    let Some(log) = open(directory, findings) else { return };
    let mut wrong = Vec::new();
    let verified = log.verify(&mut |problem| {
        if only.is_none_or(|only| only == problem.gid) {
            wrong.push(problem);
        }
    });
    for problem in &wrong {
        findings.problem(PART, Some(problem.gid.0), problem);
    }
    match verified {
        Ok(verified) => sheet.add([
            verified.groups.into(),
            verified.entries.into(),
            verified.bytes.into(),
            verified.problems.into(),
        ]),
        Err(fault) => findings.problem(PART, None, fault),
    }
    each(&log, only, findings, |log, gid, findings| {
        log.records(gid, 0..u64::MAX, &mut |record| {
            // A record whose checksum fails is reported already.
            if let Ok(body) = record.body
                && let Err(error) = entry::describe(gid, body)
            {
                findings.problem(PART, Some(gid.0), format!("entry {}: {error}", record.index));
            }
            ControlFlow::Continue(())
        })
    });
    findings.add(sheet);
}

fn open(directory: &Directory, findings: &mut Findings) -> Option<Inspector> {
    let folder = directory.log()?;
    Inspector::open(&folder).map_err(|fault| findings.problem(PART, None, fault)).ok()
}

/// Opens the log and calls `look` for each group in it. An environment opens
/// once per process.
fn with_log(
    directory: &Directory,
    only: Option<GroupId>,
    findings: &mut Findings,
    look: impl FnMut(&Inspector, GroupId, &mut Findings) -> Result<(), Fault>,
) {
    if let Some(log) = open(directory, findings) {
        each(&log, only, findings, look);
    }
}

fn each(
    log: &Inspector,
    only: Option<GroupId>,
    findings: &mut Findings,
    mut look: impl FnMut(&Inspector, GroupId, &mut Findings) -> Result<(), Fault>,
) {
    let gids = log.gids().unwrap_or_else(|fault| {
        findings.problem(PART, None, fault);
        Vec::new()
    });
    for gid in gids.into_iter().filter(|gid| only.is_none_or(|only| only == *gid)) {
        if let Err(fault) = look(log, gid, findings) {
            findings.problem(PART, Some(gid.0), fault);
        }
    }
}

fn index(
    gid: GroupId,
    position: Option<Result<Position, BadRecord>>,
    findings: &mut Findings,
) -> Value {
    match position {
        None => Value::Null,
        Some(Ok(position)) => position.index.into(),
        Some(Err(bad)) => {
            findings.problem(PART, Some(gid.0), bad);
            Value::Null
        }
    }
}
