//! Binary: where is the `rdb` that is tested?
//!
//! Beside this executable: `target/<profile>/rdb`. Cargo builds it when the
//! whole workspace is tested; with `-p tests` alone it takes what is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The environment variable that names another binary.
pub const VARIABLE: &str = "TEST_RDB_BINARY";

/// The binary under test.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return path.into();
    }
    let this = std::env::current_exe().expect("a running program has a path");
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join("rdb"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "there is no `rdb` beside {}; build it with `cargo build --bin rdb`, or run \
             `cargo test --workspace`, which does",
            this.display()
        )
    })
}

/// A command that runs the binary, deaf to the settings of whoever runs the tests.
#[must_use]
pub fn command() -> Command {
    quiet(Command::new(path()))
}

/// The same program with no `RDB_*` variable of ours in its environment.
pub(crate) fn quiet(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RDB_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `rdb inspect DIRECTORY ARGS`.
///
/// # Panics
///
/// If it cannot be started.
#[must_use]
pub fn inspect(directory: &Path, args: &[&str]) -> Output {
    command().arg("inspect").arg(directory).args(args).output().expect("start rdb inspect")
}
