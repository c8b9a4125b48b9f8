//! Target: one decoder, its good inputs and what is promised of it.

use std::cell::Cell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocation_counter::measure;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::budget::Budget;
use crate::damage::every_damage;
use crate::edit::{Recipe, Stock, recipes};

pub use crate::budget::INPUTS_PLAIN;

/// Seeds up to this length are tried with every damage. Beyond, it takes too long.
const DAMAGED_BYTES_MAX: usize = 512;

/// The longest refusal: it goes into logs and answers, however long the input is.
const REFUSAL_BYTES_MAX: usize = 1_000;

/// Steps towards a shorter input that fails as well.
const SHRINKS_MAX: u32 = 10_000;

/// One decoder with its good inputs.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    stock: Stock,
    memory: fn(usize) -> usize,
}

/// One input, and what its decoding took.
#[derive(Debug)]
pub struct Input<'i> {
    /// The bytes.
    pub bytes: &'i [u8],
    memory_max: usize,
    memory: Cell<u64>,
}

/// What a decoder made of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It is one of its forms.
    Read,
    /// It is not, and the decoder said why.
    Refused,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Tally {
    read: Cell<u64>,
    memory: Cell<(u64, usize)>,
}

impl Taken {
    /// The input was refused for this reason.
    ///
    /// # Panics
    ///
    /// If the reason is empty or too long to be logged.
    pub fn refused(why: impl Display) -> Self {
        let why = why.to_string();
        assert!(!why.is_empty(), "a refusal says why");
        assert!(why.len() <= REFUSAL_BYTES_MAX, "a refusal of {} bytes: {why}", why.len());
        Self::Refused
    }
}

impl Input<'_> {
    /// Runs a decoder on the bytes.
    ///
    /// # Panics
    ///
    /// If it holds more memory at once than the target allows, or panics.
    pub fn decode<T>(&self, decoder: impl FnOnce(&[u8]) -> T) -> T {
        let mut decoded = None;
        // Unwinding through the measurement would spoil the next one.
        let taken = measure(|| {
            decoded = Some(catch_unwind(AssertUnwindSafe(|| decoder(self.bytes))));
        });
        let decoded = decoded.expect("it ran");
        let decoded = decoded.unwrap_or_else(|panic| resume_unwind(panic));
        let (most, limit) = (taken.bytes_max, self.memory_max);
        self.memory.set(self.memory.get().max(most));
        assert!(most <= limit as u64, "{most} bytes of memory, {limit} are allowed");
        decoded
    }
}

impl Target {
    /// A target that may take as much memory as its input, and a page.
    pub fn new<S: Into<Vec<u8>>>(name: &'static str, seeds: impl IntoIterator<Item = S>) -> Self {
        let seeds: Vec<Vec<u8>> = seeds.into_iter().map(Into::into).collect();
        assert!(!seeds.is_empty(), "{name} has no good input");
        let stock = Stock { seeds, words: Vec::new() };
        Self { name, stock, memory: |bytes| bytes + 4096 }
    }

