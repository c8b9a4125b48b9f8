//! Output: the one place that prints. Data goes to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;

use crate::cli::Voice;

/// Moves the cursor to the upper left corner and clears what is below it.
const CLEAR_SCREEN: &str = "\u{1b}[H\u{1b}[J";

/// Moves the cursor to the start of the line and clears the line.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// The longest passing line: it must not wrap, or it could not be taken back.
const PASSING_CHARS_MAX: usize = 79;

/// Prints text to stdout as it stands. `Break`: nobody reads any more
/// (`rdbctl scan c | head`), which is the reader's choice. An error stops the
/// data, so it is the caller's news.
pub(crate) fn text(text: &str) -> io::Result<ControlFlow<()>> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error),
    }
}

/// Prints text in place of what the terminal shows; without a terminal, after an empty line.
pub(crate) fn screen(shown: &str, first: bool) -> io::Result<ControlFlow<()>> {
    let before = match (io::stdout().is_terminal(), first) {
        (true, _) => CLEAR_SCREEN,
        (false, true) => "",
        (false, false) => "\n",
    };
    text(&format!("{before}{shown}"))
}

/// Says on stderr what there is to know beside the data.
pub(crate) fn note(line: impl Display) {
    let _closed = writeln!(io::stderr(), "{line}");
}

/// Asks on stderr, without a line's end.
pub(crate) fn prompt(question: impl Display) {
    let mut stderr = io::stderr();
    let _closed = write!(stderr, "{question}").and_then(|()| stderr.flush());
}

/// How far something is, on stderr: one line that is replaced at a terminal,
/// elsewhere a line for each change. Nothing when quiet.
#[derive(Debug)]
pub(crate) struct Progress {
    mode: Mode,
    last: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    Quiet,
    Replace,
    Lines,
}

impl Progress {
    pub(crate) fn new(voice: Voice) -> Self {
        let mode = match voice {
            Voice::Quiet => Mode::Quiet,
            Voice::Normal if io::stderr().is_terminal() => Mode::Replace,
            // The steps in between would be written over a line that is to be replaced.
            Voice::Normal | Voice::Verbose => Mode::Lines,
        };
        Self { mode, last: String::new() }
    }

    /// Whether lines are replaced, so that there may be many of them.
    pub(crate) fn passes(&self) -> bool {
        self.mode == Mode::Replace
    }

    pub(crate) fn tell(&mut self, line: &str) {
        if line == self.last {
            return;
        }
        line.clone_into(&mut self.last);
        match self.mode {
            Mode::Quiet => {}
            Mode::Replace => {
                let line: String = line.chars().take(PASSING_CHARS_MAX).collect();
                prompt(format_args!("{CLEAR_LINE}{line}"));
            }
            Mode::Lines => note(line),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.passes() && !self.last.is_empty() {
            prompt(CLEAR_LINE);
        }
    }
}
