//! Consent: may something be destroyed?

use crate::exit::Exit;
use crate::failure::Failure;

/// Whether the user agrees to lose something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Said on the command line.
    Given,
    /// There is somebody to ask.
    Ask,
    /// There is nobody to ask, and silence is no consent.
    Missing,
}

impl Consent {
    /// What `--yes` and a terminal at stdin come to.
    #[must_use]
    pub fn of(yes: bool, terminal: bool) -> Self {
        match (yes, terminal) {
            (true, _) => Self::Given,
            (false, true) => Self::Ask,
            (false, false) => Self::Missing,
        }
    }

    /// Lets `ask` ask for the name of what is to be destroyed if there is
    /// somebody to answer.
    pub fn obtain(
        self,
        what: &str,
        name: &str,
        ask: impl FnOnce(&str) -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Given => Ok(()),
            Self::Missing => Err(Failure {
                exit: Exit::Usage,
                message: format!("{what} cannot be undone and nobody is there to ask"),
                hint: "add --yes if that is what you want".to_owned(),
            }),
            Self::Ask => {
                let line = ask(&format!("{what} cannot be undone. Type its name to go on: "));
                if line.trim_end_matches(['\r', '\n']) == name {
                    return Ok(());
                }
                Err(Failure {
                    exit: Exit::Failure,
                    message: "nothing was done: that is not its name".to_owned(),
                    hint: "--yes goes on without asking".to_owned(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obtain(yes: bool, terminal: bool, typed: &str) -> Result<(), Exit> {
        let asked = Consent::of(yes, terminal).obtain("dropping `c`", "c", |_| typed.to_owned());
        asked.map_err(|failure| failure.exit)
    }

    #[test]
    fn nothing_is_destroyed_unasked() {
        assert_eq!(obtain(true, false, ""), Ok(()));
        assert_eq!(obtain(true, true, ""), Ok(()));
        assert_eq!(obtain(false, false, "c\n"), Err(Exit::Usage));
        assert_eq!(obtain(false, true, "c\n"), Ok(()));
        assert_eq!(obtain(false, true, "c\r\n"), Ok(()));
        for no in ["", "\n", "y\n", "C\n", " c\n"] {
            assert_eq!(obtain(false, true, no), Err(Exit::Failure), "{no:?}");
        }
    }
}
