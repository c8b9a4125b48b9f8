//! State: what a group's log adds up to.

pub mod machine;
pub mod tables;
pub mod view;
