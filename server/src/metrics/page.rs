//! Page: which figure is shown under which name?

use api::figures::{Figures, GroupFigures};
use api::meter::{Counter, Distribution};
use api::service::Service;

use super::catalogue::{self as metric, Metric};
use super::exposition::{Dialect, Exposition};
use super::process::Process;
use crate::counters::Counters;
use crate::door::Door;
use crate::health;

/// The interface that is counted.
const API: &str = "command";

/// Reads every figure and writes the whole page. Blocks on the disk, briefly.
pub(super) fn write<S: Service>(door: &Door<S>, dialect: Dialect) -> String {
    let figures = door.service.figures();
    let mut page = Exposition::new(dialect);
    of_node(&mut page, door);
    of_requests(&mut page, door, &figures);
    of_connections(&mut page, &door.counters);
    of_certificates(&mut page, door);
    of_consensus(&mut page, &figures);
    of_storage(&mut page, &figures);
    of_process(&mut page, Process::read());
    page.finish()
}

fn of_node<S: Service>(page: &mut Exposition, door: &Door<S>) {
    page.family(&metric::BUILD).sample(&[env!("CARGO_PKG_VERSION")], 1);
    page.family(&metric::SERVER_START).sample(&[], door.start_seconds);
    let mut checks = page.family(&metric::HEALTH);
    for check in health::checks(door) {
        checks.sample(&["readyz", check.name], u8::from(check.failure.is_none()));
    }
}

fn of_requests<S: Service>(page: &mut Exposition, door: &Door<S>, figures: &Figures) {
    let mut ended = page.family(&metric::REQUESTS);
    door.requests.read(|op, by_code, _| {
        for (code, count) in by_code {
            ended.sample(&[API, op, code], count);
        }
    });
    let mut took = page.family(&metric::REQUEST_DURATION);
    door.requests.read(|op, _, distribution| {
        took.distribution(&[API, op], &distribution);
    });
    let in_flight = door.options.requests_max.saturating_sub(door.places.available_permits());
    page.family(&metric::REQUESTS_IN_FLIGHT).sample(&[], in_flight);
    page.family(&metric::REQUEST_PANICS).sample(&[], door.counters.panics.get());
    each_group(page, &metric::REQUESTS_FORWARDED, figures, |group| group.raft.forwarded);
}

fn of_connections(page: &mut Exposition, counters: &Counters) {
    let mut count = |metric, labeled: &[(&[&str], &Counter)]| {
        let mut family = page.family(metric);
        for (labels, counter) in labeled {
            family.sample(labels, counter.get());
        }
    };
    count(&metric::CONNECTIONS_ACCEPTED, &[(&[], &counters.accepted)]);
    count(
        &metric::CONNECTIONS_REFUSED,
        &[(&["full"], &counters.refused_full), (&["peer"], &counters.refused_peer)],
    );
    count(
        &metric::CONNECTIONS_CUT,
        &[(&["slow"], &counters.cut_slow), (&["drain"], &counters.cut_drain)],
    );
    count(&metric::ACCEPT_ERRORS, &[(&[], &counters.accept_errors)]);
    count(&metric::HANDSHAKES_FAILED, &[(&[], &counters.handshakes_failed)]);
}

fn of_certificates<S: Service>(page: &mut Exposition, door: &Door<S>) {
    let mut expiry = page.family(&metric::CERTIFICATE_EXPIRY);
    for (role, valid_until) in door.expiries.read() {
        expiry.sample(&[role.name()], valid_until.unix_seconds());
    }
}

fn of_consensus(page: &mut Exposition, figures: &Figures) {
    let mut reachable = page.family(&metric::PEER_REACHABLE);
    for (peer, answers) in &figures.peers {
        reachable.sample(&[peer], u8::from(*answers));
    }
    each_group(page, &metric::HAS_LEADER, figures, |group| group.raft.has_leader.into());
    each_group(page, &metric::IS_LEADER, figures, |group| group.raft.is_leader.into());
    each_group(page, &metric::TERM, figures, |group| group.raft.term);
    each_group(page, &metric::LEADER_CHANGES, figures, |group| group.raft.leader_changes);
    each_group(page, &metric::COMMITTED, figures, |group| group.raft.committed);
    each_group(page, &metric::APPLIED, figures, |group| group.raft.applied);
    let mut lags = page.family(&metric::COMMIT_LAG);
    for group in &figures.groups {
        for (peer, lag) in &group.raft.lags {
            lags.sample(&[&group.group.to_string(), peer], lag);
        }
    }
    each_group(page, &metric::PROPOSALS_PENDING, figures, |group| group.raft.pending as u64);
    each_group(page, &metric::PROPOSALS_FAILED, figures, |group| group.raft.failed);
    let behind = |group: &GroupFigures| group.raft.log_bytes_behind_snapshot;
    each_group(page, &metric::LOG_BEHIND_SNAPSHOT, figures, behind);
}

