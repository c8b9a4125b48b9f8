//! Tally: how often was what seen?
//!
//! Written as `kill=3 hold=1`, so that one process can add up what others counted.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// What is counted in a text; words that are no counts are left out.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut tally = Self::default();
        for (name, count) in text.split(' ').filter_map(|word| word.split_once('=')) {
            if let Ok(count) = count.parse() {
                tally.add(name, count);
            }
        }
        tally
    }

    /// Seen so many times more.
    pub fn add(&mut self, name: &str, count: u64) {
        *self.0.entry(name.to_owned()).or_default() += count;
    }

    /// Adds what another counted.
    pub fn add_all(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.add(name, *count);
        }
    }

    /// How often it was seen.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, count)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{name}={count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_added_up() {
        let mut tally = Tally::read("seed=x kill=3 hold=1 kill=1");
        assert_eq!(tally.to_string(), "hold=1 kill=4");
        tally.add_all(&Tally::read("hold=2"));
        assert_eq!((tally.get("hold"), tally.get("loss")), (3, 0));
    }
}
