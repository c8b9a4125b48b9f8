//! Seeds: are a few runs clean, with all that breaks in them?

use std::process::Command;

use tempfile::TempDir;

/// The same in every run of the gate, which is to fail by a change and not by luck.
/// `sim --seeds 100` draws others.
const BASE: &str = "1";
const SEEDS: &str = "16";

#[test]
fn the_kept_seeds_and_a_few_others_are_clean() {
    let directory = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--seeds", SEEDS, "--base", BASE, "--keep-going", "--keep"])
        .arg(directory.path())
        .output()
        .expect("start the simulation");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let kept = directory.keep();
    assert!(output.status.success(), "see {}\n{text}", kept.display());
    std::fs::remove_dir_all(kept).unwrap();
}
