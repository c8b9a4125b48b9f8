//! Format: a history as lines of JSON.
//!
//! Both ends stream: a line is written when it is known, and read when it is asked
//! for. A line that is not what it should be ends the reading with an error that
//! names it; nothing is skipped, since what was skipped could be what was wrong.

use std::io::{self, BufRead, Write};

use super::line::{Header, Line, Wrong};

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The input failed.
    #[error("line {line}: read: {source}")]
    Input {
        /// Where.
        line: usize,
        /// How.
        source: io::Error,
    },
    /// The line is no record of this format.
    #[error("line {line}: {source}")]
    Malformed {
        /// Where.
        line: usize,
        /// How.
        source: serde_json::Error,
    },
    /// The line contradicts itself.
    #[error("line {line}: {wrong}")]
    Wrong {
        /// Where.
        line: usize,
        /// How.
        wrong: Wrong,
    },
    /// The first line is no header, or there is none.
    #[error("line 1: a history begins with its header")]
    NoHeader,
    /// The last line has no end, so its writer may have been cut off.
    #[error("line {line}: cut off: no newline at its end")]
    CutOff {
        /// Where.
        line: usize,
    },
}

/// Reads a history line by line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: usize,
    text: String,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// If there is none, or it is of another format.
    pub fn new(mut input: R) -> Result<Self, Broken> {
        let mut text = String::new();
        match next_line(&mut input, &mut text, 1)? {
            Some(Line::Header(header)) => Ok(Self { input, header, line: 1, text }),
            _ => Err(Broken::NoHeader),
        }
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Line, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        next_line(&mut self.input, &mut self.text, self.line).transpose()
    }
}

/// Reads one line; `None` at the end of the input.
fn next_line(
    input: &mut impl BufRead,
    text: &mut String,
    number: usize,
) -> Result<Option<Line>, Broken> {
    text.clear();
    let read = input.read_line(text).map_err(|source| Broken::Input { line: number, source })?;
    if read == 0 {
        return Ok(None);
    }
    if !text.ends_with('\n') {
        return Err(Broken::CutOff { line: number });
    }
    let line: Line =
        serde_json::from_str(text).map_err(|source| Broken::Malformed { line: number, source })?;
    line.validate().map_err(|wrong| Broken::Wrong { line: number, wrong })?;
    Ok(Some(line))
}

/// Writes a history line by line.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// If the output fails, or the header is of another format.
    pub fn new(output: W, header: Header) -> io::Result<Self> {
        let mut writer = Self { output };
        writer.write(&Line::Header(header))?;
        Ok(writer)
    }

    /// Writes one line.
    ///
    /// # Errors
    ///
    /// If the output fails, or the line contradicts itself: nobody could read it.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        line.validate().map_err(|wrong| io::Error::new(io::ErrorKind::InvalidData, wrong))?;
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.output.write_all(text.as_bytes())
    }

    /// Gives the output back.
    ///
    /// # Errors
    ///
    /// If what is buffered cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}
