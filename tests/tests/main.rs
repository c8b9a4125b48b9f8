//! Cluster: what do five real processes promise while things go wrong?
//!
//! One file per kind of fault; a test's name says the fault and what is expected.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod dialect;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod pause;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod space;
#[cfg(test)]
mod trust;
