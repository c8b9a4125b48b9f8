//! Tools: the verbs that need no cluster, and what every verb can be told.

use crate::doors::Doors;
use crate::process::{command, nobody, problem, ran};

#[test]
fn a_version_needs_no_cluster() {
    let version = env!("CARGO_PKG_VERSION");
    let (code, out, err) = ran(&["version", "-e", &nobody()], b"");
    assert_eq!((code, &*out, &*err), (0, &*format!("rdbctl {version}\n"), ""));
    let json = format!("{{\"rdbctl\":\"{version}\"}}\n");
    assert_eq!(ran(&["version", "-o", "json"], b"").1, json);
}

#[test]
fn settings_say_where_they_come_from() {
    let (code, out, _) = ran(&["config", "--timeout", "2s"], b"");
    assert_eq!(code, 0);
    let expected = "\
SETTING               VALUE                   ORIGIN
endpoints             https://localhost:8443  default
cacert                -                       default
cert                  -                       default
key                   -                       default
insecure-skip-verify  false                   default
timeout               2000ms                  flag
output                -                       default
quiet                 false                   default
verbose               false                   default
";
    assert_eq!(out, expected);
    let output = command(&["config", "-oplain"]).env("RDBCTL_TIMEOUT", "5s").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("timeout\t5000ms\tenvironment RDBCTL_TIMEOUT\n"), "{out}");
}

#[test]
fn shells_and_readers_get_their_texts() {
    let (code, out, _) = ran(&["completion", "bash"], b"");
    assert!(code == 0 && out.contains("complete -F _rdbctl"), "{out}");
    let (code, out, _) = ran(&["man"], b"");
    assert!(code == 0 && out.contains("rdbctl\\-inspect\\-key(1)"), "{out}");
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");
    let (code, out, _) = ran(&["man", dir.to_str().unwrap()], b"");
    assert_eq!((code, &*out), (0, ""));
    assert!(dir.join("rdbctl-scan.1").exists());
}

#[test]
fn who_wants_to_know_hears_of_every_attempt() {
    let doors = Doors::open(1);
    let (code, out, err) = ran(&["put", "c", "k", "v", "-v", "-e", &doors.endpoints], b"");
    assert_eq!((code, &*out), (0, "KEY  VERSION\nk    1\n"));
    assert_eq!(err, format!("ask {}: put\n", doors.endpoints));
    let node = problem("503 Service Unavailable", "no", "no_leader", true);
    let (_, _, err) = ran(&["get", "c", "k", "-v", "--timeout", "300ms", "-e", &node], b"");
    let failed = format!("failed {node}: no_leader: no no_leader; try again in ");
    assert!(err.contains(&failed) && err.contains("; no further attempt\n"), "{err}");
}

#[test]
fn who_trusts_anybody_is_warned_even_when_quiet() {
    let doors = Doors::open(1);
    let args = ["put", "c", "k", "v", "-q", "--insecure-skip-verify", "-e", &doors.endpoints];
    let (code, _, err) = ran(&args, b"");
    assert_eq!((code, err.lines().count()), (0, 1), "{err}");
    assert!(err.starts_with("warning: nobody's certificate is verified"), "{err}");
}

#[test]
fn a_certificate_that_is_none_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.pem");
    std::fs::write(&file, "none").unwrap();
    let file = file.to_str().unwrap();
    let (code, _, err) = ran(&["get", "c", "k", "--cert", file, "--key", file], b"");
    assert!(code == 2 && err.contains("certificate and key cannot be read as PEM"), "{err}");
    let (code, _, err) = ran(&["get", "c", "k", "--cert", file, "--key", "/nowhere"], b"");
    assert!(code == 2 && err.contains("read /nowhere") && err.contains("RDBCTL_KEY"), "{err}");
}

#[test]
fn long_lists_come_line_by_line() {
    let doors = Doors::open(1);
    let put = |n: u32| doors.fake.plant("c", format!("{n:05}").as_bytes(), b"v");
    (0..12_000).for_each(put);
    let args = ["scan", "c", "--limit", "11000", "-o", "ndjson", "-e", &doors.endpoints];
    let (code, out, err) = ran(&args, b"");
    assert_eq!((code, out.lines().count()), (0, 11_000));
    assert!(out.starts_with("{\"key\":\"00000\",\"value\":\"v\"}\n"));
    assert!(err.starts_with("note: there may be more"), "{err}");
    let quiet = ran(&[&args[..], &["-q"]].concat(), b"");
    assert_eq!((quiet.1 == out, &*quiet.2), (true, ""));
    let (_, out, _) = ran(&["range", "c", "-o", "plain", "-e", &doors.endpoints], b"");
    assert_eq!(out.lines().count(), 1_000);
}
