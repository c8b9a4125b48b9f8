//! Command: what is asked of `POST /command`?

use std::time::Duration;

use serde_json::{Map, Value, json};

/// One request in rdbv2's dialect and ours.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its body.
    pub body: Value,
    /// Its `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Its `Rdb-Timeout-Ms`.
    pub timeout: Option<Duration>,
}

impl Command {
    /// Any action with any payload.
    #[must_use]
    pub fn new(action: &str, payload: &Value) -> Self {
        Self {
            body: json!({"action": action, "payload": payload}),
            idempotency_key: None,
            timeout: None,
        }
    }

    /// Adds a member to a set of values.
    #[must_use]
    pub fn put(collection: &str, value: &str) -> Self {
        Self::new("put", &json!({"collection": collection, "value": value}))
    }

    /// Writes a value under a key.
    #[must_use]
    pub fn put_key(collection: &str, key: &str, value: &str) -> Self {
        Self::new("put", &json!({"collection": collection, "key": key, "value": value}))
    }

    /// Looks a value up.
    #[must_use]
    pub fn get(collection: &str, value: &str) -> Self {
        Self::new("get", &json!({"collection": collection, "value": value}))
    }

    /// Looks a key up.
    #[must_use]
    pub fn get_key(collection: &str, key: &str) -> Self {
        Self::new("get", &json!({"collection": collection, "key": key}))
    }

    /// Removes a member from a set of values.
    #[must_use]
    pub fn delete(collection: &str, value: &str) -> Self {
        Self::new("delete", &json!({"collection": collection, "value": value}))
    }

    /// Removes a key.
    #[must_use]
    pub fn delete_key(collection: &str, key: &str) -> Self {
        Self::new("delete", &json!({"collection": collection, "key": key}))
    }

    /// Adds to the end of the value under a key.
    #[must_use]
    pub fn append(collection: &str, key: &str, value: &str) -> Self {
        Self::new("append", &json!({"collection": collection, "key": key, "value": value}))
    }

    /// Writes under a key if what is there has this version; 0: if nothing is there.
    #[must_use]
    pub fn cas(collection: &str, key: &str, value: &str, if_version: u64) -> Self {
        let payload =
            json!({"collection": collection, "key": key, "value": value, "if_version": if_version});
        Self::new("cas", &payload)
    }

    /// Writes under a key if it holds exactly this; `None`: if nothing is there.
    #[must_use]
    pub fn cas_value(collection: &str, key: &str, value: &str, expected: Option<&str>) -> Self {
        let payload =
            json!({"collection": collection, "key": key, "value": value, "expected": expected});
        Self::new("cas", &payload)
    }

    /// The rows that hold a value.
    #[must_use]
    pub fn find(collection: &str, value: &str) -> Self {
        Self::new("find", &json!({"collection": collection, "value": value}))
    }

    /// The rows from a value on, in the order of values.
    #[must_use]
    pub fn range(collection: &str, value: &str) -> Self {
        Self::new("range", &json!({"collection": collection, "value": value}))
    }

    /// Makes a collection.
    #[must_use]
    pub fn create_collection(collection: &str) -> Self {
        Self::new("create collection", &json!({"collection": collection}))
    }

    /// Drops a collection.
    #[must_use]
    pub fn drop_collection(collection: &str) -> Self {
        Self::new("drop collection", &json!({"collection": collection}))
    }

    /// Names all collections.
    #[must_use]
    pub fn list_collections() -> Self {
        Self { body: json!({"action": "list collections"}), idempotency_key: None, timeout: None }
    }

    /// The same request with one more field in its payload.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        let payload = self.body.get_mut("payload").and_then(Value::as_object_mut);
        payload.expect("the request has a payload").insert(field.to_owned(), value.into());
        self
    }

    /// The same request, content with whatever the node has.
    #[must_use]
    pub fn stale(self) -> Self {
        self.with("consistency", "stale")
    }

    /// The same request under a client's own id.
    #[must_use]
    pub fn id(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The same request of a client that says how long it waits.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The fields of its payload.
    #[must_use]
    pub fn payload(&self) -> Option<&Map<String, Value>> {
        self.body.get("payload").and_then(Value::as_object)
    }
}
