//! Tests of the state over its public interface, in one binary.

mod common;
mod conformance;
mod equivalence;
mod oracle;
