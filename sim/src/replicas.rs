//! Replicas: is every replica's state sound, and do they all hold the same?

use std::fmt::Debug;

use disk::Fault;
use oracle::{Digest, Line};
use raft::group::Group;
use xxhash_rust::xxh3::xxh3_64;

use crate::stand::Stand;

/// Scrubs every replica and takes down what it holds. Nobody writes any more.
pub fn compare(stand: &mut Stand<'_>) {
    let mut violations = Vec::new();
    for node in &stand.nodes {
        let Some(running) = node.running().and_then(|node| node.running().ok()) else { continue };
        for group in running.groups.values() {
            match scrub(group) {
                Ok(scrubbed) => {
                    let described = scrubbed.problems.into_iter();
                    let name = &node.name;
                    violations.extend(
                        described.map(|what| format!("group {} on {name}: {what}", group.gid)),
                    );
                    stand.stage.note(Line::Digest(Digest {
                        node: name.clone(),
                        group: u64::from(group.gid.0),
                        applied: scrubbed.applied,
                        digest: scrubbed.digest,
                    }));
                }
                Err(fault) => violations.push(format!("{}: {fault}", node.name)),
            }
        }
    }
    stand.violations.append(&mut violations);
}

struct Scrubbed {
    applied: u64,
    digest: String,
    problems: Vec<String>,
}

fn scrub(group: &Group) -> Result<Scrubbed, Fault> {
    let view = group.store.view()?;
    let report = view.verify()?;
    let meta = group.store.meta().map(|meta| meta.borrow().clone());
    let rows = (report.total, report.dedup_items, view.fences()?, view.owned_shards()?);
    let digest = digest(&(rows, view.group_time_ms()?, meta));
    Ok(Scrubbed { applied: view.applied_index()?, digest, problems: report.described })
}

fn digest(of: &impl Debug) -> String {
    format!("{:016x}", xxh3_64(format!("{of:?}").as_bytes()))
}
