//! Runs a cluster of real processes, breaks it by a plan, and judges what clients saw.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chaos::faults::Kind;
use chaos::plan::Plan;
use chaos::run::{self, Ran};
use chaos::stand::Stand;
use chaos::{evidence, ground, holding};
use clap::Parser;
use oracle::{Limits, judge};
use tokio::signal::unix::{SignalKind, signal};

/// Breaks five real nodes for a while, and judges what clients saw.
#[derive(Debug, Parser)]
struct Args {
    /// How long clients write; the plan is made for it.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Decides the plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps the history in this file.
    #[arg(long)]
    history: Option<PathBuf>,
    /// Keeps what a run that was not clean leaves behind in this folder.
    #[arg(long, default_value = "target/chaos")]
    evidence: PathBuf,
    /// Plans only faults of these kinds.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Does nothing but hold packets, for a time between these, milliseconds.
    #[arg(long, hide = true, value_delimiter = ',', num_args = 1)]
    hold_packets: Vec<u64>,
    /// Names the kinds that this machine can bear, and ends.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let [least, most] = *args.hold_packets {
        let ended = holding::hold(Duration::from_millis(least), Duration::from_millis(most));
        eprintln!("chaos: holding packets: {ended:?}");
        return ExitCode::FAILURE;
    }
    let kinds = match kinds(&args.only) {
        Ok(kinds) => kinds,
        Err(why) => {
            eprintln!("chaos: {why}");
            return ExitCode::from(2);
        }
    };
    if args.list {
        kinds.iter().for_each(|kind| println!("{}", kind.name()));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads");
    runtime.block_on(async {
        tokio::select! {
            ended = whole(&args, &kinds) => ended.unwrap_or_else(|why| {
                eprintln!("chaos: {why}");
                ExitCode::FAILURE
            }),
            () = told_to_stop() => {
                eprintln!("chaos: told to stop");
                ExitCode::from(130)
            }
        }
    })
}

fn kinds(only: &[String]) -> Result<Vec<Kind>, String> {
    let offered = ground::kinds();
    if only.is_empty() {
        return Ok(offered);
    }
    let known = |name: &String| {
        let kind = Kind::named(name).ok_or_else(|| format!("no fault is called `{name}`"))?;
        let why = || format!("this machine cannot bear `{name}`");
        offered.contains(&kind).then_some(kind).ok_or_else(why)
    };
    only.iter().map(known).collect()
}

async fn told_to_stop() {
    let listen = |kind| signal(kind).expect("the system takes a handler");
    let mut asked =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(listen);
    let asked = asked.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures::future::select_all(asked).await;
}

async fn whole(args: &Args, kinds: &[Kind]) -> Result<ExitCode, String> {
    let plan = Plan::new(args.seed, Duration::from_secs(args.seconds), kinds);
    let root = tempfile::Builder::new().prefix("rdb-chaos-").tempdir();
    let root = root.map_err(|error| format!("make a directory: {error}"))?;
    let start = Instant::now();
    let stand = Stand::start(&plan, root.path())?;
    let say = |text: &str| eprintln!("chaos: {:>6.1}s {text}", start.elapsed().as_secs_f64());
    let ran = run::run(&plan, &stand, say).await;
    let Ran { history, violations } = match ran {
        Ok(ran) => ran,
        Err(why) => {
            let kept = root.keep();
            return Err(format!("not founded: {why}; see the logs in {}", kept.display()));
        }
    };
    say(&format!("judging {} operations", history.operations.len()));
    let mut verdict = judge(&history, &Limits::default());
    verdict.violations += violations.len();
    let mut report = String::new();
    for violation in &violations {
        report.push_str(&format!("violation: {violation}\n"));
    }
    for finding in &verdict.shown {
        report.push_str(&format!("{finding}\n"));
    }
    let line = format!("chaos: seed={} seconds={} {verdict}", args.seed, args.seconds);
    report.push_str(&line);
    if let Some(path) = &args.history {
        evidence::write_history(path, &history).map_err(|error| error.to_string())?;
    }
    say("judged");
    if !verdict.is_clean() {
        match evidence::keep(&args.evidence, &plan, &stand, (&history, &report)) {
            Ok(kept) => eprintln!("chaos: evidence is in {}", kept.display()),
            Err(why) => eprintln!("chaos: evidence is lost: {why}"),
        }
    }
    drop(stand);
    println!("{report}");
    Ok(if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
