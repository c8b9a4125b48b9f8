//! State: what a group's log adds up to.

pub mod data;
mod dedup;
mod key;
pub mod machine;
pub mod read;
mod row;
pub mod scan;
pub mod tables;
mod time;
pub mod view;
pub mod membership;
mod seal;
mod system;
