//! Models of the two protocols whose order of events matters most, searched through to the last state.
//!
//! | Model | What happens in any order | What holds in every state |
//! |---|---|---|
//! | [`packet`] | sends, relays of any header and claim, duplicates, deadlines, frozen clients | money, one effect, one end, deadlines, an end for every packet |
//! | [`votes`] | what others say, flushes, power cuts, lost and damaged files, restarts | one vote a step, no lock forgotten, both copies, a vote again |
//!
//! Random tests of the real code stand beside it and in `tests/sim`; they take a few of the orders that there are. Here there
//! are few heights, rounds and packets, and all orders.
//!
//! The packet law is a paraphrase, because a real call takes milliseconds; `tests/packet_replay.rs` carries ways through the
//! model out on real chains and compares every outcome. The rules of votes use the production code where it is pure and
//! public: marks and their order, the guard's file, the judgement of both copies.
//!
//! A check that finds nothing may look for nothing. So each model has a list of mistakes, each of which must be found, and a
//! number of states that it must reach. Figures stand in `docs/models.md`.
//!
//! # Invariants
//!
//! - A model is deterministic: a state and an action give one state.
//! - What a property reads and the law does not is marked so; no law looks at it.
//! - Every mistake is found by the property that it is listed with, in the model that it is listed with.
//! - What is assumed of disks, clients or others is in the model's documentation, not in what it leaves out silently.
//! - Nothing here is used outside of tests.

pub mod check;
pub mod packet;
pub mod votes;
