//! Exposition: metrics as text, in the two formats that Prometheus reads.
//!
//! OpenMetrics 1.0 for whoever accepts it, Prometheus text 0.0.4 for everybody
//! else, a person with curl included. They differ in the names of families and
//! in the last line; names and values of samples are the same in both.

use std::fmt::{Display, Write};

use api::meter::Distribution;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::catalogue::{Kind, Metric};

/// Which format is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenMetrics,
    Text,
}

impl Dialect {
    /// What a client that sends these headers is to get.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut types = ranges.flat_map(|value| value.split(',')).map(|range| {
            let (media_type, _parameters) = range.split_once(';').unwrap_or((range, ""));
            media_type.trim()
        });
        if types.any(|it| it.eq_ignore_ascii_case("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A page of metrics that is being written.
#[derive(Debug)]
pub(crate) struct Exposition {
    dialect: Dialect,
    text: String,
}

/// One metric's part of the page.
pub(crate) struct Family<'e> {
    metric: &'static Metric,
    text: &'e mut String,
}

impl Exposition {
    /// An empty page.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new() }
    }

    /// Begins the metric's part. Each metric has one, even if it has no samples
    /// now: so a page shows all names there are.
    pub(crate) fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        let (name, kind) = match self.dialect {
            Dialect::OpenMetrics => (metric.family(), metric.kind.name()),
            Dialect::Text if metric.kind == Kind::Info => (metric.name, Kind::Gauge.name()),
            Dialect::Text => (metric.name, metric.kind.name()),
        };
        let text = &mut self.text;
        put(text, format_args!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.meaning));
        if let (Dialect::OpenMetrics, Some(unit)) = (self.dialect, metric.unit()) {
            put(text, format_args!("# UNIT {name} {unit}\n"));
        }
        Family { metric, text }
    }

    /// The whole page.
    pub(crate) fn finish(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Family<'_> {
    /// A value. `labels` are the labels' values, in the metric's order.
    pub(crate) fn sample(&mut self, labels: &[&str], value: impl Display) -> &mut Self {
        assert_ne!(self.metric.kind, Kind::Histogram, "{} has three series", self.metric.name);
        self.line("", labels, None, value);
        self
    }

    /// The three series of a histogram.
    pub(crate) fn distribution(&mut self, labels: &[&str], read: &Distribution) -> &mut Self {
        assert_eq!(self.metric.kind, Kind::Histogram, "{} has one series", self.metric.name);
        for (bound, count) in &read.buckets {
            // 1.0 and not 1: OpenMetrics wants it so, and both formats are to
            // make the same series.
            self.line("_bucket", labels, Some(&format!("{bound:?}")), count);
        }
        self.line("_bucket", labels, Some("+Inf"), read.count);
        self.line("_sum", labels, None, read.sum);
        self.line("_count", labels, None, read.count);
        self
    }

    fn line(&mut self, suffix: &str, values: &[&str], le: Option<&str>, value: impl Display) {
        let Metric { name, labels, .. } = self.metric;
        assert_eq!(labels.len(), values.len(), "{name} has other labels");
        put(self.text, format_args!("{name}{suffix}"));
        let pairs = labels.iter().copied().zip(values.iter().copied());
        let mut open = '{';
        for (label, value) in pairs.chain(le.map(|bound| ("le", bound))) {
            put(self.text, format_args!("{open}{label}=\"{}\"", escaped(value)));
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        put(self.text, format_args!("{close} {value}\n"));
    }
}

/// A label's value as it may stand between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const STEPS: Metric = Metric {
        name: "rdb_steps_total",
        kind: Kind::Counter,
        labels: &["who"],
        meaning: "Steps.",
    };
    const PAUSE: Metric = Metric {
        name: "rdb_pause_seconds",
        kind: Kind::Histogram,
        labels: &[],
        meaning: "Pauses.",
    };
    const RELEASE: Metric =
        Metric { name: "rdb_release_info", kind: Kind::Info, labels: &[], meaning: "Release." };

    fn page(dialect: Dialect) -> String {
        let mut page = Exposition::new(dialect);
        page.family(&STEPS).sample(&["a \"b\\\n"], 3);
        let read = Distribution { buckets: vec![(0.5, 1), (1.0, 2)], count: 3, sum: 4.25 };
        page.family(&PAUSE).distribution(&[], &read);
        page.family(&RELEASE).sample(&[], 1);
        page.finish()
    }

    #[test]
    fn both_formats_show_the_same_samples() {
        let text = page(Dialect::Text);
        assert_eq!(
            text,
            concat!(
                "# HELP rdb_steps_total Steps.\n",
                "# TYPE rdb_steps_total counter\n",
                "rdb_steps_total{who=\"a \\\"b\\\\\\n\"} 3\n",
                "# HELP rdb_pause_seconds Pauses.\n",
                "# TYPE rdb_pause_seconds histogram\n",
                "rdb_pause_seconds_bucket{le=\"0.5\"} 1\n",
                "rdb_pause_seconds_bucket{le=\"1.0\"} 2\n",
                "rdb_pause_seconds_bucket{le=\"+Inf\"} 3\n",
                "rdb_pause_seconds_sum 4.25\n",
                "rdb_pause_seconds_count 3\n",
                "# HELP rdb_release_info Release.\n",
                "# TYPE rdb_release_info gauge\n",
                "rdb_release_info 1\n",
            )
        );
        let open = page(Dialect::OpenMetrics);
        for line in [
            "# TYPE rdb_steps counter",
            "# TYPE rdb_release info",
            "# UNIT rdb_pause_seconds seconds",
        ] {
            assert!(open.lines().any(|it| it == line), "{line} in {open}");
        }
        assert!(open.ends_with("# EOF\n"), "{open}");
        let samples = |page: &str| -> Vec<String> {
            page.lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&open), samples(&text));
    }

    #[test]
    fn who_names_openmetrics_gets_it() {
        let dialect = |accept: &'static str| {
            let accept = HeaderValue::from_static(accept);
            Dialect::accepted(&HeaderMap::from_iter([(ACCEPT, accept)]))
        };
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        assert_eq!(dialect(prometheus), Dialect::OpenMetrics);
        assert_eq!(dialect("text/plain;version=0.0.4, */*;q=0.1"), Dialect::Text);
        assert_eq!(Dialect::accepted(&HeaderMap::new()), Dialect::Text);
    }
}
