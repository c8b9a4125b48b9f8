//! Speed: a long run is judged in seconds.

use std::time::{Duration, Instant};

use oracle::row::Row;
use oracle::{History, Limits, judge, version_order, wgl};

use crate::atomic::{self, Shape};
use crate::script::history;

/// With optimisation, what a soak of an hour records; without, enough to notice a
/// checker that has become quadratic.
const OPS: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };

/// A tenth of this is usual, on one core.
const CHECK_MAX: Duration = Duration::from_secs(30);

const LONG: Shape = Shape {
    ops: OPS,
    keys: OPS / 1_000,
    procs: 50,
    readers: 50,
    deletes: 5,
    unknown: 1,
    failed: 1,
    hidden: 0,
    nodes: 1,
};

const HOT: Shape = Shape { ops: 2_000, keys: 1, procs: 10, unknown: 3, ..LONG };

#[expect(clippy::print_stdout, reason = "figures, for who runs it with --nocapture")]
fn time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    let took = begin.elapsed();
    println!("{what}: {took:?}");
    assert!(took < CHECK_MAX, "{what} took {took:?}");
    done
}

fn check_rows(what: &str, history: &History) {
    let mut findings = Vec::new();
    let rows = time(&format!("{what}: rows"), || Row::all(history, &mut findings));
    time(&format!("{what}: version order"), || {
        rows.iter().for_each(|row| version_order::check(row, &mut findings));
    });
    time(&format!("{what}: search"), || {
        rows.iter().for_each(|row| wgl::check(row, None, &Limits::default(), &mut findings));
    });
    time(&format!("{what}: both"), || {
        for row in &rows {
            let order = version_order::order(row, &mut findings);
            wgl::check(row, order.as_deref(), &Limits::default(), &mut findings);
        }
    });
    assert_eq!(findings, []);
}

#[test]
fn many_rows_are_judged_in_seconds() {
    check_rows("1000 operations a row", &history(&atomic::history(1, &LONG)));
}

#[test]
fn a_hot_row_is_judged_in_seconds() {
    check_rows("a hot row", &history(&atomic::history(2, &HOT)));
}

/// More clients at once than any search gets through: the versions tell the order.
#[test]
fn a_row_beyond_any_search_is_judged_by_its_versions() {
    let shape = Shape { ops: OPS / 20, procs: 100, deletes: 0, ..HOT };
    let history = history(&atomic::history(3, &shape));
    let verdict = time("a row beyond search", || judge(&history, &Limits::default()));
    assert!(verdict.is_clean(), "{verdict}: {:#?}", verdict.shown);
}
