//! Place: where does a row live, and who has which version of it? Pure.

use client::{Held, Located, Row};
use serde_json::{Value, json};

use crate::cli::Form;
use crate::failure::silence;
use crate::sheet::Sheet;

/// Where a row lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its collection.
    pub collection: String,
    /// Its key.
    pub key: String,
    /// What a linearizable read said.
    pub located: Located,
    /// The node that leads its group, if anybody knows.
    pub leader: Option<String>,
    /// What each endpoint has; `None`: nobody asked them.
    pub held: Option<Vec<Held>>,
}

/// Shows the place.
#[must_use]
pub fn render(place: &Place, form: Form) -> String {
    match form {
        Form::Table => {
            let replicas = place.held.as_deref().map(|held| replica_sheet(place, held).table());
            fields(place).table() + &replicas.map(|table| format!("\n{table}")).unwrap_or_default()
        }
        Form::Plain => {
            let held = place.held.as_deref().unwrap_or_default();
            fields(place).plain() + &replica_sheet(place, held).plain()
        }
        Form::Json | Form::Ndjson => format!("{}\n", object(place)),
    }
}

fn fields(place: &Place) -> Sheet {
    let Located { row, shard, group, served_by } = &place.located;
    let mut sheet = Sheet::new(["WHAT", "IS"]);
    for (what, is) in [
        ("collection", Some(place.collection.clone())),
        ("key", Some(place.key.clone())),
        ("shard", shard.map(|shard| shard.to_string())),
        ("group", group.map(|group| group.to_string())),
        ("leader", place.leader.clone()),
        ("version", version(row.as_ref()).map(|version| version.to_string())),
        ("bytes", bytes(row.as_ref()).map(|bytes| bytes.to_string())),
        ("answered by", served_by.clone()),
    ] {
        sheet.add([what.to_owned(), is.unwrap_or_else(|| "-".to_owned())]);
    }
    sheet
}

fn replica_sheet(place: &Place, held: &[Held]) -> Sheet {
    let mut sheet = Sheet::new(["ENDPOINT", "NODE", "VERSION", "BYTES", "STATE"]);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for Held { endpoint, located } in held {
        let found = located.as_ref().ok();
        let row = found.and_then(|located| located.row.as_ref());
        let state = match located {
            Ok(located) => state(&place.located, located).to_owned(),
            Err(error) => silence(error),
        };
        sheet.add([
            endpoint.clone(),
            or_dash(found.and_then(|located| located.served_by.clone())),
            or_dash(version(row).map(|version| version.to_string())),
            or_dash(bytes(row).map(|bytes| bytes.to_string())),
            state,
        ]);
    }
    sheet
}

/// What a stale read has, beside a linearizable one that was made before it.
fn state(truth: &Located, held: &Located) -> &'static str {
    match (&truth.row, &held.row) {
        (None, None) => "same",
        // A deletion that the replica does not have yet; or a later write.
        (None, Some(_)) => "has a row",
        (Some(_), None) => "has no row",
        (Some(truth), Some(held)) => match held.version.cmp(&truth.version) {
            std::cmp::Ordering::Less => "behind",
            std::cmp::Ordering::Greater => "newer",
            std::cmp::Ordering::Equal if held.value == truth.value => "same",
            std::cmp::Ordering::Equal => "differs",
        },
    }
}

fn object(place: &Place) -> Value {
    let Located { row, shard, group, served_by } = &place.located;
    let mut object = json!({
        "collection": place.collection,
        "key": place.key,
        "shard": shard,
        "group": group,
        "leader": place.leader,
        "version": version(row.as_ref()),
        "bytes": bytes(row.as_ref()),
        "served_by": served_by,
    });
    if let (Some(held), Some(fields)) = (&place.held, object.as_object_mut()) {
        let replicas = held.iter().map(|held| replica_object(place, held)).collect();
        fields.insert("replicas".to_owned(), Value::Array(replicas));
    }
    object
}

fn replica_object(place: &Place, held: &Held) -> Value {
    let endpoint = &held.endpoint;
    match &held.located {
        Ok(located) => json!({
            "endpoint": endpoint,
            "node": located.served_by,
            "version": version(located.row.as_ref()),
            "bytes": bytes(located.row.as_ref()),
            "state": state(&place.located, located),
        }),
        Err(error) => json!({"endpoint": endpoint, "silence": silence(error)}),
    }
}

fn version(row: Option<&Row>) -> Option<u64> {
    row?.version
}

fn bytes(row: Option<&Row>) -> Option<usize> {
    row?.value.as_ref().map(String::len)
}

#[cfg(test)]
mod tests {
    use client::Error;

    use super::*;

    fn located(row: Option<(&str, u64)>, node: &str) -> Located {
        let row = row.map(|(value, version)| Row {
            key: "alice".to_owned(),
            value: Some(value.to_owned()),
            version: Some(version),
        });
        Located { row, shard: Some(417), group: Some(1), served_by: Some(node.to_owned()) }
    }

    fn place() -> Place {
        Place {
            collection: "users".to_owned(),
            key: "alice".to_owned(),
            located: located(Some(("12345", 7)), "a"),
            leader: Some("b".to_owned()),
            held: None,
        }
    }

    fn with_replicas() -> Place {
        let (code, message) = ("unreachable".to_owned(), "refused".to_owned());
        let held = |endpoint: &str, located| Held { endpoint: endpoint.to_owned(), located };
        let held = vec![
            held("https://a:1", Ok(located(Some(("12345", 7)), "a"))),
            held("https://b:1", Ok(located(Some(("123", 6)), "b"))),
            held("https://c:1", Err(Error::NotApplied { code, message })),
        ];
        Place { held: Some(held), ..place() }
    }

    #[test]
    fn a_place_is_a_line_per_thing() {
        let expected = "\
WHAT         IS
collection   users
key          alice
shard        417
group        1
leader       b
version      7
bytes        5
answered by  a

ENDPOINT     NODE  VERSION  BYTES  STATE
https://a:1  a     7        5      same
https://b:1  b     6        3      behind
https://c:1  -     -        -      refused
";
        assert_eq!(render(&with_replicas(), Form::Table), expected);
        let alone = render(&place(), Form::Table);
        assert!(expected.starts_with(&alone) && !alone.contains("ENDPOINT"), "{alone}");
    }

    #[test]
    fn programs_get_the_same() {
        let json: Value = serde_json::from_str(&render(&with_replicas(), Form::Json)).unwrap();
        assert_eq!(json["version"], 7);
        assert_eq!(json["replicas"][1]["state"], "behind");
        assert_eq!(json["replicas"][2]["silence"], "refused");
        assert!(render(&place(), Form::Plain).contains("answered by\ta\n"));
    }

    #[test]
    fn the_same_version_with_another_value_is_not_the_same() {
        let truth = located(Some(("x", 7)), "a");
        let beside = |row| state(&truth, &located(row, "b"));
        assert_eq!(beside(Some(("x", 7))), "same");
        assert_eq!(beside(Some(("y", 7))), "differs");
        assert_eq!(beside(Some(("y", 8))), "newer");
        assert_eq!(beside(None), "has no row");
        let gone = located(None, "a");
        assert_eq!(state(&gone, &located(None, "b")), "same");
        assert_eq!(state(&gone, &located(Some(("x", 7)), "b")), "has a row");
    }
}
