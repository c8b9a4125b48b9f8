//! The `rdb` binary as a script sees it: help, codes, streams.
//!
//! Because this test runs the binary, `cargo test --workspace` always builds it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn rdb(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdb"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RDB_")) {
        command.env_remove(name);
    }
    command.args(args).output().expect("the binary is built with the test")
}

fn code(args: &[&str]) -> Option<i32> {
    rdb(args).status.code()
}

fn stdout(args: &[&str]) -> String {
    let output = rdb(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("data is text")
}

fn stderr(args: &[&str]) -> String {
    let output = rdb(args);
    assert!(!output.status.success(), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}: data goes to stdout, errors do not");
    String::from_utf8(output.stderr).expect("messages are text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

#[test]
fn every_verb_has_help_with_an_example() {
    let help = stdout(&["--help"]);
    for verb in ["node", "dev", "inspect", "config", "rebuild-state", "version"] {
        assert!(help.contains(&format!("\n  {verb}")), "{verb} in {help}");
        if verb != "version" {
            let help = stdout(&[verb, "--help"]);
            assert!(help.contains("Example"), "{help}");
        }
    }
    assert!(help.contains(" 22  refused"), "{help}");
}

#[test]
fn help_of_a_node_names_every_spelling_of_a_setting() {
    let help = stdout(&["node", "--help"]);
    assert!(help.contains("--raft-election-min"), "{help}");
    assert!(help.contains("RDB_RAFT_ELECTION_MIN"), "{help}");
    assert!(help.contains("[default: 400ms]"), "{help}");
}

#[test]
fn the_version_is_printed() {
    assert_eq!(stdout(&["version"]), format!("rdb {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(stdout(&["--version"]), stdout(&["version"]));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for args in [&[][..], &["nodes"], &["node", "--no-such-flag"], &["inspect"]] {
        assert_eq!(code(args), Some(2), "{args:?}");
    }
}

#[test]
fn the_example_shows_the_settings_in_force_by_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    fs::write(&file, stdout(&["config", "example"])).unwrap();
    let shown = stdout(&["config", "show", "--config", text(&file)]);
    let defaults = stdout(&["config", "show"]);
    let data_dir = format!("data_dir = \"{}/rdb-data\"", text(dir.path()));
    assert_eq!(shown.replace(&data_dir, "data_dir = \"rdb-data\""), defaults);
}

#[test]
fn origins_are_shown() {
    let args = ["config", "show", "--origin", "--raft-heartbeat", "50ms"];
    let shown = stdout(&args);
    assert!(shown.contains("heartbeat = \"50ms\" # flag --raft-heartbeat"), "{shown}");
    assert!(shown.contains("election_min = \"400ms\" # default"), "{shown}");
}

#[test]
fn a_wrong_configuration_is_a_usage_error_with_all_its_problems() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    fs::write(&file, "[raft]\nhartbeat = \"50ms\"\n[limits]\nconnections_max = \"many\"\n")
        .unwrap();
    for verb in [&["config", "check"][..], &["config", "show"], &["node"]] {
        let args = [verb, &["--config", text(&file)]].concat();
        assert_eq!(code(&args), Some(2), "{args:?}");
        let problems = stderr(&args);
        assert!(problems.contains("did you mean raft.heartbeat?"), "{problems}");
        assert!(problems.contains("limits.connections_max (file"), "{problems}");
    }
    assert!(stderr(&["config", "check"]).contains("node.name is not set"));
    assert!(stderr(&["config", "check", "--config", "/no/such"]).contains("cannot read /no/such"));
}
