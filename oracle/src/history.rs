//! History: what happened in a run, as its recorder saw it.

mod format;
mod line;

use std::io::BufRead;

pub use self::format::{Broken, Reader, Writer};
pub use self::line::{
    Digest, Exit, FORMAT, Fault, Header, Line, Op, Operation, Outcome, Phase, Plan, Wrong,
};

/// A whole run in memory.
#[derive(Clone, Debug)]
pub struct History {
    /// What made it and what it had to reach.
    pub header: Header,
    /// What clients asked and were answered.
    pub operations: Vec<Recorded>,
    /// What was broken.
    pub faults: Vec<Fault>,
    /// What the replicas held at the end.
    pub digests: Vec<Digest>,
    /// Processes that ended.
    pub exits: Vec<Exit>,
    lines: usize,
}

/// An operation and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The line of the file, from 1; without a file, the line it would have.
    pub line: usize,
    /// The operation.
    pub operation: Operation,
}

impl History {
    /// A history in which nothing happened yet.
    #[must_use]
    pub fn new(header: Header) -> Self {
        let (operations, faults, digests, exits) = Default::default();
        Self { header, operations, faults, digests, exits, lines: 1 }
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// If it contradicts itself, or is a second header.
    pub fn push(&mut self, line: Line) -> Result<(), Wrong> {
        line.validate()?;
        self.lines += 1;
        match line {
            Line::Header(_) => return Err(Wrong::SecondHeader),
            Line::Op(operation) => {
                self.operations.push(Recorded { line: self.lines, operation });
            }
            Line::Fault(fault) => self.faults.push(fault),
            Line::Digest(digest) => self.digests.push(digest),
            Line::Exit(exit) => self.exits.push(exit),
        }
        Ok(())
    }

    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// If the input fails, or any line is not what it should be.
    pub fn read(input: impl BufRead) -> Result<Self, Broken> {
        let mut reader = Reader::new(input)?;
        let mut history = Self::new(reader.header().clone());
        while let Some(line) = reader.next() {
            let line = line?;
            history.push(line).map_err(|wrong| Broken::Wrong { line: reader.line(), wrong })?;
        }
        Ok(history)
    }
}
