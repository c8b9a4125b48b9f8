//! Requests: which were answered, how, and after how long?

use std::collections::BTreeMap;
use std::sync::Arc;

use api::meter::{Distribution, Durations};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::command::OPS;

/// The action of a request that could not be read far enough to have one.
const NO_OP: &str = "none";

/// The result of a request that was answered as asked.
pub(crate) const OK: &str = "ok";

/// The result of a request whose client went away before the answer.
const CLIENT_GONE: &str = "client_gone";

/// Every request of one interface, by action.
#[derive(Debug)]
pub(crate) struct Requests {
    by_op: BTreeMap<&'static str, OfOp>,
}

/// The requests of one action.
#[derive(Debug, Default)]
struct OfOp {
    took: Durations,
    /// By result. Held for an increment only.
    by_code: Mutex<BTreeMap<&'static str, u64>>,
}

/// A request that is being answered; counted when it is dropped.
#[derive(Debug)]
pub(crate) struct Measured {
    requests: Arc<Requests>,
    since: Instant,
    op: &'static str,
    code: &'static str,
}

impl Requests {
    /// Nothing so far. What may succeed is there from the start, so that its
    /// rate is right from the first request on.
    pub(crate) fn new() -> Self {
        let by_op = OPS.into_iter().chain([NO_OP]).map(|op| (op, OfOp::default()));
        let requests = Self { by_op: by_op.collect() };
        for op in OPS.iter().filter_map(|op| requests.by_op.get(op)) {
            op.by_code.lock().insert(OK, 0);
        }
        requests
    }

    /// A request's head has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Measured {
        let since = Instant::now();
        Measured { requests: Arc::clone(self), since, op: NO_OP, code: CLIENT_GONE }
    }

    /// Calls `show` with each action, its results, and how long it took.
    pub(crate) fn read(
        &self,
        mut show: impl FnMut(&str, &BTreeMap<&'static str, u64>, Distribution),
    ) {
        for (name, op) in &self.by_op {
            let by_code = op.by_code.lock().clone();
            show(name, &by_code, op.took.read());
        }
    }
}

impl Measured {
    /// What it asks for.
    pub(crate) fn is(&mut self, op: &'static str) {
        self.op = op;
    }

    /// What it asks for, as far as it is known.
    pub(crate) fn op(&self) -> &'static str {
        self.op
    }

    /// How it ended.
    pub(crate) fn ended(mut self, code: &'static str) {
        self.code = code;
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let op = self.requests.by_op.get(self.op).expect("every action is counted");
        op.took.record(self.since.elapsed());
        *op.by_code.lock().entry(self.code).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(requests: &Requests) -> Vec<(String, &'static str, u64)> {
        let mut counted = Vec::new();
        requests.read(|op, by_code, took| {
            assert_eq!(took.count, by_code.values().sum::<u64>(), "{op}");
            let codes = by_code.iter().filter(|(_, count)| **count > 0);
            counted.extend(codes.map(|(code, count)| (op.to_owned(), *code, *count)));
        });
        counted
    }

    #[test]
    fn a_request_is_counted_once_however_it_ends() {
        let requests = Arc::new(Requests::new());
        for _ in 0..2 {
            let mut get = requests.begin();
            get.is("get");
            get.ended(OK);
        }
        requests.begin().ended("bad_request");
        let mut put = requests.begin();
        put.is("put");
        drop(put);
        let expected = [("get", OK, 2), ("none", "bad_request", 1), ("put", CLIENT_GONE, 1)];
        assert_eq!(counted(&requests), expected.map(|(op, code, n)| (op.to_owned(), code, n)));
    }
}
