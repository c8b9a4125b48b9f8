//! Build: a running group's state to a new snapshot.
//!
//! Runs beside the state thread: the copy reads one transaction, while later
//! entries are applied. The environment cannot close while it is copied.

use std::path::Path;

use disk::environment::DATA_FILE;
use disk::fault::OrFault;
use disk::file::rename_durably;
use disk::{Environment, Fault};

use super::{Header, SnapshotFile, install, pack};
use crate::step::Step;
use crate::store::Shared;

/// Builds a snapshot of what is applied now, keeps it and prunes old ones.
pub(crate) fn build(shared: &Shared) -> Result<SnapshotFile, Fault> {
    let shelf = &shared.shelf;
    let _one_at_a_time = shelf.building.lock();
    let bench = shared.folder.workbench("build")?;
    {
        let _environment_stays = shelf.copying.lock();
        let environment: Environment = shared.gate.environment()?;
        shared.options.flush.copy(&environment, &bench.join(DATA_FILE))?;
        // An inspecting process that was killed must not hold pages for ever.
        let _cleared =
            environment.heed().clear_stale_readers().or_fault("clear readers", bench.as_path())?;
    }
    shared.steps.reach(Step::Copied)?;

    let header = read_header(shared, &bench)?;
    let raw = bench.join(DATA_FILE);
    let packed = pack::pack(&raw, &header, &bench.join("packed"))?;
    shared.steps.reach(Step::Packed)?;

    let place = shelf.place(&packed);
    rename_durably(packed.path(), &place)?;
    let kept = packed.moved_to(place);
    shelf.add(kept.clone());
    shared.steps.reach(Step::Named)?;

    shelf.prune()?;
    shared.folder.clear(&bench)?;
    shared.steps.reach(Step::Pruned)?;
    Ok(kept)
}

/// What the copy in `bench` is a copy of, read from the copy itself.
fn read_header(shared: &Shared, bench: &Path) -> Result<Header, Fault> {
    let raw = bench.join(DATA_FILE);
    let raw_bytes = raw.metadata().or_fault("measure copy", &raw)?.len();
    let content = install::read_content(bench, shared.options.map_bytes, None)?
        .ok_or_else(|| Fault::corrupt("read copy", &raw, "no system rows"))?;
    let options = &shared.options;
    assert_eq!(content.origin.cluster, options.cluster, "the state belongs to this cluster");
    assert_eq!(content.origin.group, options.group, "the state belongs to this group");
    Ok(Header {
        cluster: content.origin.cluster,
        group: content.origin.group,
        last: content.position.last,
        membership: content.position.membership,
        raw_bytes,
    })
}
