//! Grammar: which command lines make sense, and what --help says.

use std::time::Duration;

use clap::{CommandFactory, Parser};
use rdbctl::Cli;
use rdbctl::cli::{Collections, DataVerb, Form, Order, Verb};

use crate::process::ran;

/// What is promised, in the order of --help.
const VERBS: [&str; 20] = [
    "put",
    "get",
    "del",
    "append",
    "cas",
    "scan",
    "find",
    "collections",
    "status",
    "nodes",
    "groups",
    "health",
    "wait",
    "snapshot",
    "inspect-key",
    "bench",
    "completion",
    "man",
    "version",
    "config",
];

fn parsed(args: &[&str]) -> Option<Cli> {
    Cli::try_parse_from(["rdbctl"].iter().chain(args)).ok()
}

#[test]
fn the_verbs_are_those_that_are_promised() {
    let command = Cli::command();
    let verbs: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(verbs, VERBS);
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_stand_before_and_after_the_verb() {
    let before = ["-e", "a:1,http://b:2", "--timeout", "250ms", "-o", "json", "get", "c", "k"];
    let after = ["get", "c", "k", "--endpoints", "a:1,http://b:2", "--timeout=250ms", "-ojson"];
    for args in [&before[..], &after] {
        let target = parsed(args).unwrap().target;
        assert_eq!(target.endpoints, ["https://a:1", "http://b:2"]);
        assert_eq!(target.timeout, Duration::from_millis(250));
        assert_eq!(target.output, Some(Form::Json));
    }
}

#[test]
fn every_verb_takes_what_it_needs() {
    for args in [
        &["put", "c", "k", "v"][..],
        &["put", "c", "k", "-"],
        &["put", "c", "k", "-5"],
        &["put", "c", "--value", "v"],
        &["get", "c", "k", "-n"],
        &["get", "c", "--value", "v"],
        &["del", "c", "k", "--if-version", "7"],
        &["append", "c", "k", "v", "--idempotency-key", "order-1"],
        &["cas", "c", "k", "v", "--if-absent"],
        &["cas", "c", "k", "v", "--expect", "-"],
        &["cas", "c", "k", "v", "--if-version", "0"],
        &["scan", "c", "--by", "value", "--prefix", "a", "--limit", "20000"],
        &["range", "c", "-o", "ndjson"],
        &["find", "c", "v", "--cursor=-x"],
        &["collections", "list"],
        &["collection", "create", "c"],
        &["collections", "drop", "c", "--yes"],
        &["status", "--check"],
        &["status", "--watch", "--interval", "250ms"],
        &["nodes", "-o", "ndjson"],
        &["groups"],
        &["health", "--live", "-q"],
        &["wait", "--nodes", "3", "--for", "2m"],
        &["snapshot", "--for", "2m", "-o", "ndjson"],
        &["inspect-key", "c", "k", "--replicas"],
        &["bench", "--seconds", "1", "--reads", "0", "--keep"],
        &["completion", "zsh"],
        &["man"],
        &["man", "pages"],
        &["version"],
        &["config"],
        &["get", "c", "k", "--cert", "c.pem", "--key", "k.pem"],
    ] {
        assert!(parsed(args).is_some(), "{args:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    for args in [
        &[][..],
        &["put", "c"],
        &["put", "c", "k"],
        &["put", "c", "k", "--value", "v"],
        &["get", "c"],
        &["get", "c", "k", "--value", "v"],
        &["del", "c", "--value", "v", "--if-version", "7"],
        &["cas", "c", "k", "v"],
        &["cas", "c", "k", "v", "--if-absent", "--expect", "w"],
        &["scan", "c", "--limit", "0"],
        &["status", "--watch", "--check"],
        &["status", "--interval", "1s"],
        &["wait", "--nodes", "0"],
        &["bench", "--seconds", "0"],
        &["bench", "--seconds", "301"],
        &["bench", "--reads", "101"],
        &["bench", "--value-bytes", "0"],
        &["completion", "tcsh"],
        &["snapshot", "c"],
        &["snapshot", "--for", "0"],
        &["get", "c", "k", "--cert", "c.pem"],
        &["get", "c", "k", "--key", "k.pem"],
        &["get", "c", "k", "-q", "-v"],
        &["get", "c", "k", "--timeout", "10"],
        &["get", "c", "k", "-e", ""],
        &["get", "c", "k", "-o", "yaml"],
        &["append", "c", "k", "v", "--idempotency-key", "a b"],
    ] {
        assert!(parsed(args).is_none(), "{args:?}");
    }
}

#[test]
fn scans_are_by_key_unless_asked_otherwise() {
    for name in ["scan", "range"] {
        let Verb::Data(DataVerb::Scan(scan)) = parsed(&[name, "c"]).unwrap().verb else { panic!() };
        assert_eq!((scan.by, &*scan.start, scan.part.limit), (Order::Key, "", 1_000));
    }
    let drop = parsed(&["collections", "drop", "c"]).unwrap().verb;
    let Verb::Data(DataVerb::Collections(Collections::Drop { yes, .. })) = drop else { panic!() };
    assert!(!yes);
}

#[test]
fn every_verb_has_help_with_an_example() {
    let (code, help, _) = ran(&["--help"], b"");
    assert_eq!(code, 0);
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in {help}");
        let (code, help, _) = ran(&[verb, "--help"], b"");
        assert!(code == 0 && help.contains("Example"), "{help}");
    }
    assert!(help.contains("RDBCTL_ENDPOINTS") && help.contains("RDBCTL_CACERT"), "{help}");
    assert!(help.contains("    8  outcome unknown"), "{help}");
}
