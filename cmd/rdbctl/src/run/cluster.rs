//! Cluster: asks nodes how they and their groups are, and for snapshots.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use client::Error;
use client::health::Probe;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cli::{ClusterVerb, Form, Health, InspectKey, Snapshot, Status, Voice, Wait};
use crate::exit::Exit;
use crate::failure::{Failure, silence};
use crate::output::{self, Progress};
use crate::place::Place;
use crate::run::{Contact, Done, bench, deliver, read_failure, undelivered};
use crate::snapshot::Round;
use crate::status::{Report, list, problem, screen};
use crate::{health, place, wait};

/// Between two looks at a cluster that is waited for: a fraction of an election.
const WAIT_PAUSE: Duration = Duration::from_millis(200);

/// Does what a verb says.
pub(super) async fn perform(contact: &Contact, verb: &ClusterVerb) -> Result<Done, Failure> {
    let form = contact.form_or(Form::Table);
    match verb {
        ClusterVerb::Status(args) if args.watch => watch(contact, args, form).await,
        ClusterVerb::Status(args) => status(contact, args, form).await,
        ClusterVerb::Nodes => Ok(list::nodes(&report(contact).await?, form).into()),
        ClusterVerb::Groups => Ok(list::groups(&report(contact).await?, form).into()),
        ClusterVerb::Health(args) => health(contact, args, form).await,
        ClusterVerb::Wait(args) => wait(contact, args, form).await,
        ClusterVerb::Snapshot(args) => snapshot(contact, args, form).await,
        ClusterVerb::InspectKey(args) => inspect(contact, args, form).await,
        ClusterVerb::Bench(args) => bench::perform(contact, args, form).await,
    }
}

async fn status(contact: &Contact, args: &Status, form: Form) -> Result<Done, Failure> {
    let report = report(contact).await?;
    let problems = problem::problems(&report);
    let text = screen::render(&report, &problems, form);
    let sick = args.check && !problems.is_empty();
    let exit = if sick { Exit::Unhealthy } else { Exit::Success };
    Ok(Done { text, exit, ..Done::default() })
}

/// What the endpoints know, if any of them answers.
async fn report(contact: &Contact) -> Result<Report, Failure> {
    let seen = contact.client.statuses().await;
    let silent = seen.iter().map(|seen| (&*seen.endpoint, seen.status.as_ref().err()));
    all_silent(silent, "no endpoint gives a status").map_or_else(|| Ok(Report::of(&seen)), Err)
}

/// The failure if nobody has said anything: the first error has the hint.
fn all_silent<'s>(
    said: impl Iterator<Item = (&'s str, Option<&'s Error>)>,
    what: &str,
) -> Option<Failure> {
    let silent: Vec<_> =
        said.map(|(endpoint, error)| Some((endpoint, error?))).collect::<Option<_>>()?;
    let (_, first) = silent.first()?;
    let each = silent.iter().map(|(endpoint, error)| format!("\n  {endpoint}: {}", silence(error)));
    let message = format!("{what}:{}", each.collect::<String>());
    Some(Failure { message, ..read_failure((*first).clone()) })
}

/// Shows the status until Ctrl-C, or until nobody looks. Silence is shown as
/// well: whoever watches wants to see the cluster come back.
async fn watch(contact: &Contact, args: &Status, form: Form) -> Result<Done, Failure> {
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut first = true;
    loop {
        let seen = tokio::select! {
            seen = contact.client.statuses() => seen,
            _ = &mut interrupt => break,
        };
        let report = Report::of(&seen);
        let text = screen::render(&report, &problem::problems(&report), form);
        if output::screen(&text, first).map_err(undelivered)? == ControlFlow::Break(()) {
            break;
        }
        first = false;
        tokio::select! {
            () = sleep(args.interval) => {}
            _ = &mut interrupt => break,
        }
    }
    Ok(Done::default())
}

