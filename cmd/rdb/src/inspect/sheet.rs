//! Sheet: rows under named columns, for people and for programs.

use std::fmt::Write;

use comfy_table::{Table, presets};
use serde_json::{Map, Value};

use crate::inspect::Form;

/// Rows under named columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// What the rows are.
    pub name: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

/// Everything that was found, and everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Findings {
    sheets: Vec<Sheet>,
    problems: Vec<Vec<Value>>,
}

impl Sheet {
    /// No rows yet.
    #[must_use]
    pub fn new(name: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, columns, rows: Vec::new() }
    }

    /// Adds a row: a value per column.
    pub fn add<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.columns.len(), "a row of {} has a value per column", self.name);
        self.rows.push(row.into());
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(self.columns.iter().map(|column| column.to_uppercase()));
        for row in &self.rows {
            table.add_row(row.iter().map(cell));
        }
        table.trim_fmt()
    }

    fn json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let named = self.columns.iter().map(|column| (*column).to_owned());
            Value::Object(named.zip(row.iter().cloned()).collect())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }
}

impl Findings {
    /// Adds a finished sheet.
    pub fn add(&mut self, sheet: Sheet) {
        self.sheets.push(sheet);
    }

    /// Adds a problem, once: in which part, in which group, what.
    pub fn problem(&mut self, part: &str, group: Option<u32>, what: impl ToString) {
        let row = vec![part.into(), group.into(), what.to_string().into()];
        if !self.problems.contains(&row) {
            self.problems.push(row);
        }
    }

    /// Whether there are no problems.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Everything as text, problems last.
    #[must_use]
    pub fn render(&self, form: Form) -> String {
        let problems = Sheet {
            name: "problems",
            columns: &["part", "group", "problem"],
            rows: self.problems.clone(),
        };
        match form {
            Form::Table => {
                let shown = self.sheets.iter().chain((!self.is_sound()).then_some(&problems));
                let mut text = String::new();
                for sheet in shown {
                    let gap = if text.is_empty() { "" } else { "\n" };
                    writeln!(text, "{gap}{}\n{}", sheet.name, sheet.table())
                        .expect("writing to a string cannot fail");
                }
                text
            }
            Form::Json => {
                let sheets = self.sheets.iter().chain([&problems]);
                let named = sheets.map(|sheet| (sheet.name.to_owned(), sheet.json()));
                format!("{:#}\n", Value::Object(named.collect::<Map<_, _>>()))
            }
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let mut sheet = Sheet::new("votes", &["group", "term"]);
        sheet.add([1.into(), Value::Null]);
        let mut findings = Findings::default();
        findings.add(sheet);
        findings
    }

    #[test]
    fn tables_show_problems_only_if_there_are_any() {
        let mut findings = findings();
        let lines = |text: String| text.lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(findings.render(Form::Table)), ["votes", "GROUP  TERM", "1      -"]);
        findings.problem("log", Some(1), "bad");
        assert!(findings.render(Form::Table).contains("problems\n"));
        assert!(!findings.is_sound());
    }

    #[test]
    fn json_has_a_list_of_objects_per_sheet_and_always_the_problems() {
        let json: Value = serde_json::from_str(&findings().render(Form::Json)).unwrap();
        let expected = serde_json::json!({
            "votes": [{"group": 1, "term": null}],
            "problems": [],
        });
        assert_eq!(json, expected);
    }
}
