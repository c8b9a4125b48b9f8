//! Tail: which recent entries can be read without the disk?
//!
//! Holds consecutive entries up to the end of the log: all that are not
//! durable yet, and behind them as many durable ones as the budget allows.

use std::collections::VecDeque;

/// The newest entries of one group's log.
#[derive(Debug)]
pub(crate) struct Tail<E> {
    /// The index of the first entry held, or of the next one if none is.
    first: u64,
    held: VecDeque<Held<E>>,
    bytes: usize,
    bytes_max: usize,
}

/// An entry and what it weighs.
#[derive(Debug)]
pub(crate) struct Held<E> {
    pub(crate) entry: E,
    /// Encoded bytes.
    pub(crate) bytes: usize,
}

impl<E> Tail<E> {
    /// Empty, before the entry at `next`.
    pub(crate) fn new(next: u64, bytes_max: usize) -> Self {
        Self { first: next, held: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// The index of the first entry held, or of the next one if none is.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The index after the last entry.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.held.len() as u64
    }

    /// Entries from `index` on.
    pub(crate) fn from(&self, index: u64) -> impl Iterator<Item = &Held<E>> {
        let skipped = index.saturating_sub(self.first);
        self.held.range(usize::try_from(skipped).unwrap_or(usize::MAX).min(self.held.len())..)
    }

    /// The entry at `index`, if it is held.
    pub(crate) fn get(&self, index: u64) -> Option<&E> {
        let offset = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.held.get(offset).map(|held| &held.entry)
    }

    /// Adds the entry at `index`, which must be the next one.
    pub(crate) fn push(&mut self, index: u64, held: Held<E>) {
        assert!(index == self.next(), "W4: entry {index} follows {} in the tail", self.next());
        self.bytes += held.bytes;
        self.held.push_back(held);
    }

    /// Forgets what was held; the next entry is `next`.
    pub(crate) fn reset(&mut self, next: u64) {
        self.held.clear();
        self.bytes = 0;
        self.first = next;
    }

    /// Forgets the entries from `next` on.
    pub(crate) fn cut(&mut self, next: u64) {
        if next <= self.first {
            self.reset(next);
            return;
        }
        while self.next() > next {
            let held = self.held.pop_back();
            self.bytes -= held.map_or(0, |held| held.bytes);
        }
    }

    /// Forgets the entries before `first`.
    pub(crate) fn drop_before(&mut self, first: u64) {
        while self.first < first && self.drop_first() {}
    }

    /// Forgets the oldest entries beyond the budget, but none after `flushed`:
    /// the disk does not have those (W5).
    pub(crate) fn evict(&mut self, flushed: Option<u64>) {
        while self.bytes > self.bytes_max && Some(self.first) <= flushed && self.drop_first() {}
    }

    fn drop_first(&mut self) -> bool {
        let Some(held) = self.held.pop_front() else { return false };
        self.bytes -= held.bytes;
        self.first += 1;
        true
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(indices: std::ops::Range<u64>) -> Tail<u64> {
        let mut tail = Tail::new(indices.start, 30);
        indices.for_each(|index| tail.push(index, Held { entry: index, bytes: 10 }));
        tail
    }

    fn entries(tail: &Tail<u64>) -> Vec<u64> {
        tail.from(0).map(|held| held.entry).collect()
    }

    #[test]
    fn w5_eviction_stops_at_the_first_entry_that_is_not_flushed() {
        let mut tail = tail(5..12);
        tail.evict(None);
        assert_eq!(entries(&tail), [5, 6, 7, 8, 9, 10, 11]);
        tail.evict(Some(6));
        assert_eq!(entries(&tail), [7, 8, 9, 10, 11]);
        tail.evict(Some(11));
        assert_eq!(entries(&tail), [9, 10, 11]);
        assert_eq!(tail.bytes(), 30);
    }

    #[test]
    fn a_cut_forgets_from_there_on_even_what_is_not_held() {
        let mut held = tail(5..8);
        held.cut(7);
        assert_eq!((entries(&held), held.next()), (vec![5, 6], 7));
        held.cut(3);
        assert_eq!((entries(&held), held.next(), held.bytes()), (vec![], 3, 0));
    }

    #[test]
    fn entries_are_found_by_index() {
        let tail = tail(5..8);
        assert_eq!((tail.get(4), tail.get(5), tail.get(8)), (None, Some(&5), None));
        assert_eq!(tail.from(7).map(|held| held.entry).collect::<Vec<_>>(), [7]);
        assert_eq!(tail.from(99).count(), 0);
    }
}
