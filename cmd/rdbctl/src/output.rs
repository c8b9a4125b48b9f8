//! Output: the one place that prints. Data goes to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints text to stdout as it stands. A closed pipe (`rdbctl range c | head`)
/// is the reader's choice; anything else that stops the data is the caller's news.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Says on stderr what there is to know beside the data.
pub(crate) fn progress(line: impl Display) {
    let _closed = writeln!(io::stderr(), "{line}");
}

/// Asks on stderr, without a line's end.
pub(crate) fn prompt(question: impl Display) {
    let mut stderr = io::stderr();
    let _closed = write!(stderr, "{question}").and_then(|()| stderr.flush());
}
