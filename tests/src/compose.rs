//! Compose: the cluster as its users start it, in containers behind the proxy.
//!
//! Started by `startupDev.sh` from the binaries under test, in a directory, on a
//! port and under names of its own, so that it leaves a cluster of the user's
//! alone. Stopped by `stopDev.sh` when it is dropped. With [`FROM_SOURCE`] set the
//! script builds the image itself, which takes minutes, as for its users.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::NODES;
use crate::binary;
use crate::client::{Client, Protocol};
use crate::deadline::until;

/// What stands before every container's name.
pub const PREFIX: &str = "rdbtest_";
/// The environment variable that says: build the image from source.
pub const FROM_SOURCE: &str = "RDB_TEST_IMAGE_FROM_SOURCE";

/// Whichever Compose the scripts at the repository's root would run.
const COMPOSE: &str = r#". deploy/lib.sh; choose_compose; "${compose[@]}" "$@""#;
const PORTS: std::ops::Range<u16> = 25_100..25_200;
const LOG_LINES_SHOWN: usize = 100;
const SERVES_MAX: Duration = Duration::from_secs(60);

/// A cluster in containers.
#[derive(Debug)]
pub struct Compose {
    home: TempDir,
    port: u16,
}

/// Whether there is an engine to run containers.
#[must_use]
pub fn has_engine() -> bool {
    let mut command = Command::new("docker");
    command.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Compose {
    /// Starts it, and returns when it serves. Gives what the script printed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> (Self, String) {
        let mut ports = PORTS.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let port = ports.next().expect("a free port for the proxy");
        let home = tempfile::Builder::new().prefix("rdb-compose-").tempdir();
        let compose = Self { home: home.expect("make a directory"), port };
        let printed = compose.start_again();
        (compose, printed)
    }

    /// Runs the start script, on whatever is there.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[must_use]
    pub fn start_again(&self) -> String {
        let mut script = self.script("startupDev.sh");
        if env::var_os(FROM_SOURCE).is_none() {
            let binaries = binary::path();
            let binaries = binaries.parent().expect("a binary lies in a directory");
            script.arg("--binaries").arg(binaries);
        }
        printed(&mut script)
    }

    /// One of the scripts at the repository's root, for this cluster.
    #[must_use]
    pub fn script(&self, name: &str) -> Command {
        self.beside(root().join(name))
    }

    /// Runs Compose on the containers, as docs/operations.md shows, with one more
    /// variable.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn compose_with(&self, variable: &str, value: &str, words: &[&str]) {
        let mut compose = self.beside("bash");
        compose.args(["-c", COMPOSE, "compose", "--env-file"]);
        compose.arg(self.home().join("rdb/compose.env"));
        printed(compose.args(words).env(variable, value));
    }

    /// A shell as its user has it: at the repository's root, with the cluster's
    /// directory for a home and the proxy on port 443.
    #[must_use]
    pub fn shell(&self) -> Command {
        let port = format!("connect-to = \"localhost:443:localhost:{}\"\n", self.port);
        fs::write(self.home().join(".curlrc"), port).expect("write the settings of curl");
        let mut shell = self.beside("bash");
        shell.env("HOME", self.home()).env_remove("CURL_HOME");
        shell
    }

    fn beside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(root())
            .env("RDB_HOME", self.home())
            .env("RDB_PREFIX", PREFIX)
            .env("RDB_HTTPS_PORT", self.port.to_string())
            .env("RDB_IMAGE", "rdb:test")
            .env("RDB_PROXY_IMAGE", "rdb-proxy:test")
            .env("COMPOSE_PROJECT_NAME", "rdbtest");
        command
    }

    /// Where its data and certificates are.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file among its certificates.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.home().join("rdb/certs").join(name)
    }

    /// The proxy's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks the proxy, with nothing kept from other clients.
    #[must_use]
    pub fn client(&self, protocol: Protocol) -> Client {
        let base = format!("https://localhost:{}", self.port);
        Client::new(&base, &self.certificate("ca.crt"), protocol)
    }

    /// Runs docker with these words.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn docker(&self, words: &[&str]) -> String {
        printed(Command::new("docker").args(words))
    }

    /// Freezes node `n`'s container. The engine cannot while a process of it waits for
    /// the disk, and says so; then it is asked again.
    ///
    /// # Panics
    ///
    /// If it cannot for a minute.
    pub async fn pause(&self, n: usize) {
        let name = self.node(n);
        until(&format!("{name} to freeze"), SERVES_MAX, async || {
            let paused = output(Command::new("docker").args(["pause", &name]));
            match paused.status.success() {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(&paused.stderr).into_owned()),
            }
        })
        .await;
    }

    /// What a container wrote, to stdout and stderr.
    #[must_use]
    pub fn docker_logs(&self, name: &str) -> String {
        let logs = output(Command::new("docker").args(["logs", name]));
        String::from_utf8_lossy(&[logs.stdout, logs.stderr].concat()).into_owned()
    }

    /// The name of node `n`'s container.
    #[must_use]
    pub fn node(&self, n: usize) -> String {
        format!("{PREFIX}rdb_replica_{}", n % NODES)
    }

    /// The name of the proxy's container.
    #[must_use]
    pub fn proxy(&self) -> String {
        format!("{PREFIX}rdbproxy")
    }

    /// The number of the node that leads a group.
    ///
    /// # Panics
    ///
    /// If nobody leads it for a minute.
    pub async fn leader(&self, gid: u32) -> usize {
        let client = self.client(Protocol::Http1);
        until(&format!("a leader of group {gid}"), SERVES_MAX, async || {
            let status = client.status().await?;
            let name = status.leader(gid).ok_or("nobody leads it")?;
            name.rsplit('_').next().and_then(|n| n.parse().ok()).ok_or(name.to_owned())
        })
        .await
    }

    /// Waits until every node says that it is ready and knows all leaders.
    ///
    /// # Panics
    ///
    /// If that takes more than a minute.
    pub async fn wait_whole(&self) {
        let all: Vec<_> = (0..NODES).map(|n| format!("https://rdb_replica_{n}:8080")).collect();
        let all = all.join(",");
        until("every container to be whole", SERVES_MAX, async || {
            let words = ["exec", &self.node(0), "rdbctl", "wait", "-e", &all, "--for", "5s"];
            let waited = output(Command::new("docker").args(words));
            match waited.status.success() {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(&waited.stderr).into_owned()),
            }
        })
        .await;
        self.wait_backends().await;
    }

    /// Waits until the proxy sends requests to every node.
    async fn wait_backends(&self) {
        let words = ["exec", &self.proxy(), "rdb-haproxy", "servers"];
        until("the proxy to use every node", SERVES_MAX, async || {
            let servers =
                String::from_utf8_lossy(&output(Command::new("docker").args(words)).stdout)
                    .into_owned();
            let up = servers.lines().filter(|line| line.ends_with(" UP")).count();
            if up == NODES { Ok(()) } else { Err(servers) }
        })
        .await;
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in (0..NODES).map(|n| self.node(n)).chain([self.proxy()]) {
                let log = self.docker_logs(&name);
                let start = log.lines().count().saturating_sub(LOG_LINES_SHOWN);
                let tail: Vec<_> = log.lines().skip(start).collect();
                eprintln!("{name}:\n{}", tail.join("\n"));
            }
        }
        let stopped = output(&mut self.script("stopDev.sh"));
        if !stopped.status.success() {
            eprintln!("stopDev.sh: {}", String::from_utf8_lossy(&stopped.stderr));
        }
    }
}

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("this crate lies in the repository").to_owned()
}

/// What the program prints to stdout.
///
/// # Panics
///
/// If it fails.
pub fn printed(command: &mut Command) -> String {
    let output = output(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("start {command:?}: {error}"))
}
