//! Scrape: what does a node's page of metrics say?

use std::collections::BTreeMap;

use crate::node::Node;

/// One reading of `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The metrics' names, in the order of the page.
    pub names: Vec<String>,
    /// Every value, under its series: the name and, in braces, its labels.
    pub samples: BTreeMap<String, f64>,
}

impl Page {
    /// Reads the text format.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                page.names.extend(rest.split(' ').next().map(str::to_owned));
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').expect("a series and its value");
                let value = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
                let before = page.samples.insert(series.to_owned(), value);
                assert_eq!(before, None, "{series} stands twice");
            }
        }
        page
    }

    /// The value of one series.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn value(&self, series: &str) -> f64 {
        let value = self.samples.get(series).copied();
        value.unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples))
    }

    /// The values of a name, whatever their labels.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = f64> + 'p {
        let of_name = move |series: &str| {
            series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        self.samples.iter().filter(move |(series, _)| of_name(series)).map(|(_, value)| *value)
    }
}

/// A node's page as it is now.
///
/// # Panics
///
/// If it gives none.
pub async fn scrape(node: &Node) -> Page {
    let answer = node.client.page("/metrics").await;
    let answer = answer.unwrap_or_else(|none| panic!("{}: {}", node.name, none.why));
    assert_eq!(answer.status, 200, "{}: {}", node.name, answer.text());
    Page::parse(&answer.text())
}
