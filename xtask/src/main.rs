//! xtask: everything a contributor or a build machine runs, in one place.
//!
//! * `cargo xtask ci`: the whole gate. Reads only; never edits a file.
//! * `cargo xtask fix`: formats, and applies what clippy can fix itself.
//! * `cargo xtask tidy`: the house rules that no compiler knows ([`tidy`]).
//! * `cargo xtask deny`: bans, licences and sources of the locked crates ([`deny`]).
//! * `cargo xtask fuzz`: hostile bytes at every decoder, for long ([`fuzz`]).
//! * `cargo xtask chaos`: breaks five real nodes for a while ([`chaos`]).
//!
//! # Not here
//!
//! No crate of the workspace depends on this one, and it depends on none of
//! them: the gate must still build when they do not.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks")]

mod chaos;
mod deny;
mod finding;
mod fuzz;
mod gate;
mod metadata;
mod tidy;
mod tree;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  ci     run the whole gate; changes nothing
  fix    format, and apply clippy's own fixes
  tidy   check the house rules
  deny   check bans, licences and sources of the locked crates
  chaos  break five real nodes for a while: --seconds N --seed S [--history FILE]
  fuzz [--seconds N] [NAME]
         try every decoder, or those with NAME in theirs, N seconds each (60)";

fn main() -> ExitCode {
    let root = tree::root();
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let done = match command.as_deref() {
        Some("ci") => gate::ci(&root),
        Some("fix") => gate::fix(&root),
        Some("tidy") => report("tidy", tidy::check(&root)),
        Some("deny") => report("deny", deny::check(&root)),
        Some("fuzz") => match fuzz::Plan::parse(arguments) {
            Some(plan) => plan.run(&root),
            None => return misused(),
        },
        Some("chaos") => chaos::run(&root, arguments),
        _ => return misused(),
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Prints what a check found and whether that is nothing.
fn report(check: &str, found: Result<Vec<finding::Finding>, String>) -> bool {
    match found {
        Ok(findings) if findings.is_empty() => {
            println!("{check}: ok");
            true
        }
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("{check}: {} findings", findings.len());
            false
        }
        Err(why) => {
            eprintln!("{check}: cannot run: {why}");
            false
        }
    }
}

/// Where a file lies, as findings name it: relative to the root, with `/`.
fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
