//! Rows: answers about data, as text. Pure.

use client::{Row, Written};
use serde_json::{Value, json};

use crate::cli::Form;
use crate::sheet::Sheet;

/// What stands for a value that JSON could not carry.
const NOT_SHOWN: &str = "(not shown)";

/// What a write left.
#[must_use]
pub fn written(written: &Written, form: Form) -> String {
    let Written { key, version, replay, .. } = written;
    let mut sheet = Sheet::new(["KEY", "VERSION"]);
    sheet.add([key.clone(), version.to_string()]);
    match form {
        Form::Table => sheet.table(),
        Form::Plain => sheet.plain(),
        Form::Json | Form::Ndjson => {
            line(&json!({"key": key, "version": version, "replay": replay}))
        }
    }
}

/// One row. Plain is nothing but its value, and nothing at all if it cannot be shown.
#[must_use]
pub fn one(row: &Row, form: Form) -> String {
    match form {
        Form::Table => {
            let mut sheet = Sheet::new(["KEY", "VERSION", "VALUE"]);
            let version = row.version.map_or("-".to_owned(), |version| version.to_string());
            sheet.add([row.key.clone(), version, value(row)]);
            sheet.table()
        }
        Form::Plain => row.value.as_ref().map_or_else(String::new, |value| format!("{value}\n")),
        Form::Json | Form::Ndjson => line(&object(row)),
    }
}

/// Rows in order. Only the forms for programs that read a whole have a place for the cursor.
#[must_use]
pub fn many(rows: &[Row], cursor: Option<&str>, form: Form) -> String {
    let mut sheet = Sheet::new(["KEY", "VALUE"]);
    for row in rows {
        sheet.add([row.key.clone(), value(row)]);
    }
    match form {
        Form::Table => sheet.table(),
        Form::Plain => sheet.plain(),
        Form::Json => {
            let rows: Vec<_> = rows.iter().map(object).collect();
            line(&json!({"rows": rows, "cursor": cursor}))
        }
        Form::Ndjson => rows.iter().map(|row| line(&object(row))).collect(),
    }
}

/// The names of collections.
#[must_use]
pub fn collections(names: &[String], form: Form) -> String {
    let mut sheet = Sheet::new(["COLLECTION"]);
    for name in names {
        sheet.add([name.clone()]);
    }
    match form {
        Form::Table => sheet.table(),
        Form::Plain => sheet.plain(),
        Form::Json => line(&json!(names)),
        Form::Ndjson => names.iter().map(|name| line(&json!({"collection": name}))).collect(),
    }
}

/// What became of a collection.
#[must_use]
pub fn collection(name: &str, became: &str, form: Form) -> String {
    let mut sheet = Sheet::new(["COLLECTION", "IS"]);
    sheet.add([name.to_owned(), became.to_owned()]);
    match form {
        Form::Table => sheet.table(),
        Form::Plain => sheet.plain(),
        Form::Json | Form::Ndjson => line(&json!({"collection": name, "is": became})),
    }
}

fn object(row: &Row) -> Value {
    let Row { key, value, version } = row;
    match version {
        Some(version) => json!({"key": key, "value": value, "version": version}),
        None => json!({"key": key, "value": value}),
    }
}

fn value(row: &Row) -> String {
    row.value.clone().unwrap_or_else(|| NOT_SHOWN.to_owned())
}

fn line(json: &Value) -> String {
    format!("{json}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: &str, version: Option<u64>) -> Row {
        Row { key: key.to_owned(), value: Some(value.to_owned()), version }
    }

    #[test]
    fn a_row_in_every_form() {
        let row = row("alice", "a\nb", Some(7));
        assert_eq!(one(&row, Form::Plain), "a\nb\n");
        assert_eq!(one(&row, Form::Table), "KEY    VERSION  VALUE\nalice  7        a\\nb\n");
        let json = "{\"key\":\"alice\",\"value\":\"a\\nb\",\"version\":7}\n";
        assert_eq!(one(&row, Form::Json), json);
    }

    #[test]
    fn a_value_that_is_no_text_is_not_made_up() {
        let row = Row { key: "k".to_owned(), value: None, version: Some(1) };
        assert_eq!(one(&row, Form::Plain), "");
        assert_eq!(one(&row, Form::Table), "KEY  VERSION  VALUE\nk    1        (not shown)\n");
        assert_eq!(one(&row, Form::Json), "{\"key\":\"k\",\"value\":null,\"version\":1}\n");
    }

    #[test]
    fn a_write_in_every_form() {
        let done = Written { key: "k".to_owned(), value: None, version: 12, replay: true };
        assert_eq!(written(&done, Form::Table), "KEY  VERSION\nk    12\n");
        assert_eq!(written(&done, Form::Plain), "k\t12\n");
        let json = "{\"key\":\"k\",\"replay\":true,\"version\":12}\n";
        assert_eq!(written(&done, Form::Json), json);
    }

    #[test]
    fn lists_in_every_form() {
        let rows = [row("a", "1", None), row("bob", "x\ty", None)];
        assert_eq!(many(&rows, Some("c1"), Form::Table), "KEY  VALUE\na    1\nbob  x\\ty\n");
        assert_eq!(many(&rows, Some("c1"), Form::Plain), "a\t1\nbob\tx\\ty\n");
        let json = "{\"cursor\":\"c1\",\"rows\":[{\"key\":\"a\",\"value\":\"1\"},\
                    {\"key\":\"bob\",\"value\":\"x\\ty\"}]}\n";
        assert_eq!(many(&rows, Some("c1"), Form::Json), json);
        let lines = "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"bob\",\"value\":\"x\\ty\"}\n";
        assert_eq!(many(&rows, Some("c1"), Form::Ndjson), lines);
        assert_eq!(many(&[], None, Form::Plain), "");
        assert_eq!(many(&[], None, Form::Json), "{\"cursor\":null,\"rows\":[]}\n");
    }

    #[test]
    fn collections_in_every_form() {
        let names = ["a".to_owned(), "b c".to_owned()];
        assert_eq!(collections(&names, Form::Table), "COLLECTION\na\nb c\n");
        assert_eq!(collections(&names, Form::Plain), "a\nb c\n");
        assert_eq!(collections(&names, Form::Json), "[\"a\",\"b c\"]\n");
        let lines = "{\"collection\":\"a\"}\n{\"collection\":\"b c\"}\n";
        assert_eq!(collections(&names, Form::Ndjson), lines);
        assert_eq!(collection("a", "dropped", Form::Plain), "a\tdropped\n");
        let json = "{\"collection\":\"a\",\"is\":\"dropped\"}\n";
        assert_eq!(collection("a", "dropped", Form::Json), json);
    }
}
