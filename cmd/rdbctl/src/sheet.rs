//! Sheet: rows under named columns, as aligned text or as separated fields.
//!
//! Cells come from clients' data, so whatever would break a line or move a
//! terminal's cursor is shown as an escape.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::Form;

/// The longest cell of a table for people; the other forms are whole.
const CELL_CHARS_MAX: usize = 80;

/// What ends a cell that was cut.
const CUT: &str = "...";

/// Between two columns.
const GAP: &str = "  ";

/// Rows under named columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    /// No rows yet.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row: a cell per column.
    pub fn add(&mut self, row: impl IntoIterator<Item = String>) {
        let row: Vec<_> = row.into_iter().collect();
        debug_assert_eq!(row.len(), self.columns.len(), "a row has a cell per column");
        self.rows.push(row);
    }

    /// The rows in the form asked for; `objects` are the same rows for programs.
    #[must_use]
    pub fn render(&self, form: Form, objects: impl FnOnce() -> Vec<Value>) -> String {
        match form {
            Form::Table => self.table(),
            Form::Plain => self.plain(),
            Form::Json => format!("{}\n", Value::Array(objects())),
            Form::Ndjson => objects().iter().map(|object| format!("{object}\n")).collect(),
        }
    }

    /// The rows under a heading, in columns as wide as their widest cell.
    #[must_use]
    pub fn table(&self) -> String {
        let shown = |row: &Vec<String>| row.iter().map(|cell| cut(visible(cell))).collect();
        let lines: Vec<Vec<String>> =
            std::iter::once(self.columns.clone()).chain(self.rows.iter().map(shown)).collect();
        let width_of = |n: usize| {
            let cells = lines.iter().filter_map(|line| line.get(n));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width_of).collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join(GAP);
            writeln!(text, "{}", line.trim_end()).expect("writing to a string cannot fail");
        }
        text
    }

    /// A line per row, its fields separated by tabs, without a heading.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let fields: Vec<_> = row.iter().map(|cell| visible(cell)).collect();
            writeln!(text, "{}", fields.join("\t")).expect("writing to a string cannot fail");
        }
        text
    }
}

/// The text on one line: backslashes and control characters as escapes.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn cut(cell: String) -> String {
    if cell.chars().count() <= CELL_CHARS_MAX {
        return cell;
    }
    cell.chars().take(CELL_CHARS_MAX - CUT.len()).collect::<String>() + CUT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new(["KEY", "VALUE"]);
        sheet.add(["alice".to_owned(), "a\tb\n\u{1b}[2J\\".to_owned()]);
        sheet.add(["b".to_owned(), String::new()]);
        sheet
    }

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let expected = "KEY    VALUE\nalice  a\\tb\\n\\u{1b}[2J\\\\\nb\n";
        assert_eq!(sheet().table(), expected);
        assert_eq!(Sheet::new(["KEY"]).table(), "KEY\n");
    }

    #[test]
    fn plain_fields_are_separated_by_tabs() {
        assert_eq!(sheet().plain(), "alice\ta\\tb\\n\\u{1b}[2J\\\\\nb\t\n");
    }

    #[test]
    fn programs_get_one_array_or_an_object_per_line() {
        let objects = || vec![Value::from(1), Value::from("x")];
        assert_eq!(sheet().render(Form::Json, objects), "[1,\"x\"]\n");
        assert_eq!(sheet().render(Form::Ndjson, objects), "1\n\"x\"\n");
        assert_eq!(sheet().render(Form::Ndjson, Vec::new), "");
    }

    #[test]
    fn only_tables_cut_long_cells() {
        let mut sheet = Sheet::new(["V"]);
        sheet.add(["x".repeat(81)]);
        assert_eq!(sheet.table(), format!("V\n{}...\n", "x".repeat(77)));
        assert_eq!(sheet.plain(), format!("{}\n", "x".repeat(81)));
    }
}
