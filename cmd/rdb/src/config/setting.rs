//! Setting: what may an operator set?
//!
//! One table. The flags of `rdb node`, the environment variables, the keys of
//! the file, `rdb config example` and its defaults are all read from it.

use crate::config::value::{Kind, Value};

/// One thing an operator may set.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The TOML table it stands in.
    pub group: &'static str,
    /// Its key there.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it holds when nobody sets it; `None` if it is then absent or computed.
    pub default: Option<&'static str>,
    /// A value to show where there is no default.
    pub example: &'static str,
    /// Why one would set it.
    pub doc: &'static str,
}

macro_rules! settings {
    ($(
        $name:ident: $group:literal $key:literal, $kind:expr, $default:expr,
        $example:literal, $doc:literal;
    )*) => {
        $(
            #[doc = $doc]
            pub const $name: Setting = Setting {
                group: $group,
                key: $key,
                kind: $kind,
                default: $default,
                example: $example,
                doc: $doc,
            };
        )*

        /// Every setting, in the order of the example file.
        pub const ALL: &[Setting] = &[$($name),*];
    };
}

settings! {
    NODE_NAME: "node" "name", Kind::Text, None, "rdb_replica_0",
        "This node's name. Must be the name in its peer certificate and stand in peer.seeds.";
    NODE_DATA_DIR: "node" "data_dir", Kind::Path, Some("rdb-data"), "",
        "Where log, state and snapshots are kept. One node per directory.";

    HTTPS_LISTEN: "https" "listen", Kind::Address, Some("127.0.0.1:8080"), "",
        "Where clients connect. Until authentication exists, whoever reaches it may read and \
         write.";
    HTTPS_CERT: "https" "cert", Kind::Path, None, "certs/rdb_replica_0.crt",
        "Certificate chain for clients, PEM.";
    HTTPS_KEY: "https" "key", Kind::Path, None, "certs/rdb_replica_0.key",
        "Private key of https.cert, PEM, not readable by others.";
    HTTPS_CLIENT_CA: "https" "client_ca", Kind::Path, None, "certs/ca.crt",
        "The authority of the proxy's certificate, PEM. A proxy that shows one may retry requests \
         at other nodes.";
    HTTPS_PLAIN: "https" "plain", Kind::Switch, Some("false"), "",
        "Serve clients without TLS. Only behind a proxy on the same machine.";

    HTTPS_DRAIN_NOTICE: "https" "drain_notice", Kind::Duration, Some("0ms"), "",
        "How long a node that is told to stop says that it is not ready before it takes no more \
         connections: two intervals of the proxy's health check; 10s at most.";

    PEER_LISTEN: "peer" "listen", Kind::Address, Some("0.0.0.0:7402"), "",
        "Where the other nodes connect, always with mutual TLS.";
    PEER_ADVERTISE: "peer" "advertise", Kind::Text, None, "node0.example:7402",
        "Where the other nodes reach this one. By default its own entry in peer.seeds.";
    PEER_CA: "peer" "ca", Kind::Path, None, "certs/ca.crt",
        "The authority that signs the nodes' certificates, PEM.";
    PEER_CERT: "peer" "cert", Kind::Path, None, "certs/rdb_replica_0.crt",
        "This node's certificate for peers, for server and client use, PEM.";
    PEER_KEY: "peer" "key", Kind::Path, None, "certs/rdb_replica_0.key",
        "Private key of peer.cert, PEM, not readable by others.";
    PEER_SEEDS: "peer" "seeds", Kind::List, None,
        "rdb_replica_0=node0.example:7402,rdb_replica_1=node1.example:7402,\
         rdb_replica_2=node2.example:7402",
        "The nodes that found the cluster, this one included, as name=host:port. The same on \
         all of them.";

    CLUSTER_GROUPS: "cluster" "groups", Kind::Count, Some("2"), "",
        "Data groups of a new cluster. Read at founding only, the same on all nodes.";

    RAFT_HEARTBEAT: "raft" "heartbeat", Kind::Duration, Some("100ms"), "",
        "How often a leader tells its followers that it is there.";
    RAFT_ELECTION_MIN: "raft" "election_min", Kind::Duration, Some("400ms"), "",
        "The shortest silence of a leader after which a follower stands for election.";
    RAFT_ELECTION_MAX: "raft" "election_max", Kind::Duration, Some("800ms"), "",
        "The longest such silence. Each follower draws its own in between.";

    STORAGE_MAP_SIZE: "storage" "map_size", Kind::Size, Some("64GiB"), "",
        "The most that the log, and the state of each group, may ever hold. Address space, not \
         disk.";
    STORAGE_SNAPSHOT_LOG_BYTES: "storage" "snapshot_log_bytes", Kind::Size, Some("64MiB"), "",
        "A group takes a snapshot after this much log.";
    STORAGE_SNAPSHOT_DISK_FRACTION: "storage" "snapshot_disk_fraction",
        Kind::Fraction, Some("10%"), "",
        "A group whose log and state exceed this part of the free disk takes snapshots earlier: \
         after an eighth of snapshot_log_bytes.";
    STORAGE_LOG_KEEP_ENTRIES: "storage" "log_keep_entries", Kind::Count, Some("1000"), "",
        "Entries kept in the log behind a snapshot, so that a follower a little behind needs no \
         snapshot.";
    STORAGE_DISK_RESERVE: "storage" "disk_reserve", Kind::Size, Some("512MiB"), "",
        "Below this much free disk the cluster refuses writes; reads and deletes go on.";
    STORAGE_DISK_FLOOR: "storage" "disk_floor", Kind::Size, Some("64MiB"), "",
        "Below this much free disk the node stops, with exit code 21.";

    LIMITS_VALUE_BYTES_MAX: "limits" "value_bytes_max", Kind::Size, Some("1MiB"), "",
        "The longest value a client may write; 8MiB at most.";
    LIMITS_CONNECTIONS_MAX: "limits" "connections_max", Kind::Count, Some("4096"), "",
        "Client connections at once. Further ones are closed at once.";
    LIMITS_REQUEST_TIMEOUT: "limits" "request_timeout", Kind::Duration, Some("5s"), "",
        "How long the node works on a request before it answers; 10s at most.";

    RUNTIME_WORKERS: "runtime" "workers", Kind::Count, None, "4",
        "Threads that serve requests. By default one per core, four at most.";

    LOG_FORMAT: "log" "format", Kind::Choice(&["text", "json"]), Some("text"), "",
        "How log lines look: text or json.";
    LOG_LEVEL: "log" "level", Kind::Text, Some("info,openraft=error"), "",
        "What is logged: error, warn, info, debug, trace, or directives such as info,raft=debug.";
}

