//! Metadata: what cargo knows about our crates and the locked ones.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Which crates to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The workspace's own, as their manifests stand. Needs no lock file.
    Members,
    /// Everything in the lock file, which must be current.
    Locked,
}

/// What `cargo metadata` answers.
pub(crate) fn query(root: &Path, scope: Scope) -> Result<Value, String> {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.current_dir(root).args(["metadata", "--format-version", "1"]);
    match scope {
        Scope::Members => cargo.args(["--no-deps", "--offline"]),
        Scope::Locked => cargo.arg("--locked"),
    };
    let output = cargo.output().map_err(|error| format!("start cargo metadata: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata failed: {}", why.trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// A text field, empty if it is absent.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A list field, empty if it is absent.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
