//! Gate: the checks a change must pass, in the order that fails fastest.
//!
//! [`ci`] runs every step even after one failed, so that one run shows all
//! there is to repair, and ends with a table of steps, results and times.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{deny, report, tidy};

/// One finished step.
struct Step {
    name: &'static str,
    passed: bool,
    took: Duration,
}

/// The read-only gate. Returns whether every step passed.
pub(crate) fn ci(root: &Path) -> bool {
    let mut steps = Vec::new();
    let mut step = |name, run: &dyn Fn() -> bool| {
        println!("\n== {name}");
        let start = Instant::now();
        let passed = run();
        steps.push(Step { name, passed, took: start.elapsed() });
    };
    step("fmt", &|| cargo(root, &["fmt", "--all", "--check"], &[]));
    step("tidy", &|| report("tidy", tidy::check(root)));
    step("clippy", &|| cargo(root, &CLIPPY, &[]));
    step("test", &|| test(root));
    step("doc", &|| cargo(root, &DOC, &[("RUSTDOCFLAGS", "-D warnings")]));
    step("deny", &|| report("deny", deny::check(root)) && cargo_deny(root));
    summary(&steps)
}

/// The mutating twin: formats, and lets clippy repair what it can.
pub(crate) fn fix(root: &Path) -> bool {
    let clippy =
        ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"];
    cargo(root, &clippy, &[]) && cargo(root, &["fmt", "--all"], &[])
}

const CLIPPY: [&str; 7] =
    ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];

const DOC: [&str; 4] = ["doc", "--workspace", "--no-deps", "--locked"];

fn test(root: &Path) -> bool {
    if installed(root, "nextest") {
        // nextest runs no doctests.
        cargo(root, &["nextest", "run", "--workspace", "--locked"], &[])
            && cargo(root, &["test", "--workspace", "--locked", "--doc"], &[])
    } else {
        cargo(root, &["test", "--workspace", "--locked"], &[])
    }
}

fn cargo_deny(root: &Path) -> bool {
    if installed(root, "deny") {
        return cargo(root, &["deny", "check", "bans", "licenses", "sources"], &[]);
    }
    println!("NOTE: cargo-deny is not installed; only xtask's own reading of deny.toml ran.");
    println!("NOTE: security advisories were not checked.");
    true
}

fn installed(root: &Path, subcommand: &str) -> bool {
    let status = Command::new("cargo")
        .current_dir(root)
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Runs cargo at the root; whether it ended well.
pub(crate) fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> bool {
    println!("$ cargo {}", arguments.join(" "));
    let status = Command::new("cargo")
        .current_dir(root)
        .args(arguments)
        .envs(environment.iter().copied())
        .status();
    match status {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            false
        }
    }
}

fn summary(steps: &[Step]) -> bool {
    println!("\nstep     result  seconds");
    for step in steps {
        let result = if step.passed { "ok" } else { "FAILED" };
        println!("{:<8} {result:<7} {:>7.1}", step.name, step.took.as_secs_f64());
    }
    steps.iter().all(|step| step.passed)
}
