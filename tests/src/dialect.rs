//! Dialect: what must every door answer, wherever it is?
//!
//! R1 to R18 are rdbv2's cases, which its clients rely on; the rest is ours.
//! `client` and `other` are two ways into the same cluster.
//!
//! # Panics
//!
//! Each function, at the first answer that is not as it should be.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a check that panics has failed, which is what it is for"
)]

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::answer::{Effect, Triple};
use crate::client::Client;
use crate::command::Command;

/// R1 to R7: sets of values.
pub async fn sets_of_values(client: &Client, other: &Client, collection: &str) {
    let expected = triple_of(collection, "test1");
    for client in [client, client, other] {
        let answer = client.ok(&Command::put(collection, "test1")).await;
        assert_eq!(answer.triple(), expected);
        assert_eq!(answer.header("content-type"), "application/json");
        for header in ["rdb-version", "rdb-shard", "rdb-group", "rdb-leader", "rdb-served-by"] {
            assert!(!answer.header(header).is_empty(), "{header}: {:?}", answer.headers);
        }
    }
    assert_eq!(expected.key.len(), 64);
    let found = async |client: &Client, value| client.ok(&Command::get(collection, value)).await;
    assert_eq!(found(client, "test1").await.triple(), expected);
    assert_eq!(found(other, "test1").await.triple(), expected);
    assert_eq!(found(client, "nope").await.triple(), Triple::new(collection, "", ""));
    let unknown = client.ok(&Command::get("never-made", "v")).await;
    assert_eq!(unknown.triple(), Triple::new("never-made", "", ""));
    assert!(!names(other).await.contains(&"never-made".to_owned()));

    let delete = Command::delete(collection, "test1");
    assert_eq!(client.ok(&delete).await.triple(), expected);
    assert_eq!(found(other, "test1").await.triple(), Triple::new(collection, "", ""));
    assert_eq!(other.ok(&delete).await.triple(), Triple::new(collection, "", ""));
}

/// R8 to R10: collections.
pub async fn catalogue(client: &Client, other: &Client, collection: &str) {
    client.ok(&Command::put(collection, "kept until the drop")).await;
    assert!(names(other).await.contains(&collection.to_owned()));
    let dropped = Triple::new(collection, "", "dropped");
    for drop in [
        Command::drop_collection(collection).with("value", "x"),
        Command::drop_collection(collection),
    ] {
        assert_eq!(client.ok(&drop).await.triple(), dropped);
        let found = other.ok(&Command::get(collection, "kept until the drop")).await.triple();
        assert_eq!(found, Triple::new(collection, "", ""));
        assert!(!names(other).await.contains(&collection.to_owned()));
    }
    let created = format!("{collection}-c1");
    for client in [client, other] {
        let answer = client.ok(&Command::create_collection(&created)).await;
        assert_eq!(answer.triple(), Triple::new(&created, "", "created"));
    }
    assert!(names(client).await.contains(&created));
}

/// R11: ranges by value.
pub async fn ranges(client: &Client, collection: &str) {
    for value in ["pear", "apple", "fig", "cherry", "\u{e4}pfel"] {
        client.ok(&Command::put(collection, value)).await;
    }
    let range = async |command: Command| values(&client.ok(&command).await.json());
    let all = range(Command::range(collection, "a")).await;
    assert_eq!(all, ["apple", "cherry", "fig", "pear", "\u{e4}pfel"]);
    let from = Command::range(collection, "b");
    assert_eq!(range(from.clone()).await, ["cherry", "fig", "pear", "\u{e4}pfel"]);
    assert_eq!(range(from.clone().with("end", "fig")).await, ["cherry"]);
    let page = client.ok(&from.with("limit", 2)).await.json();
    assert_eq!(values(&page), ["cherry", "fig"]);
    let cursor = page["cursor"].as_str().expect("there is more");
    let rest = Command::range(collection, "b").with("limit", 2).with("cursor", cursor);
    let page = client.ok(&rest).await.json();
    assert_eq!(values(&page), ["pear", "\u{e4}pfel"]);
}

/// R12 to R16 and R18: what makes no sense.
pub async fn bad_requests(client: &Client, collection: &str) {
    let bodies = [
        "{}",
        r#"{"action":"put","payload":{"collection":"","value":"v"}}"#,
        &format!(r#"{{"action":"put","payload":{{"collection":"{collection}","value":""}}}}"#),
        r#"{"action":"fly","payload":{"collection":"c","value":"v"}}"#,
        "null",
    ];
    for body in bodies {
        let answer = client.request("POST", "/command", body.to_owned()).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.effect(), Effect::None, "{body}");
    }
    for body in [r#"{"action""#, "put", r#"{"action":"put","payload":{"collection":1}}"#] {
        let answer = client.request("POST", "/command", body).await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (400, "unable to parse JSON object"));
    }
    for method in ["GET", "PUT", "DELETE"] {
        let answer = client.request(method, "/command", "").await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (405, "http method not allowed"));
    }
    let large = "v".repeat(32_769);
    let answer = client.ok(&Command::put(collection, &large)).await;
    assert_eq!(answer.triple(), triple_of(collection, &large));
    client.ok(&Command::put(collection, "test1")).await;
}

