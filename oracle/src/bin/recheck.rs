//! Recheck: what does today's oracle say of old histories?
//!
//! `cargo run --release -p oracle --bin recheck -- FILE...` judges each file again
//! and ends with 0 only if all are clean.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use oracle::history::Broken;
use oracle::{History, Limits, judge};

/// Judges recorded histories again.
#[derive(Debug, Parser)]
struct Args {
    /// Histories, as described in docs/testing.md.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The most steps of a search for a linearization of one row.
    #[arg(long, default_value_t = Limits::default().steps_max)]
    steps_max: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let limits = Limits { steps_max: args.steps_max, ..Limits::default() };
    let clean = args.files.iter().filter(|file| report(file, &limits)).count();
    println!("{clean} of {} clean", args.files.len());
    if clean == args.files.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what is to be said of a file; whether it is clean.
fn report(file: &Path, limits: &Limits) -> bool {
    let begin = Instant::now();
    let history = match read(file) {
        Ok(history) => history,
        Err(broken) => {
            println!("{}: {broken}", file.display());
            return false;
        }
    };
    let verdict = judge(&history, limits);
    let header = &history.header;
    println!("{}: by {}, seed {}", file.display(), header.made_by, header.seed);
    println!("  {verdict}");
    for finding in &verdict.shown {
        println!("  {finding}");
    }
    println!(
        "  {}, in {:?}",
        if verdict.is_clean() { "clean" } else { "NOT CLEAN" },
        begin.elapsed()
    );
    verdict.is_clean()
}

fn read(file: &Path) -> Result<History, Broken> {
    let input = File::open(file).map_err(|source| Broken::Input { line: 1, source })?;
    History::read(BufReader::new(input))
}
