//! Same seed: do two processes do the same with it, to the letter?

use std::fs;
use std::process::Command;

use tempfile::TempDir;

/// Long enough for some faults of the seed.
const TICKS: &str = "9000";
/// A seed that cuts links and takes power away within that time.
const SEED: &str = "7";

/// The trace and the last line of a run in a process of its own.
fn run(directory: &TempDir, name: &str) -> (String, String) {
    let trace = directory.path().join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["--seed", SEED, "--ticks", TICKS, "--trace"])
        .arg(&trace)
        .output()
        .expect("start the simulation");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let trace = fs::read_to_string(trace).expect("read the trace");
    (trace, text.lines().last().unwrap_or_default().to_owned())
}

/// The word of the last line that starts so.
fn word<'t>(last: &'t str, start: &str) -> &'t str {
    last.split(' ').find(|word| word.starts_with(start)).unwrap_or_default()
}

#[test]
fn one_seed_in_two_processes_gives_one_trace() {
    let directory = TempDir::new().unwrap();
    let (one, one_last) = run(&directory, "one");
    let (other, other_last) = run(&directory, "other");
    for (number, (one, other)) in one.lines().zip(other.lines()).enumerate() {
        assert_eq!(one, other, "line {} is the first that differs", number + 1);
    }
    assert_eq!(one.lines().count(), other.lines().count(), "one ended before the other");
    assert_eq!(word(&one_last, "trace="), word(&other_last, "trace="));
    assert!(word(&one_last, "trace=").len() > "trace=".len(), "{one_last}");
    assert_ne!(word(&one_last, "faults="), "faults=0", "{one_last}");
}
