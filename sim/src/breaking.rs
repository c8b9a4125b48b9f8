//! Breaking: carries a plan's faults out, while clients write.

use std::sync::atomic::Ordering;

use oracle::{Fault as FaultLine, Line};

use crate::faults::{Fault, Planned};
use crate::stand::{DOWN, Stand, nanos};

/// Breaks what the plan says until the run is over.
pub fn break_things(stand: &mut Stand<'_>) {
    let mut at_work: Vec<Planned> = Vec::new();
    let mut waiting = stand.plan.faults.clone().into_iter().peekable();
    while stand.sim.elapsed() < stand.plan.run && !stand.ended {
        let now = stand.sim.elapsed();
        let (over, still) = at_work.into_iter().partition(|planned| planned.end <= now);
        at_work = still;
        end_all(stand, over);
        while let Some(planned) = waiting.next_if(|planned| planned.begin <= now) {
            begin(stand, &planned);
            at_work.push(planned);
        }
        stand.step();
    }
    end_all(stand, at_work);
}

fn begin(stand: &mut Stand<'_>, planned: &Planned) {
    match &planned.fault {
        Fault::Kill(nodes) => {
            for n in nodes {
                stand.crash(*n, planned.end);
            }
        }
        Fault::PowerLoss(nodes) => {
            for n in nodes {
                stand.crash(*n, planned.end);
                let seed = rand::RngExt::random(&mut stand.dice);
                stand.with(*n, |node| node.lose_power(seed));
            }
        }
        Fault::Stop(n) => stand.with(*n, |node| node.stop.notify_one()),
        Fault::Partition(one, other) => stand.links(one, other, |sim, a, b| sim.partition(a, b)),
        Fault::OneWay(from, to) => {
            stand.links(&[*from], to, |sim, a, b| sim.partition_oneway(a, b));
        }
        Fault::Hold(one, others) => stand.links(&[*one], others, |sim, a, b| sim.hold(a, b)),
        Fault::CutOff(n) => stand.client_links(*n, |sim, a, b| sim.partition(a, b)),
        Fault::Loss(rate) => stand.sim.set_fail_rate(*rate),
        Fault::Delay(most) => stand.sim.set_max_message_latency(*most),
        Fault::SlowDisk(n, sync) => stand.with(*n, |node| node.disk.set_sync(*sync)),
        Fault::BrokenLog(n, batch, failure) => {
            stand.with(*n, |node| node.disk.break_log_at(*batch, *failure));
            stand.crash(*n, planned.begin + DOWN);
        }
        Fault::BrokenState(n, write, failure) => {
            stand.with(*n, |node| node.disk.break_state_at(*write, *failure));
            stand.crash(*n, planned.begin + DOWN);
        }
        Fault::FullDisk(n) => {
            let room = stand.plan.settings.disk_reserve_bytes / 2;
            stand.with(*n, |node| node.disk.set_free_bytes(Some(room)));
        }
        Fault::Clock(n, skew) => {
            let skew = skew.cast_unsigned();
            stand.with(*n, |node| node.skew_ms.store(skew, Ordering::Relaxed));
        }
    }
}

fn end_all(stand: &mut Stand<'_>, over: Vec<Planned>) {
    for planned in over {
        let installed = end(stand, &planned.fault);
        stand.stage.note(Line::Fault(FaultLine {
            kind: planned.fault.kind().to_owned(),
            target: format!("{:?}", planned.fault),
            begin_ns: nanos(planned.begin),
            end_ns: Some(nanos(stand.sim.elapsed())),
            installed,
        }));
    }
}

/// Returns whether the fault took effect.
fn end(stand: &mut Stand<'_>, fault: &Fault) -> bool {
    match fault {
        // Whoever is down comes back at its time.
        Fault::Kill(_) | Fault::PowerLoss(_) => {}
        Fault::Stop(n) => {
            let now = stand.sim.elapsed();
            stand.crash(*n, now);
        }
        Fault::Partition(one, other) => stand.links(one, other, |sim, a, b| sim.repair(a, b)),
        Fault::OneWay(from, to) => stand.links(&[*from], to, |sim, a, b| sim.repair_oneway(a, b)),
        Fault::Hold(one, others) => stand.links(&[*one], others, |sim, a, b| sim.release(a, b)),
        Fault::CutOff(n) => stand.client_links(*n, |sim, a, b| sim.repair(a, b)),
        Fault::Loss(_) => stand.sim.set_fail_rate(0.0),
        Fault::Delay(_) => stand.sim.set_max_message_latency(stand.plan.latency.1),
        Fault::SlowDisk(n, _) => {
            let sync = stand.plan.syncs.get(*n).copied().unwrap_or_default();
            stand.with(*n, |node| node.disk.set_sync(sync));
        }
        Fault::BrokenLog(n, ..) | Fault::BrokenState(n, ..) => return mend(stand, *n),
        Fault::FullDisk(n) => stand.with(*n, |node| node.disk.set_free_bytes(None)),
        Fault::Clock(n, _) => stand.with(*n, |node| node.skew_ms.store(0, Ordering::Relaxed)),
    }
    true
}

/// Returns whether the disk broke. One that did not yet does not break any more.
fn mend(stand: &mut Stand<'_>, n: usize) -> bool {
    let broke = stand.nodes.get(n).is_some_and(|node| node.disk.mend());
    if !broke {
        let now = stand.sim.elapsed();
        stand.crash(n, now);
    }
    broke
}
