//! Proxy: whose names for requests are believed?

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use api::{GroupId, Refusal};

use crate::fake::Mishap;
use crate::harness::{Node, start_mutual};

const APPEND: &str = r#"{"action":"append","payload":{"collection":"c","key":"k","value":"x"}}"#;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key of a holder with that role.
    fn sign(&self, role: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "holder");
        params.distinguished_name.push(DnType::OrganizationalUnitName, role);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn caller(&self, node: &Node, role: Option<&str>) -> reqwest::Client {
        let authority = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let builder = reqwest::Client::builder()
            .tls_certs_only([authority])
            .resolve("localhost", node.address);
        match role.map(|role| self.sign(role)) {
            Some((chain, key)) => {
                let both = format!("{chain}{key}");
                builder.identity(reqwest::Identity::from_pem(both.as_bytes()).unwrap())
            }
            None => builder,
        }
        .build()
        .unwrap()
    }
}

async fn mutual(folder: &Path) -> (Node, Authority) {
    let authority = Authority::new();
    let (chain, key) = authority.sign("node");
    std::fs::write(folder.join("chain.pem"), chain).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
    std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
    (start_mutual(folder).await, authority)
}

/// What the row holds after the same named request came twice.
async fn after_two(node: &Node, http: &reqwest::Client, name: &str) -> String {
    let mut last = String::new();
    for _ in 0..2 {
        let request = http.post(node.url("/command")).header("rdb-proxy-request", name);
        let answer = request.body(APPEND).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        last = answer.text().await.unwrap();
    }
    last
}

#[tokio::test]
async fn only_the_proxys_certificate_makes_its_names_count() {
    let folder = tempfile::tempdir().unwrap();
    let (node, authority) = mutual(folder.path()).await;
    let name = "1700000000000-a";
    let proxy = authority.caller(&node, Some("proxy"));
    let row = |value: &str| format!(r#"{{"collection":"c","key":"k","value":"{value}"}}"#);
    assert_eq!(after_two(&node, &proxy, name).await, row("x"));
    for (role, value) in [(None, "xxx"), (Some("client"), "xxxxx"), (Some("node"), "xxxxxxx")] {
        let other = authority.caller(&node, role);
        assert_eq!(after_two(&node, &other, name).await, row(value), "as {role:?}");
    }
    let request = proxy.post(node.url("/command")).header("rdb-proxy-request", "no time");
    assert_eq!(request.body(APPEND).send().await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn what_the_proxy_repeats_is_never_said_to_be_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (node, authority) = mutual(folder.path()).await;
    let proxy = authority.caller(&node, Some("proxy"));
    let anyone = authority.caller(&node, None);
    let read = r#"{"action":"get","payload":{"collection":"c","key":"k"}}"#;
    for (http, repeat, body, applied) in [
        (&proxy, false, APPEND, "no"),
        (&proxy, true, APPEND, "unknown"),
        (&proxy, true, "{", "unknown"),
        (&proxy, true, read, "no"),
        (&anyone, true, APPEND, "no"),
    ] {
        node.fake.plan([Mishap::Fail(Refusal::NoLeader { group: GroupId(1) }.into())]);
        let mut request = http.post(node.url("/command")).body(body);
        if repeat {
            request = request.header("rdb-proxy-repeat", "true");
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error() || answer.status().is_server_error());
        assert_eq!(answer.headers()["rdb-applied"], applied, "{body} {repeat}");
        node.fake.forget_plan();
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused_and_none_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let (node, authority) = mutual(folder.path()).await;
    let stranger = Authority { pem: authority.pem.clone(), ..Authority::new() };
    let stranger = stranger.caller(&node, Some("proxy"));
    assert!(stranger.get(node.url("/livez")).send().await.is_err());
    let anyone = authority.caller(&node, None);
    assert_eq!(anyone.get(node.url("/livez")).send().await.unwrap().status().as_u16(), 200);
}
