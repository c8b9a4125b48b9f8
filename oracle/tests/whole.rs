//! Whole: what is said of a history in all.

use oracle::{Digest, Exit, Fault, Limits, Line, Operation, Outcome, Plan, judge};

use crate::script::{delete_none, failed, get, get_none, history, last, put, unknown};

fn operations() -> Vec<Operation> {
    vec![
        put("a", 1, 0..10),
        failed(put("b", 0, 20..30)),
        unknown(put("c", 0, 40..50)),
        last(get("a", 1, 60..70)),
    ]
}

fn fault(kind: &str, installed: bool) -> Line {
    Line::Fault(Fault {
        kind: kind.to_owned(),
        target: "n1".to_owned(),
        begin_ns: 5,
        end_ns: Some(6),
        installed,
    })
}

fn digest(node: &str, applied: u64, digest: &str) -> Line {
    let (node, digest) = (node.to_owned(), digest.to_owned());
    Line::Digest(Digest { node, group: 1, applied, digest })
}

fn exit(explained: bool) -> Line {
    Line::Exit(Exit { node: "n1".to_owned(), at_ns: 7, how: "signal 6".to_owned(), explained })
}

/// What is said of the operations above with these lines.
fn said(lines: Vec<Line>, plan: Plan) -> String {
    let mut history = history(&operations());
    history.header.plan = plan;
    for line in lines {
        history.push(line).expect("a line that agrees with itself");
    }
    judge(&history, &Limits::default()).to_string()
}

#[test]
fn a_clean_run_is_said_in_one_line() {
    let plan = Plan {
        ops: 4,
        faults: 2,
        kinds: [("kill".to_owned(), 1), ("stop".to_owned(), 1)].into(),
        outcomes: [Outcome::Ok, Outcome::Fail, Outcome::Unknown].into(),
    };
    let lines = vec![
        fault("kill", true),
        fault("stop", true),
        fault("cut", false),
        digest("n1", 9, "x"),
        digest("n2", 9, "x"),
        exit(true),
    ];
    assert_eq!(
        said(lines, plan),
        "faults=2 kinds=2 ops=4 violations=0 lost=0 double=0 undecided=0 unexplained=0"
    );
}

#[test]
fn a_run_that_falls_short_of_its_plan_is_not_clean() {
    let plan = |plan: Plan, lines| said(lines, plan).contains("violations=1");
    assert!(plan(Plan { ops: 5, ..Plan::default() }, vec![]));
    assert!(plan(Plan { faults: 1, ..Plan::default() }, vec![fault("kill", false)]));
    let kinds = [("kill".to_owned(), 1)].into();
    assert!(plan(Plan { kinds, ..Plan::default() }, vec![fault("stop", true)]));
    let mut no_unknown = history(&[get_none(0..1)]);
    no_unknown.header.plan.outcomes = [Outcome::Unknown].into();
    assert_eq!(judge(&no_unknown, &Limits::default()).violations, 1);
}

#[test]
fn an_empty_history_is_not_clean() {
    assert!(!judge(&history(&[]), &Limits::default()).is_clean());
}

#[test]
fn replicas_that_differ_are_found() {
    let of = |lines| said(lines, Plan::default());
    assert!(of(vec![digest("n1", 9, "x"), digest("n2", 9, "y")]).contains("violations=1"));
    let earlier = vec![digest("n1", 9, "x"), digest("n2", 8, "y"), digest("n1", 8, "y")];
    assert!(of(earlier).contains("violations=0 lost=0 double=0 undecided=0"));
    assert!(of(vec![digest("n1", 9, "x"), digest("n2", 8, "y")]).contains("undecided=1"));
}

#[test]
fn reads_at_the_end_that_differ_are_found() {
    let a = put("a", 1, 0..10);
    let other = crate::script::replica("n2", get("b", 1, 60..70));
    let read = last(get("a", 1, 60..70));
    let findings = |operations: &[Operation]| {
        crate::script::found(operations, oracle::convergence::check).len()
    };
    assert_eq!(findings(&[a.clone(), read.clone(), other.clone()]), 1);
    // One version has one value, whatever is unknown.
    let late = unknown(put("b", 0, 20..30));
    assert_eq!(findings(&[a.clone(), late.clone(), read.clone(), other]), 1);
    let later = crate::script::replica("n2", get("b", 2, 60..70));
    assert_eq!(findings(&[a.clone(), late, read.clone(), later.clone()]), 0);
    assert_eq!(findings(&[a, read.clone(), later]), 1);
}

#[test]
fn an_unexplained_end_is_counted() {
    assert!(said(vec![exit(false)], Plan::default()).ends_with("unexplained=1"));
}

#[test]
fn a_row_beyond_the_limits_is_undecided() {
    let narrow = [
        Limits { ops_max: 1, ..Limits::default() },
        Limits { in_flight_max: 0, ..Limits::default() },
        Limits { steps_max: 1, ..Limits::default() },
    ];
    // No version tells when the row was deleted, so that it must be searched.
    let deleted = [put("a", 1, 0..10), unknown(delete_none(20..30)), get_none(40..50)];
    let operations = [deleted.as_slice(), &[last(get_none(60..70))]].concat();
    assert!(judge(&history(&operations), &Limits::default()).is_clean());
    for limits in narrow {
        let verdict = judge(&history(&operations), &limits);
        assert_eq!((verdict.undecided, verdict.violations), (1, 0), "{limits:?}");
        assert!(!verdict.is_clean());
    }
}

#[test]
fn two_operations_with_one_id_are_found() {
    let mut history = history(&operations());
    history.operations[1].operation.id = 1;
    assert_eq!(judge(&history, &Limits::default()).violations, 1);
}

#[test]
fn findings_are_counted_and_the_first_are_shown() {
    let stale: Vec<_> = (0..20).map(|n| get("a", 1, 100 + n..100 + n)).collect();
    let mut operations = vec![failed(put("a", 0, 0..10))];
    operations.extend(stale);
    operations.push(get("nobody", 2, 200..210));
    let verdict = judge(&history(&operations), &Limits::default());
    assert!(verdict.violations > 0);
    assert!(verdict.shown.iter().any(|finding| finding.what.contains("id 1")), "{verdict:?}");
}
