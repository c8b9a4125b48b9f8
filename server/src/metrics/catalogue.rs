//! Catalogue: every metric's name, type, labels and meaning.
//!
//! Names are stable: dashboards and alerts rely on them. The rules are those of
//! prometheus.io/docs/practices/naming: base units, the unit as suffix, `_total`
//! for what only grows.

/// One metric.
#[derive(Debug)]
pub(crate) struct Metric {
    /// What a query calls it. A histogram is asked by its three series.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) meaning: &'static str,
}

/// What may be done with a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows while the process runs: take its rate.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations by size.
    Histogram,
    /// Always 1: the labels say something.
    Info,
}

impl Kind {
    /// Its name in the formats.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

impl Metric {
    /// The name without what its type adds: the family's name in OpenMetrics.
    pub(crate) fn family(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    /// What it is counted in, if its name says so.
    pub(crate) fn unit(&self) -> Option<&'static str> {
        let unit = |unit: &&&str| self.family().rsplit('_').next() == Some(unit);
        ["bytes", "entries", "seconds"].iter().find(unit).copied()
    }
}

macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*], $meaning:literal;)*) => {
        $(pub(crate) const $id: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            meaning: $meaning,
        };)*

        /// Every metric, in the order of the page.
        #[cfg(test)]
        pub(crate) const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD: Info "rdb_build_info" ["version"],
        "The release that runs.";
    SERVER_START: Gauge "rdb_server_start_timestamp_seconds" [],
        "When the client door was made, Unix time.";
    HEALTH: Gauge "rdb_healthcheck" ["type", "name"],
        "1 if the check passes, else 0. Type readyz: the checks behind /readyz.";

    REQUESTS: Counter "rdb_requests_total" ["api", "op", "code"],
        "Requests answered, by interface, action and result: ok, mismatch, or the failure's code.";
    REQUEST_DURATION: Histogram "rdb_request_duration_seconds" ["api", "op"],
        "From a request's head to its answer, whatever the result.";
    REQUESTS_IN_FLIGHT: Gauge "rdb_requests_in_flight" [],
        "Requests at work inside the node.";
    REQUEST_PANICS: Counter "rdb_request_panics_total" [],
        "Requests whose work panicked: defects.";
    REQUESTS_FORWARDED: Counter "rdb_requests_forwarded_total" ["group"],
        "Writes sent on to the group's leader, because another node leads it.";

    CONNECTIONS_ACCEPTED: Counter "rdb_connections_accepted_total" [],
        "Client connections taken.";
    CONNECTIONS_REFUSED: Counter "rdb_connections_refused_total" ["reason"],
        "Client connections closed at once: as many as may be are open, in all (full) or from \
         that peer (peer).";
    CONNECTIONS_CUT: Counter "rdb_connections_cut_total" ["reason"],
        "Client connections cut: the peer was too slow (slow), or the node was stopping (drain).";
    ACCEPT_ERRORS: Counter "rdb_connection_accept_errors_total" [],
        "Errors of accepting connections, such as a lack of descriptors.";
    HANDSHAKES_FAILED: Counter "rdb_tls_handshakes_failed_total" [],
        "TLS handshakes of clients that failed or took too long.";
    CERTIFICATE_EXPIRY: Gauge "rdb_tls_cert_expiry_timestamp_seconds" ["role"],
        "When the certificate in use expires, Unix time: the one for clients (https), the one \
         for nodes (peer).";

    PEER_REACHABLE: Gauge "rdb_peer_reachable" ["peer"],
        "1 if the other node answered this one's last greeting, else 0.";
    HAS_LEADER: Gauge "rdb_raft_has_leader" ["group"],
        "1 if this node knows a leader of the group, else 0.";
    IS_LEADER: Gauge "rdb_raft_is_leader" ["group"],
        "1 if this node leads the group, else 0.";
    TERM: Gauge "rdb_raft_term" ["group"],
        "The group's current term.";
    LEADER_CHANGES: Counter "rdb_raft_leader_changes_total" ["group"],
        "Leaders of the group that this node saw take office.";
    COMMITTED: Gauge "rdb_raft_committed_index" ["group"],
        "The last log index that this node knows to be committed.";
    APPLIED: Gauge "rdb_raft_applied_index" ["group"],
        "The last log index that this node has applied.";
    COMMIT_LAG: Gauge "rdb_raft_commit_lag_entries" ["group", "peer"],
        "On the group's leader: committed entries that the other node is not known to have.";
    PROPOSALS_PENDING: Gauge "rdb_raft_proposals_pending" ["group"],
        "Writes that wait at this node to be proposed.";
    PROPOSALS_FAILED: Counter "rdb_raft_proposals_failed_total" ["group"],
        "Writes whose batch was refused or got no answer. Most are tried again.";
    LOG_BEHIND_SNAPSHOT: Gauge "rdb_raft_log_behind_snapshot_bytes" ["group"],
        "Log written since the last snapshot was begun, or since the start.";

    WAL_FSYNC: Histogram "rdb_wal_fsync_duration_seconds" [],
        "One durable commit of the log, of all groups: the entries written and synced.";
    WAL_BATCH: Histogram "rdb_wal_batch_entries" [],
        "Log entries that share one such commit; none if it holds votes only.";
    APPLY: Histogram "rdb_apply_duration_seconds" ["group"],
        "One transaction of applied entries, the wait until the log has them on disk included.";

    SNAPSHOT_BUILD: Histogram "rdb_snapshot_build_duration_seconds" ["group"],
        "Building a snapshot: copy, compress, keep.";
    SNAPSHOT_INSTALL: Histogram "rdb_snapshot_install_duration_seconds" ["group"],
        "Replacing the state by a snapshot that has arrived.";
    SNAPSHOT_SIZE: Gauge "rdb_snapshot_bytes" ["group"],
        "Size of the newest snapshot, compressed.";
    SNAPSHOTS_DEFERRED: Counter "rdb_snapshot_builds_deferred_total" ["group"],
        "Snapshots that were due and not built: the disk has no room for them.";
    SNAPSHOT_ARRIVALS_FAILED: Counter "rdb_snapshot_arrivals_failed_total" ["group"],
        "Snapshots from the leader that broke off on their way or were refused.";

    STORAGE_USED: Gauge "rdb_storage_used_bytes" ["part"],
        "Data in the log and in the state of all groups, without free pages; and the newest \
         snapshots.";
    STORAGE_FREE: Gauge "rdb_storage_free_bytes" [],
        "What is free of the file system that the data lies on.";
    STORAGE_RESERVE: Gauge "rdb_storage_reserve_bytes" [],
        "Below this much free space the node refuses writes (setting storage.disk_reserve).";

    CPU: Counter "process_cpu_seconds_total" [],
        "Processor time that the process used, user and system.";
    MEMORY: Gauge "process_resident_memory_bytes" [],
        "Memory of the process, cached pages of the mapped files included.";
    DESCRIPTORS: Gauge "process_open_fds" [],
        "Open file descriptors.";
    DESCRIPTORS_MAX: Gauge "process_max_fds" [],
        "The most file descriptors the process may open.";
    THREADS: Gauge "process_threads" [],
        "Threads of the process.";
    PROCESS_START: Gauge "process_start_time_seconds" [],
        "When the process started, Unix time.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn table() -> String {
        let row = |metric: &Metric| {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            format!(
                "| `{}` | {} | {} | {} | {} |\n",
                metric.name,
                metric.kind.name(),
                metric.unit().unwrap_or_default(),
                labels.join(", "),
                metric.meaning
            )
        };
        ALL.iter().map(row).collect()
    }

    #[test]
    fn docs_metrics_md_repeats_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let document = fs::read_to_string(path).unwrap();
        let rows = document.lines().filter(|line| line.starts_with("| `"));
        let documented: String = rows.map(|row| format!("{row}\n")).collect();
        assert_eq!(documented, table(), "the table of {path} is to be:\n{}", table());
    }

    #[test]
    fn names_follow_their_rules() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name stands twice");
        for metric in ALL {
            let name = metric.name;
            assert!(name.starts_with("rdb_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_info"), metric.kind == Kind::Info, "{name}");
            assert!(metric.meaning.ends_with('.'), "{name}");
            assert!(!metric.meaning.contains(['\n', '|', '\\', '"']), "{name}");
        }
    }
}
