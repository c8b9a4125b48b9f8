//! Random: legal histories pass, broken ones are found exactly if they are illegal.

use oracle::{Kind, Limits, Operation, judge, version_order, wgl};
use proptest::prelude::*;

use crate::atomic::{self, Dice, Shape};
use crate::exhaustive::is_legal;
use crate::script::{found, history, kinds, wgl as search};

const WIDE: Shape = Shape {
    ops: 300,
    keys: 3,
    procs: 6,
    readers: 40,
    deletes: 10,
    unknown: 5,
    failed: 5,
    hidden: 0,
    nodes: 3,
};

/// Small enough to try all orders.
const SMALL: Shape = Shape {
    ops: 7,
    keys: 1,
    procs: 4,
    readers: 35,
    deletes: 15,
    unknown: 20,
    failed: 5,
    hidden: 0,
    nodes: 1,
};

/// The same, where most is open: what is removed from a search must not change it.
const UNSURE: Shape = Shape { deletes: 25, unknown: 50, failed: 0, ..SMALL };

/// A small history with one answer changed.
fn broken(seed: u64, shape: &Shape) -> Option<Vec<Operation>> {
    let mut operations = atomic::history(seed, shape);
    atomic::mutate(&mut Dice(!seed), &mut operations)?;
    Some(operations)
}

fn hidden(shape: Shape) -> Shape {
    Shape { hidden: 10, ..shape }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_checkers_accept_what_is_legal(seed: u64) {
        for shape in [WIDE, hidden(WIDE)] {
            let verdict = judge(&history(&atomic::history(seed, &shape)), &Limits::default());
            prop_assert!(verdict.is_clean(), "{verdict} {:#?}", verdict.shown);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_search_and_trying_all_orders_agree(seed: u64) {
        for shape in [SMALL, UNSURE, hidden(SMALL), hidden(UNSURE)] {
            prop_assert!(is_legal(&atomic::history(seed, &shape), true));
            if let Some(broken) = broken(seed, &shape) {
                let wrong = if is_legal(&broken, false) { vec![] } else { vec![Kind::Violation] };
                prop_assert_eq!(kinds(&search(&broken)), wrong, "{:#?}", broken);
            }
        }
    }

    /// Also where the order by versions is tried first.
    #[test]
    fn a_guess_changes_no_verdict(seed: u64) {
        if let Some(broken) = broken(seed, &UNSURE) {
            let guessed = found(&broken, |row, findings| {
                let order = version_order::order(row, &mut Vec::new());
                wgl::check(row, order.as_deref(), &Limits::default(), findings);
            });
            prop_assert_eq!(kinds(&guessed), kinds(&search(&broken)), "{:#?}", broken);
        }
    }

    #[test]
    fn the_version_order_refuses_nothing_that_is_legal(seed: u64) {
        for shape in [SMALL, UNSURE, hidden(SMALL), hidden(UNSURE)] {
            if let Some(broken) = broken(seed, &shape).filter(|broken| is_legal(broken, true)) {
                prop_assert_eq!(found(&broken, version_order::check), []);
            }
        }
    }

    #[test]
    fn without_unknown_outcomes_the_version_order_finds_all(seed: u64) {
        let shape = Shape { unknown: 0, ..SMALL };
        if let Some(broken) = broken(seed, &shape).filter(|broken| !is_legal(broken, true)) {
            prop_assert_ne!(found(&broken, version_order::check), [], "{:#?}", broken);
        }
    }
}
