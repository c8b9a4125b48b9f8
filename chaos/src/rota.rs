//! Rota: which row is next?
//!
//! Rows that many clients hammer for long cannot be judged: so each is left for a
//! new one after some requests, or when too many of them ended unknown, and has only
//! so many clients at a time.

use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::plan::Load;

/// More at once, and a search for a linearization does not end.
const AT_ONCE_MAX: u64 = 10;
/// As with these, above all if what is wrong is to be found.
const UNKNOWN_MAX: u64 = 10;

/// The rows in use.
#[derive(Debug)]
pub struct Rota {
    key_requests: u64,
    // Held for a few instructions; tasks of all threads take turns.
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    rows: Vec<InUse>,
    /// How many rows there were so far.
    made: u64,
}

#[derive(Debug)]
struct InUse {
    key: String,
    requests: u64,
    in_flight: u64,
    unknown: u64,
    /// What somebody was shown last.
    seen: Option<String>,
}

/// Leave for one request about a row. It is given back.
#[derive(Debug)]
pub struct Turn {
    /// The row.
    pub key: String,
    /// What it may hold; `None`: nothing.
    pub guess: Option<String>,
    place: usize,
}

impl Rota {
    /// As many rows at a time as `load` says.
    #[must_use]
    pub fn new(load: &Load) -> Self {
        let mut shared = Shared { rows: Vec::new(), made: 0 };
        for _ in 0..load.keys {
            let row = shared.fresh();
            shared.rows.push(row);
        }
        Self { key_requests: load.key_requests, shared: Mutex::new(shared) }
    }

    /// A turn at some row, unless that one has enough clients.
    pub fn take(&self, dice: &mut SmallRng) -> Option<Turn> {
        let mut shared = self.shared.lock();
        let place = dice.random_range(0..shared.rows.len());
        let row = shared.rows.get_mut(place)?;
        if row.in_flight >= AT_ONCE_MAX {
            return None;
        }
        row.in_flight += 1;
        row.requests += 1;
        Some(Turn { key: row.key.clone(), guess: row.seen.clone(), place })
    }

    /// The request ended; `seen` is what its answer showed, if it did.
    pub fn give_back(&self, turn: &Turn, unknown: bool, seen: Option<Option<String>>) {
        let mut shared = self.shared.lock();
        let key_requests = self.key_requests;
        // Another row may have taken the place meanwhile.
        let here = shared.rows.get_mut(turn.place).filter(|row| row.key == turn.key);
        let Some(row) = here else { return };
        row.in_flight -= 1;
        row.unknown += u64::from(unknown);
        if let Some(seen) = seen {
            row.seen = seen;
        }
        if row.requests >= key_requests || row.unknown >= UNKNOWN_MAX {
            let fresh = shared.fresh();
            if let Some(row) = shared.rows.get_mut(turn.place) {
                *row = fresh;
            }
        }
    }

    /// Every row there was.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        (0..self.shared.lock().made).map(key).collect()
    }
}

impl Shared {
    fn fresh(&mut self) -> InUse {
        let key = key(self.made);
        self.made += 1;
        InUse { key, requests: 0, in_flight: 0, unknown: 0, seen: None }
    }
}

fn key(number: u64) -> String {
    // Half of the rows are lists that are appended to, half are registers.
    let kind = if number.is_multiple_of(2) { "list" } else { "row" };
    format!("{kind}-{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rand::SeedableRng;

    use super::*;

    fn rota(keys: usize) -> (Rota, SmallRng) {
        let (pause, timeout) = (Duration::ZERO, Duration::ZERO);
        let load = Load { keys, key_requests: 20, pause, timeout };
        (Rota::new(&load), SmallRng::seed_from_u64(1))
    }

    #[test]
    fn a_row_has_ten_clients_at_most_and_is_left_after_its_requests() {
        let (rota, mut dice) = rota(1);
        let turns: Vec<_> = (0..20).filter_map(|_| rota.take(&mut dice)).collect();
        assert_eq!(turns.len(), 10);
        turns.iter().for_each(|turn| rota.give_back(turn, false, None));
        let mut used = BTreeMap::new();
        for _ in 0..100 {
            let turn = rota.take(&mut dice).unwrap();
            *used.entry(turn.key.clone()).or_insert(0) += 1;
            rota.give_back(&turn, false, None);
        }
        assert_eq!(used["list-0"], 10);
        assert_eq!(used["row-1"], 20);
        assert_eq!(rota.all().len(), used.len() + usize::from(used.len() < rota.all().len()));
    }

    #[test]
    fn a_row_is_left_when_too_many_requests_ended_unknown() {
        let (rota, mut dice) = rota(1);
        for _ in 0..10 {
            let turn = rota.take(&mut dice).unwrap();
            assert_eq!(turn.key, "list-0");
            rota.give_back(&turn, true, None);
        }
        assert_eq!(rota.take(&mut dice).unwrap().key, "row-1");
    }

    #[test]
    fn a_guess_is_what_was_seen_last() {
        let (rota, mut dice) = rota(1);
        let turn = rota.take(&mut dice).unwrap();
        assert_eq!(turn.guess, None);
        rota.give_back(&turn, false, Some(Some("a;".to_owned())));
        assert_eq!(rota.take(&mut dice).unwrap().guess.as_deref(), Some("a;"));
    }
}
