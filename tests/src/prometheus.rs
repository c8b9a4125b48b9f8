//! Prometheus: what does the real one make of our files and pages?
//!
//! Debian's package `prometheus` has both programs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::client::{Client, Protocol};
use crate::cluster::Cluster;

/// A Prometheus that scrapes a cluster. Dropped, it is gone.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    client: Client,
    log: PathBuf,
}

impl Prometheus {
    /// Starts one with the configuration that `deploy/prometheus` has, which
    /// asks this cluster's nodes instead, and more often.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(cluster: &Cluster) -> Self {
        let folder = cluster.root().join("prometheus");
        fs::create_dir_all(&folder).expect("the directory is ours");
        let config = folder.join("prometheus.yml");
        fs::write(&config, configuration(cluster)).expect("the directory is ours");
        let [address, _] = cluster.spare_addresses();
        let log = folder.join("log");
        let output = File::create(&log).expect("the directory is ours");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let process = command.spawn().expect("Debian's package prometheus is installed");
        let client = Client::new(&format!("http://{address}"), &cluster.ca, Protocol::Http1);
        Self { process, client, log }
    }

    /// What a query gives now: a list of labels and values.
    ///
    /// # Errors
    ///
    /// If Prometheus gives no answer yet, or does not understand.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let answer = self.api(&format!("query?query={}", percent_encoded(expression))).await?;
        let result = answer.pointer("/data/result").and_then(Value::as_array).cloned();
        result.ok_or_else(|| format!("{expression}: {answer}"))
    }

    /// The alert rules as Prometheus sees them.
    ///
    /// # Errors
    ///
    /// If it gives no answer yet.
    pub async fn rules(&self) -> Result<Vec<Value>, String> {
        let answer = self.api("rules").await?;
        let groups = answer.pointer("/data/groups").and_then(Value::as_array);
        let rules = groups.into_iter().flatten().filter_map(|group| group.get("rules")?.as_array());
        Ok(rules.flatten().cloned().collect())
    }

    async fn api(&self, path: &str) -> Result<Value, String> {
        let answer = self.client.page(&format!("/api/v1/{path}")).await;
        let answer = answer.map_err(|none| format!("{}; {}", none.why, self.log.display()))?;
        if answer.status != 200 {
            return Err(format!("{path}: {}", answer.text()));
        }
        Ok(answer.json())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// A file of `deploy`.
#[must_use]
pub fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

/// Runs promtool, which must agree.
///
/// # Panics
///
/// If it is not there, or complains.
pub fn promtool(args: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(deployed("prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("Debian's package prometheus is installed");
    let mut stdin = process.stdin.take().expect("it was asked for");
    // It prints nothing before it has read everything.
    stdin.write_all(input.as_bytes()).expect("promtool reads its input");
    drop(stdin);
    let ended = process.wait_with_output().expect("a child can be waited for");
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert!(ended.status.success(), "promtool {args:?}: {said}");
}

fn configuration(cluster: &Cluster) -> String {
    let text = fs::read_to_string(deployed("prometheus/prometheus.yml")).expect("it is there");
    let rules = deployed("prometheus/alerts.yml");
    let mut text = replace(&text, "- alerts.yml", &format!("- {}", rules.display()));
    text = replace(&text, "/etc/prometheus/rdb/ca.crt", &cluster.ca.display().to_string());
    text = replace(&text, "interval: 15s", "interval: 1s");
    text = replace(&text, "timeout: 10s", "timeout: 1s");
    for node in &cluster.nodes {
        let base = node.client.base();
        let address = base.strip_prefix("https://").expect("clients connect by TLS");
        text = replace(&text, &format!("{}:8080", node.name), address);
    }
    text
}

fn replace(text: &str, what: &str, with: &str) -> String {
    assert!(text.contains(what), "prometheus.yml has no {what}");
    text.replace(what, with)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
