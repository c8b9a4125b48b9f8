//! The `rdb` process: its allocator, and nothing else. See the library beside it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rdb::cli::run().into()
}
