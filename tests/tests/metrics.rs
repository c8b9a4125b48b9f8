//! Metrics: does a monitoring system see what happens, under the documented names?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tests::deadline::until;
use tests::prometheus::{Prometheus, deployed, promtool};
use tests::scrape::{Page, scrape};
use tests::{Cluster, Command, NODES};

const SETTLE_MAX: Duration = Duration::from_secs(15);
const SCRAPED_MAX: Duration = Duration::from_secs(30);
const PUTS: usize = 20;
const DAY: f64 = 86_400.0;

fn document(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The names in docs/metrics.md, in their order.
fn documented() -> Vec<String> {
    let text = document("metrics.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    cells.map(|(name, _)| name.to_owned()).collect()
}

async fn pages(cluster: &Cluster) -> Vec<Page> {
    futures::future::join_all(cluster.nodes.iter().map(scrape)).await
}

fn sum(pages: &[Page], series: &str) -> f64 {
    pages.iter().map(|page| page.value(series)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_five_nodes_show_adds_up_to_what_was_done() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        for number in 0..PUTS {
            let key = format!("{}-{number}", node.name);
            node.client.ok(&Command::put_key("confidential", &key, "classified")).await;
        }
        node.client.ok(&Command::get_key("confidential", "absent")).await;
        assert_eq!(node.client.ask(&Command::new("fly", &Value::Null)).await.status, 400);
    }
    let pages = pages(&cluster).await;
    let count = |op: &str, code: &str| {
        let labels = format!("{{api=\"command\",op=\"{op}\",code=\"{code}\"}}");
        sum(&pages, &format!("rdb_requests_total{labels}"))
    };
    assert_eq!(count("put", "ok"), (NODES * PUTS) as f64);
    assert_eq!(count("get", "ok"), NODES as f64);
    assert_eq!(count("none", "unknown_action"), NODES as f64);
    let took = r#"rdb_request_duration_seconds_count{api="command",op="put"}"#;
    assert_eq!(sum(&pages, took), (NODES * PUTS) as f64);
    let forwarded: f64 =
        pages.iter().flat_map(|page| page.all("rdb_requests_forwarded_total")).sum();
    assert!(forwarded > 0.0, "somebody asked a node that does not lead");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    for (node, page) in cluster.nodes.iter().zip(&pages) {
        assert_eq!(page.names, documented(), "{}", node.name);
        assert!(page.value("rdb_wal_fsync_duration_seconds_count") > 0.0);
        let entries = page.value("rdb_wal_batch_entries_sum");
        let applied: f64 = page.all("rdb_raft_applied_index").sum();
        assert!(entries >= applied, "{entries} entries are durable, {applied} applied");
        assert_eq!(page.all("rdb_healthcheck").product::<f64>(), 1.0, "{:?}", page.samples);
        for role in ["https", "peer"] {
            let expiry =
                page.value(&format!("rdb_tls_cert_expiry_timestamp_seconds{{role=\"{role}\"}}"));
            assert!(expiry > now + DAY, "{role}: {expiry}");
        }
        for part in ["log", "state"] {
            let used = page.value(&format!("rdb_storage_used_bytes{{part=\"{part}\"}}"));
            assert!(used > 0.0, "{part}: {used}");
        }
        let resident = page.value("process_resident_memory_bytes");
        assert!((1e6..1e9).contains(&resident), "{resident}");
        let shown = page.samples.keys().find(|series| {
            ["confidential", "classified", "absent"].iter().any(|word| series.contains(word))
        });
        assert_eq!(shown, None, "a client's data is a label");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_group_has_one_leader_and_a_new_one_after_its_death() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader(1).await;
    leader.kill();
    let others: Vec<_> = cluster.running().collect();
    until("one leader of each group, seen by all", SETTLE_MAX, async || {
        let pages = futures::future::join_all(others.iter().map(|node| scrape(node))).await;
        let of = |name: &str, gid: u32| sum(&pages, &format!("{name}{{group=\"{gid}\"}}"));
        let one = cluster.groups().into_iter().all(|gid| {
            of("rdb_raft_is_leader", gid) == 1.0
                && of("rdb_raft_has_leader", gid) == others.len() as f64
        });
        let changed = of("rdb_raft_leader_changes_total", 1) >= 2.0 * others.len() as f64;
        let gone = format!("rdb_peer_reachable{{peer=\"{}\"}}", leader.name);
        let noticed = sum(&pages, &gone) == 0.0;
        if one && changed && noticed { Ok(()) } else { Err(format!("{pages:#?}")) }
    })
    .await;
}

/// What an operator gets: our scrape configuration, rules and dashboard, in a
/// real Prometheus that watches a real cluster.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_five_nodes_and_understands_every_query() {
    let cluster = Cluster::start().await;
    let prometheus = Prometheus::start(&cluster);
    until("five scraped nodes", SCRAPED_MAX, async || {
        let up = prometheus.query("up{job=\"rdb\"} == 1").await?;
        if up.len() == NODES { Ok(()) } else { Err(format!("{up:?}")) }
    })
    .await;
    until("a rate of writes", SCRAPED_MAX, async || {
        cluster.node(0).client.ok(&Command::put("rows", "value")).await;
        let writes = "sum(rate(rdb_requests_total{op=\"put\",code=\"ok\"}[10s])) > 0";
        let rate = prometheus.query(writes).await?;
        let syncs = "sum(rate(rdb_wal_fsync_duration_seconds_count[10s])) > 0";
        let synced = prometheus.query(syncs).await?;
        if rate.len() == 1 && synced.len() == 1 { Ok(()) } else { Err(format!("{rate:?}")) }
    })
    .await;
    for (panel, expression) in dashboard_queries() {
        let concrete = expression.replace("$__rate_interval", "10s").replace("$instance", ".+");
        // A new cluster has no snapshots, and nothing was refused on it.
        let may_be_empty = ["snapshot", "code!="].iter().any(|word| concrete.contains(word));
        until(&format!("something to see in {panel}: {concrete}"), SCRAPED_MAX, async || {
            let shown = prometheus.query(&concrete).await?;
            if may_be_empty || !shown.is_empty() { Ok(()) } else { Err("nothing".to_owned()) }
        })
        .await;
    }
    let page = cluster.node(0).client.page("/metrics").await.unwrap();
    promtool(&["check", "metrics"], &page.text());
    until("evaluated rules", SCRAPED_MAX, async || {
        let rules = prometheus.rules().await?;
        let well = rules.iter().all(|rule| rule["health"] == "ok");
        if !rules.is_empty() && well { Ok(()) } else { Err(format!("{rules:#?}")) }
    })
    .await;
    let firing: Vec<_> = prometheus
        .rules()
        .await
        .unwrap()
        .into_iter()
        .filter(|rule| rule["state"] == "firing")
        // That is the machine's.
        .filter(|rule| rule["name"] != "RdbDiskNearlyFull")
        .collect();
    assert_eq!(firing, [Value::Null; 0], "a new cluster raises alerts");
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    promtool(&["check", "config", "prometheus.yml"], "");
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts_test.yml"], "");
}

#[test]
fn every_rule_has_a_test_and_a_section_to_follow() {
    let rules = fs::read_to_string(deployed("prometheus/alerts.yml")).unwrap();
    let tests = fs::read_to_string(deployed("prometheus/alerts_test.yml")).unwrap();
    let manual = document("operations.md");
    let sections: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("##")?.trim_start_matches('#').strip_prefix(' '))
        .map(|title| title.to_lowercase().replace(' ', "-").replace(['?', '`', ','], ""))
        .collect();
    let after = |line: &str, label: &str| line.trim().strip_prefix(label).map(str::to_owned);
    let names: Vec<_> = rules.lines().filter_map(|line| after(line, "- alert: ")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let fires = format!("alertname: {name}\n        exp_alerts:");
        assert!(tests.contains(&fires), "no test sees {name} fire");
    }
    for link in rules.lines().filter_map(|line| after(line, "runbook: ")) {
        let section = link.strip_prefix("docs/operations.md#").unwrap();
        assert!(sections.contains(section), "{link}: {sections:?}");
    }
}

#[test]
fn dashboard_and_rules_name_existing_metrics_only() {
    let known = documented();
    let is_known = |name: &str| {
        let series = ["", "_bucket", "_sum", "_count"].iter();
        let mut families = series.filter_map(|suffix| name.strip_suffix(suffix));
        families.any(|family| known.iter().any(|it| it == family))
    };
    let rules = fs::read_to_string(deployed("prometheus/alerts.yml")).unwrap();
    let tests = fs::read_to_string(deployed("prometheus/alerts_test.yml")).unwrap();
    let queries = dashboard_queries().into_iter().map(|(_, query)| query);
    let mut seen = BTreeSet::new();
    for text in queries.chain([rules, tests]) {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if !word.starts_with("rdb_") && !word.starts_with("process_") {
                continue;
            }
            assert!(is_known(word), "no metric {word}");
            seen.insert(word.to_owned());
        }
    }
    assert!(seen.len() > 30, "{seen:?}");
}

/// Each panel's title with each of its queries.
fn dashboard_queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(deployed("grafana/rdb.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap().to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((title.clone(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    assert!(queries.len() > 20, "{queries:?}");
    queries
}
