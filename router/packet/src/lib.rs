//! The packet law: what every chain enforces when packets leave, arrive, are answered or run out of time.

pub mod ids;
pub mod limits;
pub mod messages;

pub use ids::{ClientId, Sequence};
pub use messages::{Packet, PacketCall, Payload};