/// Rows under keys of the client's own.
pub async fn rows_by_key(client: &Client, other: &Client, collection: &str) {
    let row = |key: &str, value: &str| Triple::new(collection, key, value);
    let put = client.ok(&Command::put_key(collection, "k", "one")).await;
    assert_eq!(put.triple(), row("k", "one"));
    assert_eq!(other.ok(&Command::get_key(collection, "k")).await.triple(), row("k", "one"));
    let put = other.ok(&Command::put_key(collection, "k", "two")).await;
    assert_eq!(put.triple(), row("k", "two"));
    assert_eq!(client.ok(&Command::get_key(collection, "k")).await.triple(), row("k", "two"));
    let append = client.ok(&Command::append(collection, "k", " three")).await;
    assert!(append.version() > put.version(), "{append:?}");
    let found = other.ok(&Command::get_key(collection, "k")).await;
    assert_eq!(found.triple(), row("k", "two three"));
    assert_eq!(found.version(), append.version());
    client.ok(&Command::append(collection, "new", "made")).await;
    assert_eq!(other.ok(&Command::get_key(collection, "new")).await.triple(), row("new", "made"));
    let deleted = other.ok(&Command::delete_key(collection, "k")).await;
    assert_eq!(deleted.triple().key, "k");
    let gone = Triple::new(collection, "", "");
    assert_eq!(client.ok(&Command::get_key(collection, "k")).await.triple(), gone);
    assert_eq!(client.ok(&Command::delete_key(collection, "k")).await.triple(), gone);
    let odd = "k/\u{0}\n\u{1f511}\"";
    client.ok(&Command::put_key(collection, odd, "v\u{0}\u{ffff}")).await;
    let found = other.ok(&Command::get_key(collection, odd)).await;
    assert_eq!(found.triple(), row(odd, "v\u{0}\u{ffff}"));
}

/// Writes that depend on what is there.
pub async fn conditions(client: &Client, other: &Client, collection: &str) {
    let cas = |value: &str, version| Command::cas(collection, "cas", value, version);
    let made = client.ok(&cas("one", 0)).await;
    let version = made.version().unwrap();
    let again = other.ask(&cas("two", 0)).await;
    assert_eq!((again.status, again.effect()), (409, Effect::None), "{}", again.text());
    let wrong = client.ask(&cas("two", version + 7)).await;
    assert_eq!((wrong.status, wrong.effect()), (409, Effect::None), "{}", wrong.text());
    let found = client.ok(&Command::get_key(collection, "cas")).await;
    assert_eq!(found.triple().value, "one");
    let right = other.ok(&cas("two", version)).await;
    assert!(right.version().unwrap() > version);
    let found = client.ok(&Command::get_key(collection, "cas")).await;
    assert_eq!(found.triple().value, "two");
}

/// Rows by what they hold.
pub async fn searches(client: &Client, other: &Client, collection: &str) {
    for key in ["s1", "s2", "s3"] {
        client.ok(&Command::put_key(collection, key, "same")).await;
    }
    let found = other.ok(&Command::find(collection, "same")).await.json();
    let keys: Vec<_> =
        found["entries"].as_array().unwrap().iter().map(|entry| entry["key"].clone()).collect();
    assert_eq!(keys, ["s1", "s2", "s3"]);
    let none = other.ok(&Command::find(collection, "nobody's")).await.json();
    assert_eq!(none["entries"], json!([]));
}

/// What a set of values answers for a member.
#[must_use]
pub fn triple_of(collection: &str, value: &str) -> Triple {
    Triple::new(collection, &key_of(collection, value), value)
}

fn key_of(collection: &str, value: &str) -> String {
    hex::encode(Sha256::digest([collection.as_bytes(), b"\0", value.as_bytes()].concat()))
}

fn values(answer: &Value) -> Vec<String> {
    let entries = answer["entries"].as_array().unwrap_or_else(|| panic!("no entries: {answer}"));
    entries.iter().map(|entry| entry["value"].as_str().unwrap().to_owned()).collect()
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.ok(&Command::list_collections()).await;
    let json = answer.json();
    let names: Vec<_> = json["collections"].as_array().expect("an array of names").clone();
    let names: Vec<_> = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(answer.triple(), Triple::new("", "", &names.join(", ")));
    assert!(names.is_sorted(), "{names:?}");
    names
}
