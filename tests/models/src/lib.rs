//! x
pub mod check;
pub mod packet;
pub mod votes;
