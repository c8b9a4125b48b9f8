//! One: runs a seed in this process and says what came of it.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oracle::history::Writer;
use oracle::{History, Limits, Line, judge};
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::time::FormatTime;

use crate::plan::Plan;
use crate::run;
use crate::tally::Tally;
use crate::trace;

/// Never reached: steps bound a search, so that a busy machine judges like an idle one.
const SEARCH_MAX: Duration = Duration::from_secs(3_600);

/// A seed and what is kept of its run. A thread can run one, once.
#[derive(Debug)]
pub struct One {
    /// Decides everything.
    pub seed: u64,
    /// Milliseconds in which things break.
    pub ticks: u32,
    /// Where the history is kept.
    pub history: Option<PathBuf>,
    /// Where the trace is kept.
    pub trace: Option<PathBuf>,
    /// What is shown of the nodes' logs.
    pub log: Option<String>,
}

impl One {
    /// Runs it and prints what came of it. Returns whether nothing was found.
    #[must_use]
    pub fn run(&self) -> bool {
        if let Some(filter) = &self.log {
            let log = tracing_subscriber::fmt().with_env_filter(filter).with_timer(SimTime);
            log.with_writer(io::stderr).with_ansi(false).init();
        }
        let plan = Plan::new(self.seed, self.ticks);
        let memory = Path::new("/dev/shm");
        let data = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let data = data.expect("make a directory for the nodes");
        let start = Instant::now();
        let ran = run::run(&plan, data.path());
        let took = start.elapsed();
        if let Some(path) = &self.history {
            keep(path, &ran.history).expect("write the history");
        }
        if let Some(path) = &self.trace {
            fs::write(path, ran.trace.join("\n") + "\n").expect("write the trace");
        }
        let limits = Limits { time_max: SEARCH_MAX, ..Limits::default() };
        let verdict = judge(&ran.history, &limits);
        for finding in &verdict.shown {
            println!("finding: {finding}");
        }
        for violation in &ran.violations {
            println!("violation: {violation}");
        }
        println!("installed: {}", installed(&ran.history));
        let ticks = ran.simulated.as_millis();
        let per_second = ticks * 1000 / took.as_millis().max(1);
        let trace = trace::digest(&ran.trace);
        let broken = ran.violations.len();
        println!(
            "sim: seed={} ticks={ticks} per_second={per_second} {verdict} broken={broken} \
             trace={trace:016x}",
            self.seed
        );
        ran.violations.is_empty() && verdict.is_clean()
    }
}

/// Faults that took effect, by kind.
fn installed(history: &History) -> Tally {
    let mut kinds = Tally::default();
    for fault in history.faults.iter().filter(|fault| fault.installed) {
        kinds.add(&fault.kind, 1);
    }
    kinds
}

/// Time in the nodes' logs: what passed in the simulation.
struct SimTime;

impl FormatTime for SimTime {
    fn format_time(&self, w: &mut format::Writer<'_>) -> fmt::Result {
        write!(w, "{:>9.3?}", turmoil::sim_elapsed().unwrap_or_default())
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
    for digest in &history.digests {
        writer.write(&Line::Digest(digest.clone()))?;
    }
    for exit in &history.exits {
        writer.write(&Line::Exit(exit.clone()))?;
    }
    writer.finish()?;
    Ok(())
}
