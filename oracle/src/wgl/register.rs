//! Register: what one row does, as a model to search with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use porcupine_rs::Model;

use crate::row::{Observed, Token};

/// What a row holds.
///
/// A value is a hash of its tokens, so that a state is small however long the value;
/// of 2^128 values, two that occur in one row are not the same by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State(u128);

/// What an operation does to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it found.
    pub found: Found,
    /// What it expected and did not find.
    pub missed: Option<State>,
    /// What it changed.
    pub change: Change,
    /// Whether it may find something else and then change nothing.
    pub optional: bool,
}

/// What an operation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Anything.
    Any,
    /// A row, whose value is not known.
    Row,
    /// Exactly this.
    Exactly(State),
}

/// What an operation changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The row holds this.
    Set(State),
    /// The row's value is longer by this.
    Append(Token),
}

/// The steps that are left.
pub type Budget = Arc<AtomicU64>;

/// The model.
#[derive(Clone, Debug)]
pub struct Register;

impl State {
    /// No row.
    pub const ABSENT: Self = Self(0);

    /// A row with this value.
    #[must_use]
    pub fn of(value: &[Token]) -> Self {
        value.iter().fold(Self::ABSENT, |state, token| state.with(*token))
    }

    /// What an answer shows, if it shows all.
    #[must_use]
    pub fn seen(observed: &Observed) -> Option<Self> {
        match observed {
            Observed::Nothing => None,
            Observed::Absent => Some(Self::ABSENT),
            Observed::Present { value, .. } => value.as_deref().map(Self::of),
        }
    }

    fn with(self, token: Token) -> Self {
        // Odd constants from the digits of pi; the fold of the halves spreads high bits.
        const MULTIPLIER: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;
        const START: u128 = 0xa409_3822_299f_31d0_082e_fa98_ec4e_6c89;
        let mixed = (self.0 ^ START ^ u128::from(token.number())).wrapping_mul(MULTIPLIER);
        let folded = (mixed ^ mixed.rotate_right(67)).wrapping_mul(MULTIPLIER);
        Self((folded ^ (folded >> 59)) | 1)
    }
}

impl Found {
    /// What an answer says.
    #[must_use]
    pub fn of(observed: &Observed) -> Self {
        match observed {
            Observed::Nothing => Self::Any,
            Observed::Present { value: None, .. } => Self::Row,
            _ => State::seen(observed).map_or(Self::Any, Self::Exactly),
        }
    }

    fn is(self, state: State) -> bool {
        match self {
            Self::Any => true,
            Self::Row => state != State::ABSENT,
            Self::Exactly(found) => state == found,
        }
    }
}

impl Step {
    /// Takes the step from a state, if that is possible.
    #[must_use]
    pub fn from(self, state: State) -> Option<State> {
        let found = self.found.is(state) && self.missed != Some(state);
        match (found, self.change) {
            (false, _) => self.optional.then_some(state),
            (true, Change::None) => Some(state),
            (true, Change::Set(state)) => Some(state),
            (true, Change::Append(token)) => Some(state.with(token)),
        }
    }
}

impl Model for Register {
    type State = State;
    type Op = (Step, Budget);
    type Metadata = ();

    fn init() -> State {
        State::ABSENT
    }

    fn step(state: &State, (step, budget): &(Step, Budget)) -> (bool, State) {
        // One thread searches, so nothing is lost between load and store.
        let left = budget.load(Ordering::Relaxed);
        budget.store(left.saturating_sub(1), Ordering::Relaxed);
        match step.from(*state) {
            Some(next) if left > 0 => (true, next),
            _ => (false, *state),
        }
    }
}
