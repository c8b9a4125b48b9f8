//! What the logs of a node promise, seen from outside: scripts, a model,
//! crashes, damage, openraft's own conformance suite.

#[cfg(test)]
mod binding;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inspection;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod misuse;
#[cfg(test)]
mod model;
#[cfg(test)]
mod race;
#[cfg(test)]
mod script;
#[cfg(test)]
mod suite;
