//! Edges: which crate may depend on which?
//!
//! Dependencies point strictly downwards. A new edge in this table is a
//! decision of its own: it comes with an ADR under docs/adr.

use serde_json::Value;

use crate::finding::Finding;
use crate::metadata::{list, text};

/// One crate's place.
struct Place {
    name: &'static str,
    /// Our crates it may use.
    uses: &'static [&'static str],
    /// Our crates that only its tests may use.
    tests_use: &'static [&'static str],
}

/// Every crate of the workspace, bottom up.
const PLACES: [Place; 17] = [
    Place { name: "fuzz", uses: &[], tests_use: &[] },
    Place { name: "api", uses: &[], tests_use: &["fuzz"] },
    Place { name: "shard", uses: &["api"], tests_use: &[] },
    Place { name: "certificates", uses: &[], tests_use: &["fuzz"] },
    Place { name: "disk", uses: &["api"], tests_use: &[] },
    Place { name: "wal", uses: &["api", "disk"], tests_use: &["fuzz"] },
    Place { name: "state", uses: &["api", "disk", "shard"], tests_use: &["fuzz", "wal"] },
    Place {
        name: "raft",
        uses: &["api", "certificates", "disk", "shard", "state", "wal"],
        tests_use: &["fuzz"],
    },
    Place { name: "server", uses: &["api", "certificates", "shard"], tests_use: &["fuzz"] },
    Place {
        name: "client",
        uses: &["api"],
        tests_use: &["certificates", "fuzz", "server", "shard"],
    },
    Place {
        name: "rdb",
        uses: &["api", "certificates", "client", "disk", "raft", "server", "shard", "state", "wal"],
        tests_use: &["fuzz"],
    },
    Place { name: "rdbctl", uses: &["api", "client", "shard"], tests_use: &["server"] },
    Place { name: "oracle", uses: &[], tests_use: &[] },
    Place { name: "sim", uses: &["api", "disk", "oracle", "raft", "state", "wal"], tests_use: &[] },
    Place {
        name: "tests",
        uses: &["api", "client", "disk", "raft", "server", "shard", "state", "wal"],
        tests_use: &[],
    },
    Place { name: "chaos", uses: &["api", "oracle", "tests"], tests_use: &[] },
    Place { name: "xtask", uses: &[], tests_use: &[] },
];

/// Outside crates that only some of ours may name, and why.
const OWNED: [(&str, &[&str], &str); 3] = [
    ("heed", &["disk", "wal", "state"], "LMDB is opened in disk, its tables are wal's and state's"),
    ("openraft", &["wal", "state", "raft", "tests"], "its API moves; few crates may follow it"),
    ("axum", &["server"], "HTTP ends at the server"),
];

/// Checks what the manifests say against the tables.
pub(crate) fn check(metadata: &Value, findings: &mut Vec<Finding>) {
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let Some(place) = PLACES.iter().find(|place| place.name == name) else {
            let message = format!("crate `{name}` has no place in xtask/src/tidy/edges.rs");
            findings.push(Finding::in_file("Cargo.toml", message));
            continue;
        };
        for dependency in list(package, "dependencies") {
            edge(place, dependency, findings);
        }
    }
}

fn edge(place: &Place, dependency: &Value, findings: &mut Vec<Finding>) {
    let to = text(dependency, "name");
    let ours = dependency.get("path").is_some_and(Value::is_string);
    let for_tests = text(dependency, "kind") == "dev";
    let allowed = place.uses.contains(&to)
        || (for_tests && place.tests_use.contains(&to))
        || to == place.name;
    let manifest = format!("{} (manifest)", place.name);
    if ours && !allowed {
        let message = format!("`{}` must not depend on `{to}`", place.name);
        findings.push(Finding::in_file(&manifest, message));
    }
    for (owned, owners, why) in OWNED {
        if to == owned && !owners.contains(&place.name) {
            let message = format!("`{to}` belongs to {}: {why}", owners.join(", "));
            findings.push(Finding::in_file(&manifest, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(name: &str, dependency: &Value) -> Vec<String> {
        let metadata = json!({"packages": [{"name": name, "dependencies": [dependency]}]});
        let mut findings = Vec::new();
        check(&metadata, &mut findings);
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn edges_point_downwards() {
        let ours = |name| json!({"name": name, "path": "/r", "kind": null});
        assert_eq!(messages("raft", &ours("wal")), [""; 0]);
        assert_eq!(messages("wal", &ours("state")), ["`wal` must not depend on `state`"]);
        assert_eq!(messages("api", &ours("shard")), ["`api` must not depend on `shard`"]);
    }

    #[test]
    fn tests_may_use_what_the_table_grants_them() {
        let dev = |name| json!({"name": name, "path": "/r", "kind": "dev"});
        assert_eq!(messages("state", &dev("wal")), [""; 0]);
        assert_eq!(messages("wal", &dev("raft")).len(), 1);
    }

    #[test]
    fn outside_crates_stay_with_their_owners() {
        let outside = |name| json!({"name": name, "kind": null});
        assert_eq!(messages("disk", &outside("heed")), [""; 0]);
        assert_eq!(messages("raft", &outside("heed")).len(), 1);
        assert_eq!(messages("server", &outside("openraft")).len(), 1);
        assert_eq!(messages("server", &outside("bytes")), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(messages("new", &json!({"name": "bytes"})).len(), 1);
    }

    #[test]
    fn the_table_itself_points_downwards() {
        for (height, place) in PLACES.iter().enumerate() {
            for used in place.uses.iter().chain(place.tests_use) {
                let below = PLACES.iter().take(height).any(|lower| lower.name == *used);
                assert!(below, "{} uses {used}", place.name);
            }
        }
    }
}
