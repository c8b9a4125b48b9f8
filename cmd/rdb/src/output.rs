//! Output: the one place that prints. Data goes to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line of data to stdout. A closed pipe (`rdb config example | head`)
/// is the reader's choice, not an error.
pub(crate) fn data(line: impl Display) {
    let _closed = writeln!(io::stdout(), "{line}");
}

/// Prints text to stdout as it stands.
pub(crate) fn text(text: impl Display) {
    let _closed = write!(io::stdout(), "{text}");
}

/// Says on stderr what is going on.
pub(crate) fn progress(line: impl Display) {
    let _closed = writeln!(io::stderr(), "{line}");
}

/// Says on stderr what went wrong.
pub(crate) fn error(error: impl Display) {
    let _closed = writeln!(io::stderr(), "error: {error}");
}

/// Says on stderr what looks wrong but does not stop anything.
pub(crate) fn warning(warning: impl Display) {
    let _closed = writeln!(io::stderr(), "warning: {warning}");
}
