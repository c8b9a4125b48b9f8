//! The `rdbctl` process, and nothing else. See the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    rdbctl::run::run().into()
}
