//! Telemetry: where do log lines and panics go? To stderr, as text or JSON.

use std::backtrace::Backtrace;
use std::io;
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};

/// Sends log lines to stderr from here on, and makes a panic on any thread end
/// the process: a node that lost a task is worth less than one that restarts.
///
/// # Panics
///
/// If it is called twice, or with a level that the check of the config refuses.
pub fn start(log: &Log) {
    let filter = EnvFilter::builder().parse(&log.level).expect("the config is checked");
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    panic::set_hook(Box::new(end_the_process));
}

fn end_the_process(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    let thread = std::thread::current();
    tracing::error!(
        place,
        thread = thread.name().unwrap_or("unnamed"),
        backtrace = %Backtrace::force_capture(),
        "panic: {message}"
    );
    std::process::abort();
}
