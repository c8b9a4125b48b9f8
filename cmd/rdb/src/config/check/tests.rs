//! Checks of whole configurations, given as files.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::merge::Sources;

const GOOD: &str = r#"
[node]
name = "a"
[https]
cert = "a.crt"
key = "a.key"
[peer]
ca = "ca.crt"
cert = "a.crt"
key = "a.key"
seeds = ["a=localhost:7420", "b=localhost:7421"]
"#;

fn checked(text: &str) -> Result<(Config, Vec<String>), Problems> {
    let file = Some(("/etc/rdb/rdb.toml".into(), text.to_owned()));
    config(&Merged::from_sources(&Sources { file, ..Sources::default() }).unwrap())
}

fn with(lines: &str) -> Result<(Config, Vec<String>), Problems> {
    checked(&format!("{GOOD}{lines}"))
}

fn refusal(lines: &str) -> String {
    with(lines).unwrap_err().to_string()
}

#[test]
fn defaults_fill_what_the_file_leaves_out() {
    let (config, warnings) = checked(GOOD).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.node.data_dir, std::env::current_dir().unwrap().join("rdb-data"));
    assert_eq!(config.peer.advertise, "localhost:7420");
    assert_eq!(config.peer.tls.key, Path::new("/etc/rdb/a.key"));
    assert_eq!(config.cluster.groups, 2);
    assert_eq!(config.raft.election_max, Duration::from_millis(800));
    assert_eq!(config.storage.map_bytes, 64 << 30);
    assert_eq!(config.limits.value_bytes_max, limits::VALUE_BYTES_DEFAULT);
    assert_eq!(config.limits.request_timeout, limits::REQUEST_TIMEOUT_DEFAULT);
    assert!((1..=4).contains(&config.runtime.workers));
    assert_eq!(
        config.log,
        Log { format: LogFormat::Text, level: setting::LOG_LEVEL.default.unwrap().to_owned() }
    );
}

#[test]
fn everything_missing_is_reported_at_once() {
    let problems = checked("").unwrap_err().to_string();
    for setting in ["node.name", "https.cert", "https.key", "peer.ca", "peer.cert", "peer.seeds"] {
        assert!(problems.contains(&format!("{setting} is not set")), "{problems}");
    }
    assert!(problems.contains("--peer-ca or by RDB_PEER_CA"), "{problems}");
}

#[test]
fn timers_must_fit_each_other() {
    assert!(refusal("[raft]\nheartbeat = \"200ms\"").contains("raft.election_min: 400ms"));
    assert!(refusal("[raft]\nelection_max = \"400ms\"").contains("raft.election_max: 400ms"));
    assert!(refusal("[raft]\nheartbeat = \"0ms\"").contains("raft.heartbeat"));
    with("[raft]\nheartbeat = \"20ms\"\nelection_min = \"60ms\"\nelection_max = \"61ms\"").unwrap();
}

#[test]
fn limits_stay_in_their_bounds() {
    assert!(
        refusal("[limits]\nvalue_bytes_max = \"9MiB\"").contains("9MiB is not in 1KiB to 8MiB")
    );
    assert!(refusal("[limits]\nrequest_timeout = \"11s\"").contains("at most 10s"));
    assert!(refusal("[cluster]\ngroups = 0").contains("0 is not in 1 to 64"));
    assert!(refusal("[storage]\ndisk_reserve = \"64MiB\"").contains("storage.disk_reserve"));
    assert!(refusal("[log]\nlevel = \"a=b=c\"").contains("log.level"));
    with("[storage]\nsnapshot_log_bytes = \"4KiB\"\nlog_keep_entries = 0").unwrap();
}

#[test]
fn a_node_must_be_one_of_its_seeds() {
    let problems = checked(&GOOD.replace("name = \"a\"", "name = \"c\"")).unwrap_err().to_string();
    assert!(problems.contains("node.name: `c` is not in peer.seeds (a, b)"), "{problems}");
    let problems = checked(&GOOD.replace("b=localhost:7421", "b=localhost")).unwrap_err();
    assert!(problems.to_string().contains("`b=localhost` is not name=host:port"), "{problems}");
    let problems = checked(&GOOD.replace("b=", "a=")).unwrap_err().to_string();
    assert!(problems.contains("repeats"), "{problems}");
}

#[test]
fn likely_mistakes_are_warnings() {
    let listen = "[https]\nlisten = \"0.0.0.0:40000\"";
    let (_, warnings) = checked(&GOOD.replace("[https]", listen)).unwrap();
    assert!(warnings.iter().any(|warning| warning.contains("port 40000")), "{warnings:?}");
    let plain = "[https]\nplain = true\nlisten = \"0.0.0.0:8080\"";
    let (config, warnings) = checked(&GOOD.replace("[https]", plain)).unwrap();
    assert_eq!(config.https.tls, None);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn keys_that_everyone_can_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.crt", "a.key", "ca.crt"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let (mut config, _) = checked(GOOD).unwrap();
    let within = |path: &Path| dir.path().join(path.file_name().unwrap());
    let tls = KeyPair { cert: within(&config.peer.tls.cert), key: within(&config.peer.tls.key) };
    config.https.tls = Some(tls.clone());
    config.peer.tls = tls;
    config.peer.ca = within(&config.peer.ca);

    let key = &config.peer.tls.key;
    fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap();
    files(&config).unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o604)).unwrap();
    let problems = files(&config).unwrap_err().to_string();
    assert!(problems.contains("peer.key") && problems.contains("chmod 600"), "{problems}");
    fs::remove_file(key).unwrap();
    assert!(files(&config).unwrap_err().to_string().contains("https.key: cannot open"));
}
