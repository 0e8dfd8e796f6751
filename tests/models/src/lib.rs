//! x
pub mod check;
pub mod packet;
