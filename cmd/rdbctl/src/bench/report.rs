//! Report: how did a bench go? Pure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::tally::{Calls, Tally};
use crate::cli::{Bench, Form};
use crate::sheet::Sheet;

/// Shows what became of the calls in so much time.
#[must_use]
pub fn render(bench: &Bench, tally: &Tally, elapsed: Duration, form: Form) -> String {
    let sides = [("put", &tally.puts), ("get", &tally.gets)];
    let mut calls = Sheet::new(["OPERATION", "OK", "FAILED", "PER SECOND", "P50", "P99", "MAX"]);
    for (operation, side) in sides {
        calls.add([
            operation.to_owned(),
            side.ok.count().to_string(),
            side.failed.to_string(),
            format!("{:.1}", per_second(side, elapsed)),
            millis(side.ok.percentile(50)),
            millis(side.ok.percentile(99)),
            millis(side.ok.max()),
        ]);
    }
    match form {
        Form::Table => {
            let head = headline(bench, elapsed);
            format!("{head}\n\n{}{}", calls.table(), failures(tally))
        }
        Form::Plain => calls.plain(),
        Form::Json | Form::Ndjson => {
            let json = json!({
                "collection": bench.collection,
                "seconds": elapsed.as_secs_f64(),
                "clients": bench.clients,
                "keys": bench.keys,
                "value_bytes": bench.value_bytes,
                "reads_percent": bench.reads,
                "puts": object(&tally.puts, elapsed),
                "gets": object(&tally.gets, elapsed),
                "failures": tally.failures,
            });
            format!("{json}\n")
        }
    }
}

fn headline(bench: &Bench, elapsed: Duration) -> String {
    let Bench { clients, keys, value_bytes, reads, .. } = bench;
    let seconds = elapsed.as_secs_f64();
    format!(
        "{seconds:.1} s, {clients} clients, {keys} keys, values of {value_bytes} bytes, \
         {reads} % reads"
    )
}

fn failures(tally: &Tally) -> String {
    if tally.failures.is_empty() {
        return String::new();
    }
    let mut sheet = Sheet::new(["FAILURE", "TIMES"]);
    for (kind, times) in &tally.failures {
        sheet.add([kind.clone(), times.to_string()]);
    }
    format!("\n{}", sheet.table())
}

fn object(side: &Calls, elapsed: Duration) -> Value {
    let micros = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e6);
    json!({
        "ok": side.ok.count(),
        "failed": side.failed,
        "per_second": per_second(side, elapsed),
        "p50_us": micros(side.ok.percentile(50)),
        "p99_us": micros(side.ok.percentile(99)),
        "max_us": micros(side.ok.max()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "calls of minutes are far from 2^52")]
fn per_second(side: &Calls, elapsed: Duration) -> f64 {
    side.ok.count() as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn millis(time: Option<Duration>) -> String {
    time.map_or("-".to_owned(), |time| format!("{:.2} ms", time.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use client::Error;

    use super::*;
    use crate::bench::tally::Operation;

    fn bench() -> Bench {
        Bench {
            seconds: 5,
            clients: 8,
            keys: 1_000,
            value_bytes: 100,
            reads: 50,
            collection: "rdb-bench".to_owned(),
            keep: false,
            yes: false,
        }
    }

    fn tally() -> Tally {
        let mut tally = Tally::default();
        tally.record(Operation::Put, Duration::from_millis(2), Ok(()));
        tally.record(Operation::Put, Duration::from_millis(2), Ok(()));
        let (code, message) = ("busy".to_owned(), String::new());
        let busy = Err(Error::NotApplied { code, message });
        tally.record(Operation::Get, Duration::ZERO, busy);
        tally
    }

    #[test]
    fn a_report_is_two_lines_of_numbers_and_what_failed() {
        let expected = "\
4.0 s, 8 clients, 1000 keys, values of 100 bytes, 50 % reads

OPERATION  OK  FAILED  PER SECOND  P50      P99      MAX
put        2   0       0.5         2.00 ms  2.00 ms  2.00 ms
get        0   1       0.0         -        -        -

FAILURE             TIMES
busy (not applied)  1
";
        assert_eq!(render(&bench(), &tally(), Duration::from_secs(4), Form::Table), expected);
    }

    #[test]
    fn programs_get_numbers() {
        let text = render(&bench(), &tally(), Duration::from_secs(4), Form::Json);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["puts"]["ok"], 2);
        assert_eq!(json["puts"]["p99_us"], 2_000.0);
        assert_eq!(json["gets"]["p50_us"], Value::Null);
        assert_eq!(json["failures"]["busy (not applied)"], 1);
        let plain = render(&bench(), &tally(), Duration::from_secs(4), Form::Plain);
        assert!(plain.starts_with("put\t2\t0\t0.5\t2.00 ms\t"), "{plain}");
    }
}
