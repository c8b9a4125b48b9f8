//! Many: runs kept seeds and new ones, each in a process of its own.
//!
//! A process of its own, because what libraries keep per process (counters, seeds of
//! hash maps) would make a run depend on those before it.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::faults::KINDS;
use crate::seeds::{self, Kept};
use crate::tally::Tally;

/// How long one run may take. Far longer than any does: one that does not end is a
/// finding too.
const RUN_MAX: Duration = Duration::from_secs(900);

/// Between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs after which every kind of fault must have occurred.
const KINDS_AFTER: usize = 100;

/// What is to be run.
#[derive(Debug)]
pub struct Many {
    /// How many new seeds.
    pub seeds: u32,
    /// The first of them; the others follow.
    pub base: u64,
    /// Milliseconds in which things break, for new seeds.
    pub ticks: u32,
    /// Processes at once.
    pub jobs: usize,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// Where histories and outputs of failures are kept.
    pub keep: PathBuf,
}

/// How far the runs are.
#[derive(Default)]
struct Progress {
    begun: usize,
    done: usize,
    failed: usize,
    /// What the last lines of all runs counted.
    counted: Tally,
    /// Faults that took effect, by kind.
    kinds: Tally,
}

impl Many {
    /// Runs them and prints what came of it. Returns whether nothing was found.
    #[must_use]
    pub fn run(&self) -> bool {
        fs::create_dir_all(&self.keep).expect("make the directory for what is kept");
        let new = (0..u64::from(self.seeds)).map(|n| Kept {
            seed: self.base.wrapping_add(n),
            ticks: self.ticks,
            reason: String::new(),
        });
        let runs: Vec<Kept> = seeds::kept().into_iter().chain(new).collect();
        println!("sim: base={} seeds={} ticks={}", self.base, self.seeds, self.ticks);
        let start = Instant::now();
        let progress = Mutex::new(Progress::default());
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&runs, &progress));
            }
        });
        let progress = progress.into_inner();
        let missing = progress.missing_kinds();
        if !missing.is_empty() {
            println!("no run had a fault of kind {}", missing.join(", "));
        }
        println!("faults: {}", progress.kinds);
        let Progress { done, failed, counted, .. } = &progress;
        let [ticks, ops, faults] = ["ticks", "ops", "faults"].map(|name| counted.get(name));
        let seconds = start.elapsed().as_secs();
        print!("sim: runs={done} failed={failed} seconds={seconds} ");
        println!("ticks={ticks} ops={ops} faults={faults}");
        *failed == 0 && missing.is_empty()
    }

    /// One of the workers: takes runs until none is left, or one failed.
    fn work(&self, runs: &[Kept], progress: &Mutex<Progress>) {
        loop {
            let next = {
                let mut progress = progress.lock();
                if progress.failed > 0 && !self.keep_going {
                    return;
                }
                progress.begun += 1;
                runs.get(progress.begun - 1)
            };
            let Some(next) = next else { return };
            let ended = self.run_one(next).expect("start a process and keep its output");
            progress.lock().note(runs.len(), next, &ended);
            if ended.is_clean {
                let _kept_for_nothing = fs::remove_file(&ended.history);
                let _kept_for_nothing = fs::remove_file(&ended.output);
            }
        }
    }

    fn run_one(&self, kept: &Kept) -> io::Result<Ended> {
        let name = format!("{}-{}", kept.seed, kept.ticks);
        let history = self.keep.join(format!("{name}.jsonl"));
        let output = self.keep.join(format!("{name}.out"));
        let file = File::create(&output)?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--seed", &kept.seed.to_string(), "--ticks", &kept.ticks.to_string()])
            .arg("--history")
            .arg(&history)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait()? {
                break Some(status);
            }
            if start.elapsed() > RUN_MAX {
                process.kill()?;
                process.wait()?;
                break None;
            }
            thread::sleep(LOOK_EVERY);
        };
        let text = fs::read_to_string(&output)?;
        Ok(Ended { is_clean: status.is_some_and(|status| status.success()), text, history, output })
    }
}

/// A run that is over.
struct Ended {
    is_clean: bool,
    text: String,
    history: PathBuf,
    output: PathBuf,
}

impl Ended {
    /// What stands behind `start` in the output.
    fn after(&self, start: &str) -> &str {
        let mut lines = self.text.lines().rev();
        lines.find_map(|line| line.strip_prefix(start)).unwrap_or_default()
    }
}

impl Progress {
    fn note(&mut self, runs: usize, kept: &Kept, ended: &Ended) {
        self.done += 1;
        self.kinds.add_all(&Tally::read(ended.after("installed: ")));
        self.counted.add_all(&Tally::read(ended.after("sim: ")));
        let Kept { seed, ticks, reason } = kept;
        let done = self.done;
        if ended.is_clean {
            let reason = if reason.is_empty() { "" } else { " (kept)" };
            println!("[{done}/{runs}]{reason} {}", ended.after("sim: "));
            return;
        }
        self.failed += 1;
        println!("[{done}/{runs}] FAILED: {reason}\n{}", ended.text);
        println!("history: {}", ended.history.display());
        println!("again: cargo run --release -p sim -- --seed {seed} --ticks {ticks} --log info");
    }

    /// The kinds of faults that many runs should have had and did not.
    fn missing_kinds(&self) -> Vec<&'static str> {
        let expected = if self.done < KINDS_AFTER { &[][..] } else { &KINDS };
        expected.iter().copied().filter(|kind| self.kinds.get(kind) == 0).collect()
    }
}
