//! One machine by script: what it is told, what it answers, what it refuses.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod group;
mod lock;
mod presence;
mod refusals;
mod steps;
mod subject;
mod walk;