    /// The target with words of a text form.
    #[must_use]
    pub fn words<'w>(mut self, words: impl IntoIterator<Item = &'w str>) -> Self {
        self.stock.words = words.into_iter().map(|word| word.as_bytes().to_vec()).collect();
        self
    }

    /// The target with another limit: bytes of memory, from bytes of input.
    #[must_use]
    pub fn memory(mut self, memory: fn(usize) -> usize) -> Self {
        self.memory = memory;
        self
    }

    /// Tries the seeds, all their damages and random inputs.
    ///
    /// # Panics
    ///
    /// If a seed is not read, or `check` panics; then the input is shown.
    pub fn run(self, check: impl Fn(&Input<'_>) -> Taken) {
        let tally = Tally::default();
        for seed in &self.stock.seeds {
            let taken = self.attempt(seed, &tally, &check);
            assert_eq!(taken, Taken::Read, "{}: seed {}", self.name, shown(seed));
            if seed.len() <= DAMAGED_BYTES_MAX {
                every_damage(seed, |what, bytes| {
                    let tried = AssertUnwindSafe(|| self.attempt(bytes, &tally, &check));
                    if let Err(panic) = catch_unwind(tried) {
                        eprintln!("fuzz {}: {what}: {}", self.name, shown(bytes));
                        resume_unwind(panic);
                    }
                });
            }
        }
        self.run_random(&tally, &check);
    }

    fn run_random(&self, tally: &Tally, check: &impl Fn(&Input<'_>) -> Taken) {
        let mut budget = Budget::from_environment();
        let config = Config {
            failure_persistence: None,
            max_shrink_iters: SHRINKS_MAX,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, rng(budget.seed));
        let recipes = recipes();
        tally.read.set(0);
        while budget.take() {
            let tree = recipes.new_tree(&mut runner).expect("no recipe is rejected");
            let tried = runner.run_one(tree, |recipe| {
                let _either = self.attempt(&recipe.made_of(&self.stock), tally, check);
                Ok(())
            });
            if let Err(TestError::Fail(why, recipe)) = tried {
                self.fail(budget.seed, &recipe, why.message());
            }
        }
        if budget.is_long() {
            self.report(&budget, tally);
        }
    }

    fn attempt(&self, bytes: &[u8], tally: &Tally, check: &impl Fn(&Input<'_>) -> Taken) -> Taken {
        let memory_max = (self.memory)(bytes.len());
        let input = Input { bytes, memory_max, memory: Cell::new(0) };
        let taken = check(&input);
        tally.read.set(tally.read.get() + u64::from(taken == Taken::Read));
        let memory = (input.memory.get(), bytes.len());
        tally.memory.set(tally.memory.get().max(memory));
        taken
    }

    fn fail(&self, seed: u64, recipe: &Recipe, why: &str) -> ! {
        let input = shown(&recipe.made_of(&self.stock));
        panic!("fuzz {}: {why}\nRDB_FUZZ_SEED={seed}\n{recipe:?}\ninput: {input}", self.name);
    }

    fn report(&self, budget: &Budget, tally: &Tally) {
        let (memory, of_bytes) = tally.memory.get();
        eprintln!(
            "fuzz {}: {} inputs, {} read, {:.0} s, most memory {memory} for {of_bytes}, seed {}",
            self.name,
            budget.done(),
            tally.read.get(),
            budget.elapsed().as_secs_f64(),
            budget.seed,
        );
    }
}

fn rng(seed: u64) -> TestRng {
    // The algorithm takes 16 bytes, not all zero.
    let [high, low] = [seed, !seed].map(u64::to_be_bytes);
    TestRng::from_seed(RngAlgorithm::XorShift, &[high, low].concat())
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new("digits", ["12", "3"])
    }

    fn digits(input: &Input<'_>) -> Taken {
        match input.decode(|bytes| bytes.iter().all(u8::is_ascii_digit)) {
            true => Taken::Read,
            false => Taken::refused("not digits"),
        }
    }

    fn panics(run: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a promise is broken");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn a_good_decoder_passes() {
        target().run(digits);
    }

    #[test]
    fn a_seed_that_is_refused_is_no_seed() {
        assert!(panics(|| Target::new("digits", ["x"]).run(digits)).contains("seed x"));
    }

    #[test]
    fn a_panic_deep_inside_is_found_and_shown_short() {
        let said = panics(|| {
            target().run(|input| {
                input.decode(|bytes| assert!(bytes.len() < 100, "too long"));
                Taken::Read
            });
        });
        assert!(said.contains("too long") && said.contains("RDB_FUZZ_SEED=1\n"), "{said}");
    }

    #[test]
    fn memory_beyond_the_limit_is_found() {
        let said = panics(|| {
            target().run(|input| {
                let _taken = input.decode(|bytes| vec![0_u8; bytes.len() * 100]);
                Taken::Read
            });
        });
        assert!(said.contains("bytes of memory"), "{said}");
    }

    #[test]
    fn a_refusal_says_why_in_few_words() {
        let long = || {
            let _taken = Taken::refused("x".repeat(5_000));
        };
        assert!(panics(long).contains("5000 bytes"));
        assert_eq!(Taken::refused("why"), Taken::Refused);
    }
}
