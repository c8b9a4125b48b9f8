//! Check: do the settings make sense together?
//!
//! The only way to a [`Config`]. It reports everything that is wrong, not the
//! first thing. [`files`] looks at the disk, everything else is pure.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::limits;
use tracing_subscriber::EnvFilter;

use crate::config::merge::Merged;
use crate::config::problem::{Problem, Problems};
use crate::config::setting::{self, Setting};
use crate::config::value::{Fraction, Value};
use crate::config::{
    Cluster, Config, Https, KeyPair, Limits, Log, LogFormat, Node, Peer, Raft, Runtime, Seed,
    Storage,
};

// A stop must be over before whoever asked for it loses patience and kills.
const DRAIN_NOTICE_MAX: Duration = Duration::from_secs(10);
const WORKERS_DEFAULT_MAX: usize = 4;
const WORKERS_MAX: u64 = 1024;
const CONNECTIONS_MAX: u64 = 65_536;
const HEARTBEATS_PER_ELECTION: u32 = 3;
const MAP_BYTES_MIN: u64 = 16 << 20;
// 65 groups and the log must fit the 47 bits of a process's addresses.
const MAP_BYTES_MAX: u64 = 1 << 40;
const PAGE_BYTES: u64 = 4096;
const VALUE_BYTES_MIN: u64 = 1 << 10;
// The system hands out ports from here on to outgoing connections.
const EPHEMERAL_PORTS_START: u16 = 32_768;

/// Turns the winners of the merge into the config the program uses, with
/// warnings about what is allowed but likely a mistake.
pub fn config(merged: &Merged) -> Result<(Config, Vec<String>), Problems> {
    let mut problems = Vec::new();
    let (node, peer) = (node(merged, &mut problems), peer(merged, &mut problems));
    let config = Config {
        https: https(merged, &mut problems),
        cluster: cluster(merged, &mut problems),
        raft: raft(merged, &mut problems),
        storage: storage(merged, &mut problems),
        limits: request_limits(merged, &mut problems),
        runtime: runtime(merged, &mut problems),
        log: log(merged, &mut problems),
        peer: in_seeds(&node, peer, &mut problems),
        node,
    };
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let warnings = warnings(&config, merged);
    Ok((config, warnings))
}

