//! Format: the bytes of each kind of line, and what is refused.

use oracle::history::{Broken, Reader, Writer};
use oracle::{Digest, Exit, Fault, Header, History, Line, Operation, Outcome, Plan};

use crate::script::{cas, get, header, put, unknown};

/// A line of each kind. Whoever must change it makes a new format.
const GOLDEN: &str = include_str!("golden/history.jsonl");

fn lines() -> Vec<Line> {
    let plan = Plan {
        ops: 10,
        faults: 2,
        kinds: [("kill".to_owned(), 2)].into(),
        outcomes: [Outcome::Unknown, Outcome::Ok].into(),
    };
    let first = Operation {
        id: 1,
        proc: 4,
        req: Some("r-1".to_owned()),
        ..cas(Some("a"), "b", 9, 100..250)
    };
    vec![
        Line::Header(Header { made_by: "sim 1".to_owned(), plan, ..header() }),
        Line::Op(first),
        Line::Op(Operation { id: 2, ..crate::script::last(get("b", 9, 300..301)) }),
        Line::Op(Operation { id: 3, ..unknown(put("c", 0, 400..500)) }),
        Line::Fault(Fault {
            kind: "kill".to_owned(),
            target: "n1".to_owned(),
            begin_ns: 120,
            end_ns: None,
            installed: true,
        }),
        Line::Digest(Digest {
            node: "n1".to_owned(),
            group: 1,
            applied: 77,
            digest: "ab12".to_owned(),
        }),
        Line::Exit(Exit {
            node: "n1".to_owned(),
            at_ns: 130,
            how: "signal 9".to_owned(),
            explained: true,
        }),
    ]
}

#[test]
fn the_bytes_of_each_kind_of_line_are_these() {
    let mut lines = lines().into_iter();
    let Some(Line::Header(header)) = lines.next() else { panic!("no header") };
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for line in lines {
        writer.write(&line).unwrap();
    }
    assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), GOLDEN);
}

#[test]
fn what_is_written_is_read() {
    let mut reader = Reader::new(GOLDEN.as_bytes()).unwrap();
    assert_eq!(Line::Header(reader.header().clone()), lines()[0]);
    let read: Vec<Line> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, lines()[1..]);
    let history = History::read(GOLDEN.as_bytes()).unwrap();
    let lines: Vec<usize> = history.operations.iter().map(|recorded| recorded.line).collect();
    assert_eq!(lines, [2, 3, 4]);
}

/// What is said of the golden history with one text replaced.
fn broken(from: &str, to: &str) -> String {
    assert!(GOLDEN.contains(from), "{from}");
    let read = History::read(GOLDEN.replacen(from, to, 1).as_bytes());
    read.expect_err("a broken history was read").to_string()
}

#[test]
fn a_broken_line_is_named_and_never_skipped() {
    assert!(broken(r#""op":"get""#, r#""op":"got""#).starts_with("line 3: unknown variant"));
    assert!(broken(r#""proc":4,"#, "").starts_with("line 2: missing field"));
    assert!(broken(r#""proc":4,"#, r#""proc":4,"extra":1,"#).starts_with("line 2: unknown field"));
    assert!(broken("\n{\"line\":\"fault\"", "\n\n{\"line\":\"fault\"").starts_with("line 5: EOF"));
    assert!(broken(r#""format":1"#, r#""format":2"#).starts_with("line 1: format 2"));
    assert_eq!(broken(r#""line":"header""#, r#""line":"op""#).split(':').next(), Some("line 1"));
    assert!(broken("true}\n{\"line\":\"digest\"", "true}\n").starts_with("line 6: "));
}

#[test]
fn a_line_that_contradicts_itself_is_named() {
    let wrong = [
        (r#""out":"b","ver":9"#, r#""out":"b","ver":0"#, "line 3: an answer has `ver`"),
        (r#""ret_ns":301"#, r#""ret_ns":299"#, "line 3: `ret_ns`"),
        (r#""ret_ns":301"#, r#""ret_ns":null"#, "line 3: `ret_ns`"),
        (r#""arg":"b""#, r#""arg":"b;c""#, "line 2: `arg` must not be empty"),
        (r#""arg":"b""#, r#""arg":null"#, "line 2: `arg` must be there"),
        (r#""phase":"run","op":"cas""#, r#""phase":"final","op":"cas""#, "line 2: phases"),
        (
            r#""outcome":"ok","mismatch":false,"out":"b""#,
            r#""outcome":"ok","mismatch":true,"out":"b""#,
            "line 3: `expected` and",
        ),
        (r#""outcome":"ok""#, r#""outcome":"fail""#, "line 2: `out` and `ver`"),
        (r#""end_ns":null"#, r#""end_ns":1"#, "line 5: `end_ns`"),
    ];
    for (from, to, why) in wrong {
        let said = broken(from, to);
        assert!(said.starts_with(why), "{said}");
    }
}

#[test]
fn a_cut_off_history_is_no_history() {
    let cut = GOLDEN.trim_end();
    assert_eq!(
        History::read(cut.as_bytes()).unwrap_err().to_string(),
        "line 7: cut off: no newline at its end"
    );
    assert!(matches!(History::read(&b""[..]), Err(Broken::NoHeader)));
    let headless = GOLDEN.split_once('\n').unwrap().1;
    assert!(matches!(History::read(headless.as_bytes()), Err(Broken::NoHeader)));
    let two = [GOLDEN, GOLDEN].concat();
    assert_eq!(History::read(two.as_bytes()).unwrap_err().to_string(), "line 8: a second header");
}
