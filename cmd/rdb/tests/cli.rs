//! The `rdb` binary as a script sees it: help, codes, streams.
//!
//! Because this test runs the binary, `cargo test --workspace` always builds it.

use std::fs;
use std::net::TcpListener;
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

#[test]
fn a_directory_without_a_node_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    for path in [text(dir.path()), "/no/such/directory"] {
        let args = ["inspect", path];
        assert_eq!(code(&args), Some(3), "{path}");
        assert!(stderr(&args).contains("is not a data directory"), "{path}");
    }
}

#[test]
fn inspection_writes_json_and_finds_a_damaged_identity() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("identity"), r#"{"name": "a"}"#).unwrap();
    let shown = stdout(&["inspect", text(dir.path()), "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["identity"][1]["value"], "a");
    assert_eq!(shown["problems"], serde_json::json!([]));

    fs::write(dir.path().join("identity"), "{").unwrap();
    assert_eq!(code(&["inspect", text(dir.path())]), Some(20));
}

/// Starts no node: the port of one of them is taken.
#[test]
fn dev_says_which_port_is_taken_and_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let (port, _held) = (20_000..32_000)
        .find_map(|port| Some((port, TcpListener::bind(("127.0.0.1", port)).ok()?)))
        .unwrap();
    let first = (port - 1).to_string();
    let args = ["dev", "--data-dir", text(dir.path()), "--https-port", &first];
    assert_eq!(code(&args), Some(22));
    let refused = stderr(&args);
    assert!(refused.contains(&format!("port {port} is taken by")), "{refused}");
    assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
    assert!(refused.contains("--https-port"), "{refused}");
}

#[test]
fn dev_leaves_alone_what_it_did_not_make() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("rdb_replica_0");
    fs::create_dir(&data).unwrap();
    assert_eq!(code(&["dev", "--data-dir", text(dir.path()), "--fresh"]), Some(22));
    assert!(data.exists());
}

/// The nodes are `false`: they end at once.
#[test]
fn dev_reports_nodes_that_die_and_gives_up_without_a_majority() {
    let dir = tempfile::tempdir().unwrap();
    let root = text(dir.path());
    let args = ["dev", "--data-dir", root, "--nodes", "3", "--program", "/bin/false"];
    let ports = ["--https-port", "32110", "--peer-port", "32210"];
    let output = rdb(&[&args[..], &ports].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("died: exit status: 1"), "{said}");
    assert!(said.contains("a majority is needed"), "{said}");
    assert!(!dir.path().join("dev.json").exists());
}

#[test]
fn dev_checks_settings_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["dev", "--data-dir", text(dir.path()), "--set", "raft.hartbeat=1s"];
    assert_eq!(code(&args), Some(2));
    assert_eq!(code(&["dev", "--nodes", "10"]), Some(2));
}
