//! Runs simulated clusters: one seed, or many, each in a process of its own.

#![allow(clippy::print_stderr, reason = "a build that cannot keep its word says so")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser;
use sim::many::Many;
use sim::one::One;

/// Runs a simulated cluster of five nodes, breaks it, and judges what clients saw.
#[derive(Debug, Parser)]
struct Args {
    /// Decides everything.
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    seed: u64,
    /// Milliseconds of simulated time in which things break.
    #[arg(long, default_value_t = 30_000)]
    ticks: u32,
    /// Keeps the history in this file.
    #[arg(long, conflicts_with = "seeds")]
    history: Option<PathBuf>,
    /// Keeps the trace, which is the same in every run of the seed, in this file.
    #[arg(long, conflicts_with = "seeds")]
    trace: Option<PathBuf>,
    /// Shows the nodes' logs, by a filter such as `info` or `raft=debug`.
    #[arg(long, conflicts_with = "seeds")]
    log: Option<String>,
    /// Runs every kept seed, then this many new ones.
    #[arg(long)]
    seeds: Option<u32>,
    /// The first of the new seeds; chosen and printed if not given.
    #[arg(long, requires = "seeds")]
    base: Option<u64>,
    /// Processes at once; as many as there are processors if not given.
    #[arg(long, requires = "seeds")]
    jobs: Option<usize>,
    /// Goes on after a failure.
    #[arg(long, requires = "seeds")]
    keep_going: bool,
    /// Where histories and outputs of failures are kept.
    #[arg(long, requires = "seeds", default_value = "target/sim")]
    keep: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !cfg!(tokio_unstable) {
        eprintln!("sim: built without --cfg tokio_unstable: is RUSTFLAGS set?");
        return ExitCode::FAILURE;
    }
    let Args { seed, ticks, history, trace, log, .. } = args;
    let is_clean = match args.seeds {
        None => One { seed, ticks, history, trace, log }.run(),
        Some(seeds) => {
            let processors = || available_parallelism().map_or(1, usize::from);
            let many = Many {
                seeds,
                base: args.base.unwrap_or_else(|| u64::from(rand::random::<u32>())),
                ticks,
                jobs: args.jobs.unwrap_or_else(processors),
                keep_going: args.keep_going,
                keep: args.keep,
            };
            many.run()
        }
    };
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