/// Checks that the files it names are there, and that its keys are private.
pub fn files(config: &Config) -> Result<(), Problems> {
    let mut problems = Vec::new();
    let mut readable = |setting: &Setting, path: &Path| {
        if let Err(error) = File::open(path) {
            problems.push(unfit(setting, format!("cannot open {}: {error}", path.display())));
        }
    };
    readable(&setting::PEER_CA, &config.peer.ca);
    readable(&setting::PEER_CERT, &config.peer.tls.cert);
    readable(&setting::PEER_KEY, &config.peer.tls.key);
    if let Some(tls) = &config.https.tls {
        readable(&setting::HTTPS_CERT, &tls.cert);
        readable(&setting::HTTPS_KEY, &tls.key);
    }
    if let Some(client_ca) = &config.https.client_ca {
        readable(&setting::HTTPS_CLIENT_CA, client_ca);
    }
    private(&setting::PEER_KEY, &config.peer.tls.key, &mut problems);
    if let Some(tls) = &config.https.tls {
        private(&setting::HTTPS_KEY, &tls.key, &mut problems);
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn private(setting: &Setting, path: &Path, problems: &mut Vec<Problem>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.mode() & 0o007 != 0 {
        let path = path.display();
        let reason = format!("{path} can be read by everyone on this machine; chmod 600 {path}");
        problems.push(unfit(setting, reason));
    }
}

fn node(merged: &Merged, problems: &mut Vec<Problem>) -> Node {
    let name = required(merged, &setting::NODE_NAME, problems, text);
    if let Some(name) = &name
        && !is_name(name)
    {
        let reason = format!("`{name}` is not 1 to 63 of a-z A-Z 0-9 _ . -");
        problems.push(unfit(&setting::NODE_NAME, reason));
    }
    let data_dir = required(merged, &setting::NODE_DATA_DIR, problems, path);
    Node { name: name.unwrap_or_default(), data_dir: data_dir.unwrap_or_default() }
}

fn https(merged: &Merged, problems: &mut Vec<Problem>) -> Https {
    let listen = match merged.value(&setting::HTTPS_LISTEN) {
        Some(Value::Address(address)) => *address,
        other => unreachable!("https.listen has a default address, found {other:?}"),
    };
    let plain = merged.value(&setting::HTTPS_PLAIN) == Some(&Value::Switch(true));
    let drain_notice = duration(merged, &setting::HTTPS_DRAIN_NOTICE);
    if drain_notice > DRAIN_NOTICE_MAX {
        let reason = format!("{drain_notice:?} must be at most {DRAIN_NOTICE_MAX:?}");
        problems.push(unfit(&setting::HTTPS_DRAIN_NOTICE, reason));
    }
    if plain {
        return Https { listen, tls: None, client_ca: None, drain_notice };
    }
    let cert = required(merged, &setting::HTTPS_CERT, problems, path);
    let key = required(merged, &setting::HTTPS_KEY, problems, path);
    let client_ca = merged.value(&setting::HTTPS_CLIENT_CA).and_then(path);
    Https {
        listen,
        tls: cert.zip(key).map(|(cert, key)| KeyPair { cert, key }),
        client_ca,
        drain_notice,
    }
}

fn peer(merged: &Merged, problems: &mut Vec<Problem>) -> Peer {
    let listen = match merged.value(&setting::PEER_LISTEN) {
        Some(Value::Address(address)) => *address,
        other => unreachable!("peer.listen has a default address, found {other:?}"),
    };
    let ca = required(merged, &setting::PEER_CA, problems, path).unwrap_or_default();
    let cert = required(merged, &setting::PEER_CERT, problems, path).unwrap_or_default();
    let key = required(merged, &setting::PEER_KEY, problems, path).unwrap_or_default();
    let advertise = merged.value(&setting::PEER_ADVERTISE).and_then(text).unwrap_or_default();
    if !advertise.is_empty() && !is_host_and_port(&advertise) {
        let reason = format!("`{advertise}` is not host:port");
        problems.push(unfit(&setting::PEER_ADVERTISE, reason));
    }
    let seeds = seeds(merged, problems);
    Peer { listen, advertise, ca, tls: KeyPair { cert, key }, seeds }
}

fn seeds(merged: &Merged, problems: &mut Vec<Problem>) -> Vec<Seed> {
    let items = required(merged, &setting::PEER_SEEDS, problems, list).unwrap_or_default();
    let mut seeds: Vec<Seed> = Vec::new();
    for item in items {
        let wrong = match item.split_once('=') {
            Some((name, peer)) if is_name(name) && is_host_and_port(peer) => {
                let twice = |seed: &Seed| seed.name == name || seed.peer == peer;
                let fresh = !seeds.iter().any(twice);
                seeds.push(Seed { name: name.to_owned(), peer: peer.to_owned() });
                if fresh { None } else { Some(format!("`{item}` repeats a name or an address")) }
            }
            _ => Some(format!("`{item}` is not name=host:port")),
        };
        problems.extend(wrong.map(|reason| unfit(&setting::PEER_SEEDS, reason)));
    }
    if seeds.len() > limits::NODES_MAX {
        let reason = format!("{} nodes are more than {}", seeds.len(), limits::NODES_MAX);
        problems.push(unfit(&setting::PEER_SEEDS, reason));
    }
    seeds
}

/// Finds the node's own seed, and its advertised address there if it has no other.
fn in_seeds(node: &Node, mut peer: Peer, problems: &mut Vec<Problem>) -> Peer {
    match peer.seeds.iter().find(|seed| seed.name == node.name) {
        Some(own) if peer.advertise.is_empty() => peer.advertise.clone_from(&own.peer),
        Some(_) => {}
        None if node.name.is_empty() || peer.seeds.is_empty() => {}
        None => {
            let names: Vec<_> = peer.seeds.iter().map(|seed| seed.name.as_str()).collect();
            let reason = format!("`{}` is not in peer.seeds ({})", node.name, names.join(", "));
            problems.push(unfit(&setting::NODE_NAME, reason));
        }
    }
    peer
}

fn cluster(merged: &Merged, problems: &mut Vec<Problem>) -> Cluster {
    let groups =
        within(merged, &setting::CLUSTER_GROUPS, problems, 1..=u64::from(limits::GROUPS_MAX));
    Cluster { groups: u32::try_from(groups).unwrap_or(1) }
}

fn raft(merged: &Merged, problems: &mut Vec<Problem>) -> Raft {
    let raft = Raft {
        heartbeat: duration(merged, &setting::RAFT_HEARTBEAT),
        election_min: duration(merged, &setting::RAFT_ELECTION_MIN),
        election_max: duration(merged, &setting::RAFT_ELECTION_MAX),
    };
    if raft.heartbeat < Duration::from_millis(1) {
        problems.push(unfit(&setting::RAFT_HEARTBEAT, "must be 1ms or more".to_owned()));
    }
    if raft.election_min < raft.heartbeat.saturating_mul(HEARTBEATS_PER_ELECTION) {
        let reason = format!(
            "{:?} is less than three heartbeats of {:?}: one late heartbeat would cost an election",
            raft.election_min, raft.heartbeat
        );
        problems.push(unfit(&setting::RAFT_ELECTION_MIN, reason));
    }
    if raft.election_max <= raft.election_min {
        let reason = format!(
            "{:?} must be more than raft.election_min, {:?}: followers must differ",
            raft.election_max, raft.election_min
        );
        problems.push(unfit(&setting::RAFT_ELECTION_MAX, reason));
    }
    raft
}

fn storage(merged: &Merged, problems: &mut Vec<Problem>) -> Storage {
    let map = within(merged, &setting::STORAGE_MAP_SIZE, problems, MAP_BYTES_MIN..=MAP_BYTES_MAX);
    let snapshot_disk_fraction = match merged.value(&setting::STORAGE_SNAPSHOT_DISK_FRACTION) {
        Some(Value::Fraction(fraction)) => *fraction,
        other => unreachable!("snapshot_disk_fraction has a default fraction, found {other:?}"),
    };
    let storage = Storage {
        map_bytes: usize::try_from(map.next_multiple_of(PAGE_BYTES)).unwrap_or(usize::MAX),
        snapshot_log_bytes: number(merged, &setting::STORAGE_SNAPSHOT_LOG_BYTES),
        snapshot_disk_fraction,
        log_keep_entries: number(merged, &setting::STORAGE_LOG_KEEP_ENTRIES),
        disk_reserve_bytes: number(merged, &setting::STORAGE_DISK_RESERVE),
        disk_floor_bytes: number(merged, &setting::STORAGE_DISK_FLOOR),
    };
    if storage.snapshot_log_bytes < PAGE_BYTES {
        let reason = "must be 4KiB or more".to_owned();
        problems.push(unfit(&setting::STORAGE_SNAPSHOT_LOG_BYTES, reason));
    }
    if Fraction::is_zero(storage.snapshot_disk_fraction) {
        let reason = "must be more than 0%".to_owned();
        problems.push(unfit(&setting::STORAGE_SNAPSHOT_DISK_FRACTION, reason));
    }
    if storage.disk_floor_bytes >= storage.disk_reserve_bytes {
        let reason = "must be more than storage.disk_floor: writes must be refused before the \
                      node has to stop"
            .to_owned();
        problems.push(unfit(&setting::STORAGE_DISK_RESERVE, reason));
    }
    storage
}

fn request_limits(merged: &Merged, problems: &mut Vec<Problem>) -> Limits {
    let hard = limits::VALUE_BYTES_HARD_MAX as u64;
    let value = within(merged, &setting::LIMITS_VALUE_BYTES_MAX, problems, VALUE_BYTES_MIN..=hard);
    let connections =
        within(merged, &setting::LIMITS_CONNECTIONS_MAX, problems, 1..=CONNECTIONS_MAX);
    let request_timeout = duration(merged, &setting::LIMITS_REQUEST_TIMEOUT);
    if request_timeout.is_zero() || request_timeout > limits::REQUEST_TIMEOUT_MAX {
        let most = limits::REQUEST_TIMEOUT_MAX;
        let reason = format!("{request_timeout:?} must be more than 0 and at most {most:?}");
        problems.push(unfit(&setting::LIMITS_REQUEST_TIMEOUT, reason));
    }
    Limits {
        value_bytes_max: usize::try_from(value).unwrap_or(limits::VALUE_BYTES_DEFAULT),
        connections_max: usize::try_from(connections).unwrap_or(usize::MAX),
        request_timeout,
    }
}

fn runtime(merged: &Merged, problems: &mut Vec<Problem>) -> Runtime {
    if merged.value(&setting::RUNTIME_WORKERS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        return Runtime { workers: cores.min(WORKERS_DEFAULT_MAX) };
    }
    let workers = within(merged, &setting::RUNTIME_WORKERS, problems, 1..=WORKERS_MAX);
    Runtime { workers: usize::try_from(workers).unwrap_or(1) }
}

fn log(merged: &Merged, problems: &mut Vec<Problem>) -> Log {
    let level = merged.value(&setting::LOG_LEVEL).and_then(text).unwrap_or_default();
    if let Err(error) = EnvFilter::builder().parse(&level) {
        problems.push(unfit(&setting::LOG_LEVEL, format!("`{level}`: {error}")));
    }
    let format = match merged.value(&setting::LOG_FORMAT).and_then(text).as_deref() {
        Some("json") => LogFormat::Json,
        _ => LogFormat::Text,
    };
    Log { format, level }
}

fn warnings(config: &Config, merged: &Merged) -> Vec<String> {
    let mut warnings = Vec::new();
    for (setting, address) in
        [(setting::HTTPS_LISTEN, config.https.listen), (setting::PEER_LISTEN, config.peer.listen)]
    {
        if address.port() >= EPHEMERAL_PORTS_START {
            warnings.push(format!(
                "{}: port {} is one the system gives to outgoing connections; one below \
                 {EPHEMERAL_PORTS_START} is sure to be free after a restart",
                setting.name(),
                address.port()
            ));
        }
    }
    if config.https.tls.is_none() && !config.https.listen.ip().is_loopback() {
        let listen = config.https.listen;
        warnings.push(format!("https.plain: {listen} serves clients without TLS"));
    }
    if config.https.tls.is_none() && merged.value(&setting::HTTPS_CERT).is_some() {
        warnings.push("https.cert: not used, because https.plain is true".to_owned());
    }
    let own = config.peer.seeds.iter().find(|seed| seed.name == config.node.name);
    if own.is_some_and(|seed| seed.peer != config.peer.advertise) {
        warnings.push("peer.advertise: differs from this node's entry in peer.seeds".to_owned());
    }
    warnings
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=63).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_host_and_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        let blank = host.is_empty() || host.contains(char::is_whitespace);
        !blank && !bare_v6 && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

fn unfit(setting: &Setting, reason: String) -> Problem {
    Problem::Unfit { setting: setting.name(), reason }
}

fn required<T>(
    merged: &Merged,
    setting: &Setting,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Option<T> {
    let value = merged.value(setting).and_then(read);
    if value.is_none() {
        let hint =
            format!("set it in the file, by --{} or by {}", setting.flag(), setting.variable());
        problems.push(Problem::Missing { setting: setting.name(), hint });
    }
    value
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn path(value: &Value) -> Option<PathBuf> {
    if let Value::Path(path) = value { std::path::absolute(path).ok() } else { None }
}

fn list(value: &Value) -> Option<Vec<String>> {
    if let Value::List(items) = value { Some(items.clone()) } else { None }
}

fn duration(merged: &Merged, setting: &Setting) -> Duration {
    match merged.value(setting) {
        Some(Value::Duration(duration)) => *duration,
        other => unreachable!("{} has a default duration, found {other:?}", setting.name()),
    }
}

fn number(merged: &Merged, setting: &Setting) -> u64 {
    match merged.value(setting) {
        Some(Value::Size(number) | Value::Count(number)) => *number,
        other => unreachable!("{} has a default number, found {other:?}", setting.name()),
    }
}

fn within(
    merged: &Merged,
    setting: &Setting,
    problems: &mut Vec<Problem>,
    range: std::ops::RangeInclusive<u64>,
) -> u64 {
    let number = number(merged, setting);
    if !range.contains(&number) {
        let written = |number| match merged.value(setting) {
            Some(Value::Size(_)) => Value::Size(number).to_string().replace('"', ""),
            _ => number.to_string(),
        };
        let (least, most) = (written(*range.start()), written(*range.end()));
        let reason = format!("{} is not in {least} to {most}", written(number));
        problems.push(unfit(setting, reason));
    }
    number
}

#[cfg(test)]
mod tests;
