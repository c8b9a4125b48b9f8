//! Status: how is the cluster, on one screen?
//!
//! Pure, in three steps:
//!
//! * [`report`] merges what the endpoints said into one picture.
//! * [`problem`] finds what is wrong with it, and what to do.
//! * [`screen`] shows both, [`list`] nodes or groups alone.
//!
//! The endpoints answer one after another while the cluster goes on, so a few
//! entries of lag are no news.

pub mod list;
pub mod problem;
pub mod report;
pub mod screen;

pub use problem::Problem;
pub use report::Report;

#[cfg(test)]
mod tests;