async fn health(contact: &Contact, args: &Health, form: Form) -> Result<Done, Failure> {
    let probe = if args.live { Probe::Live } else { Probe::Ready };
    let healths = contact.client.healths(probe).await;
    let silent = healths.iter().map(|health| (&*health.endpoint, health.checkup.as_ref().err()));
    if let Some(failure) = all_silent(silent, "no endpoint says how it is") {
        return Err(Failure { exit: Exit::Unreachable, ..failure });
    }
    let ill_only = contact.voice == Voice::Quiet;
    let text = health::render(&healths, probe, ill_only, form);
    if health::all_well(&healths) {
        return Ok(text.into());
    }
    let note = Some("hint: `rdbctl status` shows what is wrong".to_owned());
    Ok(Done { text, note, exit: Exit::Unhealthy })
}

async fn wait(contact: &Contact, args: &Wait, form: Form) -> Result<Done, Failure> {
    let started = Instant::now();
    let deadline = started + args.patience;
    let mut progress = Progress::new(contact.voice);
    let mut missing = "no endpoint answered in time".to_owned();
    while let Ok(seen) = timeout_at(deadline, contact.client.statuses()).await {
        let report = Report::of(&seen);
        match wait::missing(&report, args.nodes) {
            None => return Ok(wait::render(&report, started.elapsed().as_millis(), form).into()),
            Some(still) => missing = still,
        }
        progress.tell(&missing);
        if timeout_at(deadline, sleep(WAIT_PAUSE)).await.is_err() {
            break;
        }
    }
    Err(Failure {
        exit: Exit::Unavailable,
        message: format!("after {:?}: {missing}", args.patience),
        hint: "`rdbctl status` shows more; --for waits longer, --nodes is content with fewer"
            .to_owned(),
    })
}

async fn snapshot(contact: &Contact, args: &Snapshot, form: Form) -> Result<Done, Failure> {
    let deadline = Instant::now() + args.patience;
    let asked = contact.client.ask_snapshots().await;
    let deaf = asked.iter().map(|asked| (&*asked.endpoint, asked.noted.as_ref().err()));
    if let Some(failure) = all_silent(deaf, "no endpoint takes a snapshot") {
        return Err(failure);
    }
    let mut round = Round::of(&asked);
    let mut progress = Progress::new(contact.voice);
    while let Ok(seen) = timeout_at(deadline, contact.client.statuses()).await {
        round.look(&seen);
        if round.is_over() {
            break;
        }
        progress.tell(&round.progress());
        if timeout_at(deadline, sleep(WAIT_PAUSE)).await.is_err() {
            break;
        }
    }
    drop(progress);
    let text = round.render(form);
    let Some((what, hint)) = round.shortfall() else {
        return Ok(Done { text, note: round.note(), ..Done::default() });
    };
    // What is there is there, whatever else is not.
    let _read_or_not = deliver(&text)?;
    Err(Failure { exit: Exit::Unavailable, message: what, hint: hint.to_owned() })
}

async fn inspect(contact: &Contact, args: &InspectKey, form: Form) -> Result<Done, Failure> {
    let InspectKey { collection, key, replicas } = args;
    let client = &contact.client;
    let (located, seen) = tokio::join!(client.locate(collection, key), client.statuses());
    let located = located.map_err(read_failure)?;
    let report = Report::of(&seen);
    let group = report.groups.iter().find(|group| Some(group.gid) == located.group);
    // Asked after the truth was read, so that only a replica that lags is behind it.
    let held = if *replicas { Some(client.locate_everywhere(collection, key).await) } else { None };
    let exit = if located.row.is_some() { Exit::Success } else { Exit::NotFound };
    let place = Place {
        collection: collection.clone(),
        key: key.clone(),
        leader: group.and_then(|group| group.leader.clone()),
        located,
        held,
    };
    Ok(Done { text: place::render(&place, form), exit, ..Done::default() })
}
