//! Exhaustive: whether a small history of one row is legal, by trying all orders.
//!
//! Slow and plain on purpose: what the checkers are compared with.

use oracle::{Op, Operation, Outcome};

/// What a row holds while an order is tried.
#[derive(Clone)]
struct State {
    row: Option<String>,
    /// Not known after a write whose outcome is not.
    version: Option<u64>,
    /// All later versions are above it.
    floor: u64,
}

/// Whether some order explains all values; and, if asked, all versions.
pub(crate) fn is_legal(operations: &[Operation], versions: bool) -> bool {
    let operations: Vec<_> = operations
        .iter()
        .filter(|o| o.outcome != Outcome::Fail)
        .filter(|o| o.outcome == Outcome::Ok || o.op != Op::Get)
        .collect();
    explore(&operations, versions, State { row: None, version: None, floor: 0 })
}

fn explore(left: &[&Operation], versions: bool, state: State) -> bool {
    if left.iter().all(|o| o.outcome == Outcome::Unknown) {
        return true;
    }
    let ret = |o: &Operation| if o.outcome == Outcome::Ok { o.ret_ns } else { None };
    let first_ret = left.iter().filter_map(|o| ret(o)).min().unwrap_or(u64::MAX);
    left.iter().enumerate().filter(|(_, o)| o.call_ns <= first_ret).any(|(place, next)| {
        let rest = left.iter().enumerate().filter(|(other, _)| *other != place);
        let rest: Vec<_> = rest.map(|(_, other)| *other).collect();
        run(next, versions, &state).is_some_and(|state| explore(&rest, versions, state))
    })
}

/// What an operation leaves, if its answer is right.
fn run(operation: &Operation, versions: bool, state: &State) -> Option<State> {
    let Operation { op, arg, expected, out, .. } = operation;
    let known = operation.outcome == Outcome::Ok;
    let mut state = state.clone();
    let reads = matches!(op, Op::Get | Op::Delete) || operation.mismatch;
    if known && reads {
        see(operation, versions, &mut state)?;
    }
    if *op == Op::Cas {
        let held = state.row == *expected;
        if known && held == operation.mismatch {
            return None;
        }
        if !held {
            return Some(state);
        }
    }
    let new = match op {
        Op::Get => return Some(state),
        Op::Delete => None,
        Op::Put | Op::Cas => arg.clone(),
        Op::Append => Some(state.row.unwrap_or_default() + arg.as_deref()?),
    };
    if known && *op != Op::Delete && out.is_some() && *out != new {
        return None;
    }
    state.row = new;
    state.version = None;
    if versions && known && *op != Op::Delete {
        let version = operation.ver.filter(|version| *version > state.floor)?;
        (state.version, state.floor) = (Some(version), version);
    }
    Some(state)
}

/// Compares what an answer shows with what is there.
fn see(operation: &Operation, versions: bool, state: &mut State) -> Option<()> {
    let version = operation.ver?;
    match (&state.row, &operation.out) {
        (Some(row), Some(out)) if row != out => return None,
        (None, _) => return (version == 0 && operation.out.is_none()).then_some(()),
        (Some(_), None) if version == 0 => return None,
        (Some(_), _) => {}
    }
    match state.version {
        _ if !versions => Some(()),
        Some(there) => (there == version).then_some(()),
        None if version > state.floor => {
            (state.version, state.floor) = (Some(version), version);
            Some(())
        }
        None => None,
    }
}
