//! Runs simulated clusters: one seed, or many, each in a process of its own.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use oracle::history::Writer;
use oracle::{History, Limits, Line, judge};
use sim::plan::Plan;

/// Runs a simulated cluster of five nodes, breaks it, and judges what clients saw.
#[derive(Debug, Parser)]
struct Args {
    /// Decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Milliseconds of simulated time in which things break.
    #[arg(long, default_value_t = 30_000)]
    ticks: u32,
    /// Keeps the history in this file.
    #[arg(long)]
    history: Option<PathBuf>,
    /// Shows the nodes' logs, by a filter such as `info` or `raft=debug`.
    #[arg(long)]
    log: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(filter) = &args.log {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    }
    let plan = Plan::new(args.seed, args.ticks);
    let memory = Path::new("/dev/shm");
    let data = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let data = data.expect("make a directory for the nodes");
    let start = Instant::now();
    let ran = sim::run::run(&plan, data.path());
    let took = start.elapsed();
    if let Some(path) = &args.history {
        keep(path, &ran.history).expect("write the history");
    }
    let verdict = judge(&ran.history, &Limits::default());
    for violation in &ran.violations {
        println!("violation: {violation}");
    }
    let simulated = ran.simulated.as_millis();
    let speed = simulated * 1000 / took.as_millis().max(1);
    println!("sim: seed={} ticks={simulated} per_second={speed} {verdict}", args.seed);
    match ran.violations.is_empty() && verdict.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn keep(path: &Path, history: &History) -> io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = Writer::new(file, history.header.clone())?;
    for recorded in &history.operations {
        writer.write(&Line::Op(recorded.operation.clone()))?;
    }
    for fault in &history.faults {
        writer.write(&Line::Fault(fault.clone()))?;
    }
    for exit in &history.exits {
        writer.write(&Line::Exit(exit.clone()))?;
    }
    writer.finish()?;
    Ok(())
}
