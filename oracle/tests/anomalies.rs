//! Anomalies: each planted one is found, and what only looks like one is not.

use oracle::{Kind, Operation, durability, exactly_once, honesty, version_order};

use crate::script::*;

/// Both checkers of linearizability accept it.
#[track_caller]
fn legal(operations: &[Operation]) {
    assert_eq!(found(operations, version_order::check), [], "version order");
    assert_eq!(wgl(operations), [], "search");
}

/// Both checkers of linearizability refuse it.
#[track_caller]
fn illegal(operations: &[Operation]) {
    let by_version = found(operations, version_order::check);
    assert!(by_version.iter().any(|f| f.kind == Kind::Violation), "version order: {by_version:?}");
    assert_eq!(kinds(&wgl(operations)), [Kind::Violation], "search");
}

/// Refused by the version order; values alone do not show it.
#[track_caller]
fn illegal_by_version(operations: &[Operation]) {
    let by_version = found(operations, version_order::check);
    assert!(by_version.iter().any(|f| f.kind == Kind::Violation), "version order: {by_version:?}");
    assert_eq!(wgl(operations), [], "search");
}

#[test]
fn operations_at_once_may_have_any_order() {
    legal(&[put("a", 3, 0..100), put("b", 2, 0..100), get("b", 2, 10..90), get("a", 3, 20..100)]);
    legal(&[get_none(0..50), put("a", 1, 10..40), get("a", 1, 20..30)]);
    // Intervals are closed: what returned when another was called may come after it.
    legal(&[put("a", 1, 0..10), get_none(10..20)]);
}

#[test]
fn a_stale_read_is_found() {
    illegal(&[put("a", 1, 0..10), put("b", 2, 20..30), get("a", 1, 40..50)]);
    illegal(&[put("a", 1, 0..10), get_none(20..30)]);
    illegal(&[get("a", 1, 0..5), put("a", 1, 10..20)]);
}

#[test]
fn a_read_of_a_mismatch_counts_like_any_read() {
    legal(&[put("a", 1, 0..10), mismatch("x", "a", 1, 20..30)]);
    illegal(&[put("a", 1, 0..10), put("b", 2, 20..30), mismatch("x", "a", 1, 40..50)]);
}

#[test]
fn reads_that_go_back_are_found() {
    let writes = [put("a", 1, 0..10), put("b", 2, 20..100)];
    legal(&[writes.as_slice(), &[get("a", 1, 30..40), get("b", 2, 50..60)]].concat());
    illegal(&[writes.as_slice(), &[get("b", 2, 30..40), get("a", 1, 50..60)]].concat());
}

#[test]
fn a_lost_update_is_found() {
    // Two that both acted on version 1.
    illegal(&[
        append("a;", "a;", 1, 0..10),
        append("b;", "a;b;", 2, 20..40),
        append("c;", "a;c;", 3, 20..40),
        get("a;c;", 3, 50..60),
    ]);
    legal(&[
        append("a;", "a;", 1, 0..10),
        append("b;", "a;b;", 2, 20..40),
        append("c;", "a;b;c;", 3, 20..40),
        get("a;b;c;", 3, 50..60),
    ]);
}

#[test]
fn a_condition_that_held_twice_is_found() {
    let won = cas(Some("a"), "b", 2, 20..40);
    legal(&[put("a", 1, 0..10), won.clone()]);
    illegal(&[put("a", 1, 0..10), won, cas(Some("a"), "c", 3, 20..40)]);
    illegal(&[cas(None, "a", 1, 0..10), cas(None, "b", 2, 0..10)]);
    legal(&[cas(None, "a", 1, 0..10), delete("a", 1, 0..10), cas(None, "b", 3, 0..10)]);
    legal(&[cas(None, "a", 1, 0..10), unknown(delete_none(5..6)), cas(None, "b", 3, 20..30)]);
}

#[test]
fn two_writes_with_one_version_are_found() {
    illegal_by_version(&[put("a", 1, 0..10), put("b", 1, 0..10)]);
    illegal_by_version(&[put("a", 1, 0..10), get("a", 2, 20..30), get("a", 1, 40..50)]);
}

#[test]
fn a_version_with_two_values_is_found() {
    let split = [put("a", 1, 0..100), unknown(put("b", 0, 0..10)), get("b", 1, 20..30)];
    illegal_by_version(&split);
}

