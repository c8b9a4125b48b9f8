//! Shell: what do the system's own tools say?

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs a command; gives what it printed.
///
/// # Errors
///
/// If it cannot be started or fails; with what it complained about.
pub fn run(words: &[&str]) -> Result<String, String> {
    feed(words, "")
}

/// The same, with `input` for it to read.
///
/// # Errors
///
/// If it cannot be started or fails; with what it complained about.
pub fn feed(words: &[&str], input: &str) -> Result<String, String> {
    let told = || words.join(" ");
    let (program, args) = words.split_first().ok_or("no command")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", told()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read it says why by failing.
        let _closed = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{}: {error}", told()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}: {}", told(), output.status, errors.trim()))
}

/// Whether there is such a program.
#[must_use]
pub fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v -- \"$0\"", program])
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
