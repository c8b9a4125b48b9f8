//! Tests of the store with the meta machine in it: small, and all of its state
//! is in a view that can be compared.

mod apply;
mod crash;
mod data;
mod flush;
mod install;
mod lab;
mod openraft_calls;
mod recover;