impl Setting {
    /// Its name in messages: `raft.heartbeat`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.group, self.key)
    }

    /// Its flag, without the dashes in front: `raft-election-min`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("{}-{}", self.group, self.key).replace('_', "-")
    }

    /// Its environment variable: `RDB_RAFT_ELECTION_MIN`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("RDB_{}_{}", self.group, self.key).to_ascii_uppercase()
    }

    /// What it holds when nobody sets it.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        self.default.map(|text| {
            Value::from_text(self.kind, text).expect("a test reads every default of the table")
        })
    }

    /// The setting of that name.
    #[must_use]
    pub fn find(group: &str, key: &str) -> Option<&'static Self> {
        ALL.iter().find(|setting| setting.group == group && setting.key == key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn defaults_and_examples_are_valid() {
        for setting in ALL {
            let shown = setting.default.unwrap_or(setting.example);
            Value::from_text(setting.kind, shown).unwrap();
            assert!(setting.default.is_none() || setting.example.is_empty());
        }
    }

    #[test]
    fn names_are_unique_in_every_spelling() {
        let variables: BTreeSet<_> = ALL.iter().map(Setting::variable).collect();
        let flags: BTreeSet<_> = ALL.iter().map(Setting::flag).collect();
        assert_eq!((variables.len(), flags.len()), (ALL.len(), ALL.len()));
    }
}
