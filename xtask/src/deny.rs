//! Deny: may we ship with the crates that are locked?
//!
//! Reads deny.toml, the same file that cargo-deny reads, and judges what
//! `cargo metadata` says of every locked crate: no banned one, no licence
//! outside the list, nothing from outside the registry. It needs no network
//! and no installed tool. It knows no security advisories.
//!
//! * [`policy`]: what deny.toml says.
//! * [`license`]: whether a licence expression can be satisfied.

mod license;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::finding::Finding;
use crate::metadata::{self, Scope, list, text};
use policy::Policy;

const POLICY: &str = "deny.toml";

/// Checks the locked crates of the workspace at `root`.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let path = root.join(POLICY);
    let policy = fs::read_to_string(&path).map_err(|error| format!("read {POLICY}: {error}"))?;
    let policy = Policy::parse(&policy)?;
    let metadata = metadata::query(root, Scope::Locked)?;
    let packages = list(&metadata, "packages");
    println!("deny: {} locked crates, ours included", packages.len());
    for (name, versions) in duplicates(packages) {
        println!("deny: note: {} versions of {name}: {}", versions.len(), join(&versions));
    }
    Ok(judge(&policy, packages))
}

/// What the policy has against the locked crates.
fn judge(policy: &Policy, packages: &[Value]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let name = text(package, "name");
        let place = format!("Cargo.lock ({name} {})", text(package, "version"));
        let mut found = |message: String| findings.push(Finding::in_file(&place, message));
        if let Some(ban) = policy.bans.iter().find(|ban| ban.name == name) {
            found(format!("banned: {}", ban.reason));
        }
        let expression = text(package, "license");
        match license::allowed(expression, &policy.licenses) {
            Ok(true) => {}
            Ok(false) => found(format!("its licence `{expression}` is not in {POLICY}")),
            Err(why) => found(format!("its licence `{expression}` cannot be read: {why}")),
        }
        // Our own crates have no source.
        if let Some(source) = package.get("source").and_then(Value::as_str) {
            let registry = source.strip_prefix("registry+").unwrap_or(source);
            if !policy.registries.iter().any(|allowed| allowed == registry) {
                found(format!("it comes from `{source}`, which is not in {POLICY}"));
            }
        }
    }
    findings
}

/// Crates that are locked in more than one version.
fn duplicates(packages: &[Value]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in packages {
        versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

fn join(versions: &BTreeSet<&str>) -> String {
    versions.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tree;

    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn policy() -> Policy {
        Policy::parse(&fs::read_to_string(tree::root().join(POLICY)).unwrap()).unwrap()
    }

    fn messages(package: Value) -> Vec<String> {
        judge(&policy(), &[package]).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn an_ordinary_crate_passes() {
        let package = json!({"name": "bytes", "license": "MIT", "source": REGISTRY});
        assert_eq!(messages(package), [""; 0]);
    }

    #[test]
    fn our_own_bans_are_read_from_the_real_file() {
        for name in ["aws-lc-rs", "openssl-sys", "bincode", "rustls-pemfile"] {
            let found = messages(json!({"name": name, "license": "MIT", "source": REGISTRY}));
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].starts_with("banned: "), "{found:?}");
        }
    }

    #[test]
    fn unknown_licences_and_sources_are_found() {
        let package = json!({"name": "x", "license": "GPL-3.0-only", "source": REGISTRY});
        assert_eq!(messages(package).len(), 1);
        let package = json!({"name": "x", "license": null, "source": REGISTRY});
        assert_eq!(messages(package).len(), 1);
        let package = json!({"name": "x", "license": "MIT", "source": "git+https://example.org/x"});
        assert_eq!(messages(package).len(), 1);
    }

    #[test]
    fn versions_of_one_crate_are_counted() {
        let package = |version| json!({"name": "syn", "version": version});
        assert_eq!(duplicates(&[package("1"), package("1")]).len(), 0);
        assert_eq!(join(&duplicates(&[package("1"), package("2")])["syn"]), "1, 2");
    }
}