fn of_storage(page: &mut Exposition, figures: &Figures) {
    let mut syncs = page.family(&metric::WAL_FSYNC);
    if let Some(log) = &figures.log {
        syncs.distribution(&[], &log.sync);
    }
    let mut batches = page.family(&metric::WAL_BATCH);
    if let Some(log) = &figures.log {
        batches.distribution(&[], &log.entries);
    }
    each_distribution(page, &metric::APPLY, figures, |group| &group.state.apply);
    each_distribution(page, &metric::SNAPSHOT_BUILD, figures, |group| &group.state.build);
    each_distribution(page, &metric::SNAPSHOT_INSTALL, figures, |group| &group.state.install);
    let mut sizes = page.family(&metric::SNAPSHOT_SIZE);
    for group in &figures.groups {
        if let Some(bytes) = group.state.snapshot_bytes {
            sizes.sample(&[&group.group.to_string()], bytes);
        }
    }
    let deferred = |group: &GroupFigures| group.state.builds_deferred;
    each_group(page, &metric::SNAPSHOTS_DEFERRED, figures, deferred);
    let failed = |group: &GroupFigures| group.raft.arrivals_failed;
    each_group(page, &metric::SNAPSHOT_ARRIVALS_FAILED, figures, failed);
    of_disk(page, figures);
}

fn of_disk(page: &mut Exposition, figures: &Figures) {
    let states = || figures.groups.iter().map(|group| &group.state);
    // A sum that lacks one of its parts would be a wrong number.
    let state_bytes = states().map(|state| state.used_bytes).sum::<Option<u64>>();
    let has_groups = !figures.groups.is_empty();
    let mut used = page.family(&metric::STORAGE_USED);
    if let Some(bytes) = figures.log.as_ref().and_then(|log| log.used_bytes) {
        used.sample(&["log"], bytes);
    }
    if let Some(bytes) = state_bytes.filter(|_| has_groups) {
        used.sample(&["state"], bytes);
        used.sample(&["snapshots"], states().filter_map(|s| s.snapshot_bytes).sum::<u64>());
    }
    let mut free = page.family(&metric::STORAGE_FREE);
    if let Some(space) = figures.space {
        free.sample(&[], space.free_bytes);
    }
    let mut reserve = page.family(&metric::STORAGE_RESERVE);
    if let Some(space) = figures.space {
        reserve.sample(&[], space.reserve_bytes);
    }
}

fn of_process(page: &mut Exposition, process: Option<Process>) {
    let mut show = |metric, value: Option<f64>| {
        let mut family = page.family(metric);
        if let Some(value) = value {
            family.sample(&[], value);
        }
    };
    show(&metric::CPU, process.map(|it| it.cpu_seconds));
    show(&metric::MEMORY, process.map(|it| it.resident_bytes as f64));
    show(&metric::DESCRIPTORS, process.map(|it| it.descriptors as f64));
    show(&metric::DESCRIPTORS_MAX, process.and_then(|it| it.descriptors_max).map(|max| max as f64));
    show(&metric::THREADS, process.map(|it| it.threads as f64));
    show(&metric::PROCESS_START, process.map(|it| it.start_seconds));
}

/// One whole number per group.
fn each_group(
    page: &mut Exposition,
    metric: &'static Metric,
    figures: &Figures,
    read: impl Fn(&GroupFigures) -> u64,
) {
    let mut family = page.family(metric);
    for group in &figures.groups {
        family.sample(&[&group.group.to_string()], read(group));
    }
}

/// One histogram per group.
fn each_distribution(
    page: &mut Exposition,
    metric: &'static Metric,
    figures: &Figures,
    read: impl Fn(&GroupFigures) -> &Distribution,
) {
    let mut family = page.family(metric);
    for group in &figures.groups {
        family.distribution(&[&group.group.to_string()], read(group));
    }
}
