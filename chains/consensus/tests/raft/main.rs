//! Groups that keep a log: the pure member, and the bytes of its journal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod member;
mod records;