#[test]
fn versions_against_time_are_found() {
    illegal_by_version(&[put("a", 2, 0..10), put("b", 1, 20..30)]);
    // Versions are the shard's, so gaps mean nothing.
    legal(&[put("a", 5, 0..10), put("b", 900, 20..30)]);
}

#[test]
fn a_version_nobody_wrote_is_found() {
    illegal(&[put("a", 1, 0..10), get("ghost", 2, 20..30)]);
    let hidden = Operation { out: None, ..get("", 2, 20..30) };
    illegal_by_version(&[put("a", 1, 0..10), hidden.clone()]);
    legal(&[put("a", 1, 0..10), unknown(put("b", 0, 0..1)), hidden]);
}

#[test]
fn a_change_that_left_something_else_is_found() {
    illegal_by_version(&[
        put("a", 1, 0..10),
        Operation { out: Some("a".to_owned()), ..put("b", 2, 20..30) },
    ]);
    let wrong = append("b;", "b;a;", 2, 20..30);
    assert!(!found(&[append("a;", "a;", 1, 0..10), wrong], version_order::check).is_empty());
}

#[test]
fn an_unknown_write_may_take_effect_late_or_never() {
    let late = unknown(put("b", 0, 0..1));
    legal(&[late.clone(), put("a", 1, 10..20), get("a", 1, 30..40), get("b", 2, 50..60)]);
    legal(&[late.clone(), put("a", 1, 10..20), get("a", 1, 30..40)]);
    // But once: what was overwritten stays so.
    illegal(&[
        late.clone(),
        get("b", 1, 10..20),
        put("a", 2, 30..40),
        get("a", 2, 50..60),
        get("b", 1, 70..80),
    ]);
    // And not before it was sent.
    illegal(&[get("b", 1, 0..10), unknown(put("b", 0, 20..30))]);
    legal(&[
        put("a", 1, 0..10),
        unknown(delete_none(20..30)),
        get("a", 1, 40..50),
        get_none(60..70),
    ]);
}

#[test]
fn unknown_conditions_prove_each_other() {
    // Only if both took effect was there a "c".
    let chain = [
        put("a", 1, 0..10),
        unknown(cas(Some("a"), "b", 0, 20..30)),
        unknown(cas(Some("b"), "c", 0, 20..30)),
    ];
    legal(&[chain.as_slice(), &[get("c", 9, 40..50)]].concat());
    let too_late = [chain.as_slice(), &[get("c", 9, 40..50), get("b", 8, 60..70)]].concat();
    illegal(&too_late);
}

#[test]
fn a_deleted_row_that_reappears_is_found() {
    let deleted = [put("a", 1, 0..10), delete("a", 1, 20..30)];
    legal(&[deleted.as_slice(), &[get_none(40..50)]].concat());
    legal(&[deleted.as_slice(), &[get_none(40..50), put("b", 3, 60..70)]].concat());
    illegal(&[deleted.as_slice(), &[get("a", 1, 40..50)]].concat());
    // A delete that does not tell the version tells the value.
    illegal(&[put("a", 1, 0..10), delete("a", 0, 20..30), get("a", 1, 40..50)]);
}

#[test]
fn one_row_is_deleted_once() {
    let twice = [put("a", 1, 0..10), delete("a", 1, 20..40), delete("a", 1, 20..40)];
    assert_eq!(kinds(&found(&twice, version_order::check)), [Kind::Double]);
    assert_eq!(kinds(&wgl(&twice)), [Kind::Violation]);
    legal(&[put("a", 1, 0..10), delete("a", 1, 20..40), delete_none(20..40)]);
    illegal(&[put("a", 1, 0..10), delete_none(20..40)]);
}

#[test]
fn an_append_after_a_delete_starts_anew() {
    let deleted = [append("a;", "a;", 1, 0..10), delete("a;", 1, 20..30)];
    legal(&[deleted.as_slice(), &[append("b;", "b;", 3, 40..50)]].concat());
    illegal(&[deleted.as_slice(), &[append("b;", "a;b;", 3, 40..50)]].concat());
}

#[test]
fn the_search_names_the_first_answer_that_is_impossible() {
    let findings = wgl(&[
        put("a", 1, 0..10),
        put("b", 2, 20..30),
        get("b", 2, 32..34),
        get("a", 1, 40..50),
        get("b", 2, 60..70),
    ]);
    assert!(findings[0].what.contains("id 4"), "{findings:?}");
}

