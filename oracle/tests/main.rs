//! Judging: do the checkers find what is wrong, and only that?

mod anomalies;
mod atomic;
mod exhaustive;
mod format;
mod random;
mod script;
mod speed;
mod whole;
