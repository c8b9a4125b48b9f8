//! Tests of the data machine: golden scripts, a model, and what must not happen.

mod crash;
mod harness;
mod hostile;
mod model;
mod order;
mod replay;
mod scripts;
mod scrub;
