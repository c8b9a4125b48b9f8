//! Chaos: builds the nodes and what breaks them, and runs it.

use std::path::Path;
use std::process::Command;

/// Builds `rdb` and `chaos`, and runs the latter with these arguments. The build is
/// the one the tests use, so that both share it.
pub(crate) fn run(root: &Path, arguments: impl Iterator<Item = String>) -> bool {
    let mut build = Command::new("cargo");
    build.current_dir(root).args(["build", "--quiet", "--locked"]);
    build.args(["-p", "rdb", "-p", "chaos", "--bin", "rdb", "--bin", "chaos"]);
    let mut run = Command::new("cargo");
    run.current_dir(root).args(["run", "--quiet", "--locked", "-p", "chaos", "--"]);
    run.args(arguments);
    [build, run].iter_mut().all(|command| match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            false
        }
    })
}
