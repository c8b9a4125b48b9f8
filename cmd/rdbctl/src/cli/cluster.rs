//! Cluster: the verbs that look at nodes and groups, or have them do something.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::bench::{CLIENTS_MAX, KEYS_MAX, SECONDS_MAX};
use crate::cli::value::{bytes, duration};

/// What can be done with the cluster.
#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    /// Show on one screen how the cluster is, what is wrong with it and what to do.
    #[command(after_help = "Examples:
  rdbctl status
  rdbctl status -e localhost:8443,localhost:8444,localhost:8445
  rdbctl status --watch                   again every second, until Ctrl-C
  rdbctl status --check -o json           exit code 10 if something is wrong")]
    Status(Status),
    /// List the nodes.
    #[command(after_help = "Examples:
  rdbctl nodes
  rdbctl nodes -o ndjson")]
    Nodes,
    /// List the groups, with who leads them.
    #[command(after_help = "Examples:
  rdbctl groups
  rdbctl groups -o ndjson")]
    Groups,
    /// Ask each endpoint whether it is ready; exit code 10 if one is not, 4 if none answers.
    #[command(after_help = "Examples:
  rdbctl health
  rdbctl health --live
  rdbctl health -q -e localhost:8080 --timeout 2s     in a container's health check

With -q only the endpoints that are not ready are shown: if all are, nothing.")]
    Health(Health),
    /// Wait until every group has a leader and all nodes are ready; exit code 5 if not in time.
    #[command(after_help = "Examples:
  rdbctl wait
  rdbctl wait --nodes 3 --for 2m && rdbctl put users alice 1

A node that no endpoint leads to counts as ready if another node reaches it.")]
    Wait(Wait),
    /// Have each endpoint's node take a snapshot of its groups now, and wait until they are there.
    #[command(after_help = "Examples:
  rdbctl snapshot
  rdbctl snapshot -e localhost:8443                 of one node
  rdbctl snapshot --for 10m -o ndjson

A group whose newest snapshot holds all that is applied takes no other. The files lie in the
node's data directory under state/<GROUP>, and may be copied while it runs. Exit code 5 if
they are not all there in time; the nodes go on all the same. Behind a proxy one node is
asked: give --endpoints the address of each.")]
    Snapshot(Snapshot),
    /// Show where a row lives: its shard, group and leader, and who answered.
    #[command(after_help = "Examples:
  rdbctl inspect-key users alice
  rdbctl inspect-key users alice --replicas
  rdbctl inspect-key users alice --replicas -e localhost:8443,localhost:8444,localhost:8445

Exit code 3 if there is no such row. Under writes a replica may be behind for a moment.")]
    InspectKey(InspectKey),
    /// Put a small load on the cluster for some seconds, and say how it did.
    #[command(after_help = "Examples:
  rdbctl bench
  rdbctl bench --seconds 30 --clients 32 --reads 90
  rdbctl bench -o json

Each client does one thing after another: this shows that a cluster works, and roughly how
fast for that many clients. It is not the most that the cluster can do. Times include
retries. Ctrl-C ends it early. Exit code 10 if something failed.")]
    Bench(Bench),
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Exit with 10 if something is wrong.
    #[arg(long)]
    pub check: bool,
    /// Show it again and again, until Ctrl-C.
    #[arg(long, conflicts_with = "check")]
    pub watch: bool,
    /// How long to pause between two screens.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        default_value = "1s",
        requires = "watch"
    )]
    pub interval: Duration,
}

/// The arguments of `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Ask only whether the process turns, not whether it should get requests.
    #[arg(long)]
    pub live: bool,
}

/// The arguments of `wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// So many ready nodes are enough [default: all, and an answer from every endpoint].
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: Option<u32>,
    /// How long to wait.
    #[arg(
        id = "patience",
        long = "for",
        value_name = "TIME",
        value_parser = duration,
        default_value = "60s"
    )]
    pub patience: Duration,
}

/// The arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct Snapshot {
    /// How long to wait.
    #[arg(
        id = "patience",
        long = "for",
        value_name = "TIME",
        value_parser = duration,
        default_value = "2m"
    )]
    pub patience: Duration,
}

/// The arguments of `inspect-key`.
#[derive(Debug, Args)]
pub struct InspectKey {
    /// The collection.
    pub collection: String,
    /// The row's key.
    pub key: String,
    /// Show also what each endpoint has, however old.
    #[arg(long)]
    pub replicas: bool,
}

/// The arguments of `bench`.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    /// How long.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=SECONDS_MAX)
    )]
    pub seconds: u32,
    /// Clients that work at the same time.
    #[arg(
        long,
        value_name = "CLIENTS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX)
    )]
    pub clients: u32,
    /// Different keys to read and write.
    #[arg(
        long,
        value_name = "KEYS",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=KEYS_MAX)
    )]
    pub keys: u32,
    /// The length of a value.
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = bytes)]
    pub value_bytes: usize,
    /// How many percent of it are reads.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(0..=100)
    )]
    pub reads: u32,
    /// The collection to write to; made if it is not there, and dropped at the end.
    #[arg(long, value_name = "COLLECTION", default_value = "rdb-bench")]
    pub collection: String,
    /// Do not drop it at the end.
    #[arg(long)]
    pub keep: bool,
    /// Do not ask before an existing collection is used that no bench made.
    #[arg(long)]
    pub yes: bool,
}
