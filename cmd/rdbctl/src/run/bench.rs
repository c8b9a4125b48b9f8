//! Bench: asks before it takes a collection, and gives it back.

use crate::bench::{load, report};
use crate::cli::{Bench, Form};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Progress;
use crate::run::{Contact, Done, consent, read_failure};

/// Puts the load on the cluster and shows how it did.
pub(super) async fn perform(contact: &Contact, bench: &Bench, form: Form) -> Result<Done, Failure> {
    let Contact { client, voice, .. } = contact;
    let name = &bench.collection;
    if load::is_foreign(client, name).await.map_err(read_failure)? {
        let what = if bench.keep { "writing into" } else { "writing into and then dropping" };
        consent(bench.yes, &format!("{what} collection `{name}`, which no bench made,"), name)?;
    }
    load::mark(client, name).await.map_err(read_failure)?;
    let (tally, elapsed) = {
        let mut progress = Progress::new(*voice);
        load::run(client, bench, &mut progress).await
    };
    let dropped = if bench.keep { Ok(()) } else { client.drop_collection(name).await };
    if let (0, Some(error)) = (tally.ok(), &tally.example) {
        return Err(read_failure(error.clone()));
    }
    let left = |error| format!("note: collection `{name}` is still there: {error}");
    let exit = if tally.failed() == 0 { Exit::Success } else { Exit::Unhealthy };
    let text = report::render(bench, &tally, elapsed, form);
    Ok(Done { text, note: dropped.err().map(left), exit })
}
