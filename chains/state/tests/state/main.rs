//! Tests of the state over its public interface, in one binary.

// The lint's exemption for tests covers test functions, not what they share.
#![allow(clippy::unwrap_used)]

mod common;
mod conformance;
mod crit_bit;
mod equivalence;
mod multistore;
mod oracle;
mod pins;
