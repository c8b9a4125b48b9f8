//! Run: one cluster, one plan, from founding to the last read.
//!
//! First things break while clients write. Then everything is healed, and the
//! cluster has a bounded time to serve again and to make its replicas equal. Then
//! every row is read, through every node and from every replica, and replicas are
//! compared by their digests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oracle::{Digest, Header, History, Line};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tests::binary;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::plan::{NODES, Plan};
use crate::stand::Stand;

/// How long founding may take.
const FOUNDING: Duration = Duration::from_secs(60);
/// How long a healed cluster may take until it serves, and until its replicas are equal.
const HEALING: Duration = Duration::from_secs(30);
/// Writes that the healed cluster must acknowledge.
const HEALED_WRITES: usize = 100;
/// How long clients may take to end, with every repetition.
const ENDING: Duration = Duration::from_secs(60);
/// How long the last reads may take.
const READING: Duration = Duration::from_secs(120);
/// How long a node may take to stop.
const STOPPING: Duration = Duration::from_secs(20);
/// How often replicas are looked at until all have one index.
const COMPARED_MAX: usize = 10;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// What happened.
    pub history: History,
    /// What must not be and has no place in a history.
    pub violations: Vec<String>,
}

/// Does the plan. `say` is told what happens.
///
/// # Errors
///
/// If there is nothing to judge: the cluster was never founded.
pub async fn run(plan: &Plan, stand: &Stand, say: impl Fn(&str)) -> Result<Ran, String> {
    let founded = stand.wait_whole(FOUNDING).await?;
    say(&format!("founded in {founded:.1?}"));
    let mut clients = JoinSet::new();
    let mut dice = SmallRng::seed_from_u64(plan.seed ^ 0x5eed);
    for _ in 0..plan.clients {
        clients.spawn(Client::new(Arc::clone(&stand.stage), dice.random()).run());
    }
    let start = Instant::now();
    for planned in &plan.faults {
        sleep(planned.calm).await;
        let beside = planned.beside.map(|kind| format!(" beside {}", kind.name()));
        let kind = format!("{}{}", planned.kind.name(), beside.unwrap_or_default());
        match stand.strike(planned).await {
            Ok(target) => say(&format!("{kind}: {target}")),
            Err(why) => say(&format!("{kind}: NOT INSTALLED: {why}")),
        }
    }
    sleep(plan.run.saturating_sub(start.elapsed())).await;
    heal(stand, &mut clients, &say).await;
    finish(stand, &say).await;
    Ok(into_ran(plan, stand))
}

/// Nothing breaks any more: the cluster must serve, and its replicas become equal.
async fn heal(stand: &Stand, clients: &mut JoinSet<()>, say: &impl Fn(&str)) {
    stand.mend();
    match stand.wait_serving(HEALING).await {
        Ok(took) => say(&format!("healed in {took:.1?}")),
        Err(why) => stand.stage.violated(format!("the healed cluster does not serve: {why}")),
    }
    let (before, start) = (stand.stage.acknowledged(), Instant::now());
    while stand.stage.acknowledged() < before + HEALED_WRITES {
        if start.elapsed() > HEALING {
            stand.stage.violated("the healed cluster acknowledges no writes".to_owned());
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    stand.stage.end_run();
    join(stand, clients, ENDING, "the clients").await;
    if let Err(why) = stand.wait_whole(HEALING).await {
        stand.stage.violated(format!("replicas do not become equal: {why}"));
    }
}

/// Reads everything back, compares the replicas, and stops the nodes.
async fn finish(stand: &Stand, say: &impl Fn(&str)) {
    let keys: Arc<[String]> = stand.stage.rota.all().into();
    say(&format!("reading {} rows back", keys.len()));
    let mut readers = JoinSet::new();
    for n in 0..NODES {
        let reader = Client::new(Arc::clone(&stand.stage), 0);
        readers.spawn(reader.read_all(n, Arc::clone(&keys)));
    }
    join(stand, &mut readers, READING, "the readers").await;
    for n in 0..NODES {
        let reader = Client::new(Arc::clone(&stand.stage), 0);
        readers.spawn(reader.read_replica(n, Arc::clone(&keys)));
    }
    join(stand, &mut readers, READING, "the readers of replicas").await;
    for _ in 0..COMPARED_MAX {
        if compare(stand) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    for member in &stand.members {
        if !member.terminate(STOPPING).await {
            stand.stage.violated(format!("{} does not stop at the end", member.node.name));
        }
    }
}

async fn join(stand: &Stand, tasks: &mut JoinSet<()>, limit: Duration, whose: &str) {
    let ended = timeout(limit, async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                stand.stage.violated(format!("{whose}: {error}"));
            }
        }
    });
    if ended.await.is_err() {
        stand.stage.violated(format!("{whose} do not end in {limit:?}"));
        tasks.shutdown().await;
    }
}

/// Notes the digest of every replica. Whether all replicas were at the same index.
fn compare(stand: &Stand) -> bool {
    let mut indexes = Vec::new();
    for member in &stand.members {
        let (name, data) = (&member.node.name, &member.node.data);
        let inspected = |args: &[&str]| -> Result<Value, String> {
            let output = binary::inspect(data, &[args, &["-o", "json"]].concat());
            serde_json::from_slice(&output.stdout).map_err(|error| {
                format!("{name}: {error}: {}", String::from_utf8_lossy(&output.stderr))
            })
        };
        let looks = (inspected(&["state"]), inspected(&["verify"]), inspected(&["state"]));
        let (Ok(before), Ok(verified), Ok(after)) = &looks else {
            stand.stage.violated(format!("cannot inspect {looks:?}"));
            return true;
        };
        if verified.get("problems").and_then(Value::as_array).is_none_or(|found| !found.is_empty())
        {
            stand.stage.violated(format!("{name}: problems in {verified}"));
        }
        let applied = column(before, "state", "applied");
        if applied != column(after, "state", "applied") {
            return false;
        }
        for (group, digest) in column(verified, "verified state", "digest") {
            let at = applied.iter().find(|(of, _)| *of == group).and_then(|(_, at)| at.as_u64());
            stand.stage.note(Line::Digest(Digest {
                node: name.clone(),
                group,
                applied: at.unwrap_or_default(),
                digest: digest.as_str().unwrap_or_default().to_owned(),
            }));
        }
        indexes.push(applied);
    }
    indexes.iter().zip(indexes.iter().skip(1)).all(|(one, other)| one == other)
}

/// The values of one column of a sheet, by group.
fn column(inspected: &Value, sheet: &str, name: &str) -> Vec<(u64, Value)> {
    let rows = inspected.get(sheet).and_then(Value::as_array);
    let cell = |row: &Value| Some((row.get("group")?.as_u64()?, row.get(name)?.clone()));
    rows.into_iter().flatten().filter_map(cell).collect()
}

fn into_ran(plan: &Plan, stand: &Stand) -> Ran {
    let header = Header {
        format: oracle::history::FORMAT,
        seed: plan.seed,
        made_by: format!("chaos {}", env!("CARGO_PKG_VERSION")),
        plan: plan.goal(),
    };
    let mut history = History::new(header);
    let mut violations = stand.stage.take_violations();
    for line in stand.stage.take_lines() {
        if let Err(wrong) = history.push(line.clone()) {
            violations.push(format!("{wrong}: {line:?}"));
        }
    }
    Ran { history, violations }
}
