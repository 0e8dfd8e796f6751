//! A replica and its worker from the outside: what waits, what is built, what is refused, and what a restart finds.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod blocks;
mod catch_up;
mod crash;
mod gossip;
mod node;
mod pool;
mod report;
mod restart;
mod roots;
mod snapshot;
mod snapshot_fetch;
mod timing;
mod validity;
