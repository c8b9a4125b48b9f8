//! Manual: what a shell and a reader should know of the verbs.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// A script that lets `shell` complete the command line.
#[must_use]
pub fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rdbctl", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The page `rdbctl(1)`.
#[must_use]
pub fn page() -> String {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page).expect("writing to memory cannot fail");
    String::from_utf8_lossy(&page).into_owned()
}

/// Writes a page for the program and for every verb into `dir`.
pub fn write_pages(dir: &Path) -> Result<(), Failure> {
    let refused = |error: io::Error| Failure {
        exit: Exit::Failure,
        message: format!("write pages into {}: {error}", dir.display()),
        hint: "name a directory that you may write to".to_owned(),
    };
    fs::create_dir_all(dir).map_err(refused)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_learns_the_verbs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(completion(shell).contains("inspect-key"), "{shell}");
        }
    }

    #[test]
    fn every_verb_has_a_page() {
        assert!(page().contains(".TH rdbctl 1"), "{}", page());
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("man1");
        write_pages(&dir).unwrap();
        for verb in Cli::command().get_subcommands() {
            let page = dir.join(format!("rdbctl-{}.1", verb.get_name()));
            assert!(page.exists(), "{}", page.display());
        }
    }
}
