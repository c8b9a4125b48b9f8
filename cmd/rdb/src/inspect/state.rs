//! State: what the groups have applied, and their snapshots.

use std::path::Path;

use api::GroupId;
use serde_json::Value;
use state::inspect::{Depth, EnvironmentReport, Report, SnapshotReport};

use crate::inspect::directory::Directory;
use crate::inspect::entry;
use crate::inspect::sheet::{Findings, Sheet};

const PART: &str = "state";
const SNAPSHOT: &str = "snapshot";

/// A line per group: how far it has applied, how large it is.
pub fn groups(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    let columns =
        &["group", "applied", "term", "voters", "rows", "used_bytes", "clean", "snapshots"];
    let mut sheet = Sheet::new("state", columns);
    each(directory, only, Depth::Glance, findings, |gid, report, _| {
        let environment = report.environment.as_ref();
        let applied = environment.and_then(|environment| environment.applied.as_ref());
        let rows = environment.and_then(|environment| {
            environment.tables.iter().find(|table| table.name == "rows").map(|rows| rows.entries)
        });
        sheet.add([
            gid.0.into(),
            applied.map(|id| id.index).into(),
            applied.map(|id| id.leader_id.term).into(),
            environment.map(voters).into(),
            rows.into(),
            environment.map(|environment| environment.used_bytes).into(),
            report.marker.as_ref().map(|marker| marker.clean).into(),
            report.snapshots.len().into(),
        ]);
    });
    findings.add(sheet);
}

/// Everything a glance at the environments tells.
pub fn details(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    groups(directory, only, findings);
    let mut sizes = Sheet::new(
        "environments",
        &["group", "cluster", "group_time_ms", "used_bytes", "file_bytes", "incarnation"],
    );
    let mut members = Sheet::new("members", &["group", "id", "name", "peer"]);
    let mut tables = Sheet::new("tables", &["group", "table", "entries", "depth", "bytes"]);
    let mut collections = Sheet::new("collections", &["name", "id", "dropping"]);
    each(directory, only, Depth::Glance, findings, |gid, report, _| {
        let Some(environment) = &report.environment else { return };
        sizes.add([
            gid.0.into(),
            environment.cluster.map(|cluster| cluster.to_string()).into(),
            environment.group_time_ms.into(),
            environment.used_bytes.into(),
            environment.file_bytes.into(),
            report.marker.as_ref().map(|marker| marker.incarnation.to_string()).into(),
        ]);
        for (id, member) in environment.membership.nodes() {
            members.add([
                gid.0.into(),
                id.0.into(),
                member.name.as_str().into(),
                member.peer.as_str().into(),
            ]);
        }
        for table in &environment.tables {
            tables.add([
                gid.0.into(),
                table.name.into(),
                table.entries.into(),
                table.depth.into(),
                table.bytes.into(),
            ]);
        }
        let catalogue = environment.meta.iter().flat_map(|meta| meta.collections.iter());
        for (name, collection) in catalogue {
            collections.add([
                name.as_ref().into(),
                collection.id.0.into(),
                collection.dropping.into(),
            ]);
        }
    });
    [sizes, members, tables, collections].into_iter().for_each(|sheet| findings.add(sheet));
}

/// A line per snapshot file.
pub fn snapshots(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    snapshots_at(directory, only, Depth::Glance, findings);
}

/// Checks every row and every snapshot.
pub fn verify(directory: &Directory, only: Option<GroupId>, findings: &mut Findings) {
    let columns = &["group", "rows", "bytes", "digest", "dedup_items", "problems"];
    let mut sheet = Sheet::new("verified state", columns);
    each(directory, only, Depth::Verify, findings, |gid, report, findings| {
        let environment = report.environment.as_ref();
        let Some(scrub) = environment.and_then(|environment| environment.scrub.as_ref()) else {
            return;
        };
        for described in &scrub.described {
            findings.problem(PART, Some(gid.0), described);
        }
        let silent = scrub.problems.saturating_sub(scrub.described.len() as u64);
        if silent > 0 {
            findings.problem(PART, Some(gid.0), format!("{silent} more"));
        }
        sheet.add([
            gid.0.into(),
            scrub.total.rows.into(),
            scrub.total.bytes.into(),
            format!("{:032x}", scrub.total.digest).into(),
            scrub.dedup_items.into(),
            scrub.problems.into(),
        ]);
    });
    findings.add(sheet);
    snapshots_at(directory, only, Depth::Verify, findings);
}

fn snapshots_at(
    directory: &Directory,
    only: Option<GroupId>,
    depth: Depth,
    findings: &mut Findings,
) {
    let columns = &["group", "file", "bytes", "raw_bytes", "last", "term", "checked"];
    let mut sheet = Sheet::new("snapshots", columns);
    for (gid, folder) in directory.groups(only) {
        let report = match look(&folder, Depth::Glance) {
            Ok(report) => report,
            Err(error) => {
                findings.problem(PART, Some(gid.0), error);
                continue;
            }
        };
        for found in report.snapshots {
            // The environment is read once; only the file is read whole.
            let found = state::inspect::look_at_snapshot(&found.path, depth);
            sheet.add(snapshot_row(gid, &found, findings));
        }
    }
    findings.add(sheet);
}

fn snapshot_row(gid: GroupId, found: &SnapshotReport, findings: &mut Findings) -> [Value; 7] {
    let name = found.path.file_name().unwrap_or_default().to_string_lossy();
    let mut bad = |error: &dyn ToString| {
        findings.problem(SNAPSHOT, Some(gid.0), format!("{name}: {}", error.to_string()));
    };
    if let Some(Err(error)) = &found.content {
        bad(error);
    }
    let file = found.file.as_ref().map_err(|error| bad(error)).ok();
    let last = file.and_then(|file| file.header().last.as_ref());
    [
        gid.0.into(),
        name.as_ref().into(),
        file.map(state::SnapshotFile::bytes).into(),
        file.map(|file| file.header().raw_bytes).into(),
        last.map(|id| id.index).into(),
        last.map(|id| id.leader_id.term).into(),
        found.content.as_ref().map(Result::is_ok).into(),
    ]
}

/// Calls `show` with what lies in each group's folder.
fn each(
    directory: &Directory,
    only: Option<GroupId>,
    depth: Depth,
    findings: &mut Findings,
    mut show: impl FnMut(GroupId, &Report, &mut Findings),
) {
    for (gid, folder) in directory.groups(only) {
        match look(&folder, depth) {
            Ok(report) => show(gid, &report, findings),
            Err(error) => findings.problem(PART, Some(gid.0), error),
        }
    }
}

fn look(folder: &Path, depth: Depth) -> Result<Report, state::OpenError> {
    state::inspect::look(folder, depth)
}

fn voters(environment: &EnvironmentReport) -> String {
    entry::voters(&state::membership::encode(environment.membership.membership()))
}