#[test]
fn an_acknowledged_write_that_is_lost_is_found() {
    let lost = |operations: &[Operation]| kinds(&found(operations, durability::check));
    let two = [append("a;", "a;", 1, 0..10), append("b;", "a;b;", 2, 20..30)];
    let read = |read: Operation| [two.as_slice(), &[last(read)]].concat();
    assert_eq!(lost(&read(get("a;b;", 2, 40..50))), []);
    assert_eq!(lost(&read(get("a;", 1, 40..50))), [Kind::Lost]);
    assert_eq!(lost(&read(get_none(40..50))), [Kind::Lost, Kind::Lost]);
    // One replica without it is enough.
    let replicas = [replica("n1", get("a;b;", 2, 40..50)), replica("n2", get("a;", 1, 40..50))];
    assert_eq!(lost(&[two.as_slice(), &replicas].concat()), [Kind::Lost]);
    // What was overwritten or may have been is not missed.
    let overwritten = [unknown(put("c;", 0, 5..6)), last(get("c;", 9, 40..50))];
    assert_eq!(lost(&[two.as_slice(), &overwritten].concat()), []);
    // Nor is it if nobody looked, but then nothing is known.
    assert_eq!(lost(&two), [Kind::Undecided]);
}

#[test]
fn an_acknowledged_delete_that_is_lost_is_found() {
    let deleted = [put("a", 1, 0..10), delete("a", 1, 20..30)];
    let lost =
        |read| kinds(&found(&[deleted.as_slice(), &[last(read)]].concat(), durability::check));
    assert_eq!(lost(get_none(40..50)), []);
    assert_eq!(lost(get("b", 3, 40..50)), []);
    assert_eq!(lost(get("a", 1, 40..50)), [Kind::Lost]);
}

#[test]
fn a_token_twice_or_from_nowhere_is_found() {
    let of = |operations: &[Operation]| kinds(&found(operations, exactly_once::check));
    let two = [append("a;", "a;", 1, 0..10), append("b;", "a;b;", 2, 20..30)];
    let read = |out, ver| [two.as_slice(), &[get(out, ver, 40..50)]].concat();
    assert_eq!(of(&read("a;b;", 2)), []);
    assert_eq!(of(&read("a;b;b;", 3)), [Kind::Double, Kind::Double]);
    assert_eq!(of(&read("x;", 3)), [Kind::Violation]);
    // As it ends with "a;", it looks like a second version of that, too.
    assert_eq!(of(&read("b;a;", 2)), [Kind::Violation, Kind::Double]);
    let of_replica = [two.as_slice(), &[replica("n2", get("a;a;b;", 2, 40..50))]].concat();
    assert_eq!(of(&of_replica), [Kind::Double]);
}

#[test]
fn a_write_that_made_two_versions_is_found() {
    let of = |operations: &[Operation]| kinds(&found(operations, exactly_once::check));
    let again = [put("a", 1, 0..10), put("b", 2, 20..30), get("a", 3, 40..50)];
    assert_eq!(of(&again), [Kind::Double]);
    let append_again =
        [append("a;", "a;", 1, 0..10), unknown(put("b;", 0, 20..30)), get("b;a;", 3, 40..50)];
    assert_eq!(of(&append_again), [Kind::Violation, Kind::Double]);
}

#[test]
fn a_refused_write_that_is_seen_is_found() {
    let refused = failed(put("a;", 0, 0..10));
    let of = |operations: &[Operation]| kinds(&found(operations, honesty::check));
    assert_eq!(of(&[refused.clone(), get_none(20..30)]), []);
    assert_eq!(of(&[refused.clone(), get("a;", 1, 20..30)]), [Kind::Violation]);
    let deep = append("b;", "a;b;", 2, 20..30);
    assert_eq!(of(&[refused.clone(), deep]), [Kind::Violation]);
    assert_eq!(of(&[refused, replica("n1", get("a;", 1, 20..30))]), [Kind::Violation]);
    let expected = [failed(put("a", 0, 0..10)), cas(Some("a"), "b", 2, 20..30)];
    assert_eq!(of(&expected), [Kind::Violation]);
}

#[test]
fn a_history_that_cannot_be_judged_is_found() {
    assert_eq!(
        kinds(&found(&[put("a", 1, 0..1), put("a", 2, 2..3)], |_, _| {})),
        [Kind::Violation]
    );
    assert_eq!(kinds(&found(&[append("a", "a", 1, 0..1)], |_, _| {})), [Kind::Violation]);
}
