//! Tests of the meta machine on an environment of its own.

mod harness;
mod replicas;
mod scripts;
