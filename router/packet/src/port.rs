//! Apps that packets are for.

use crate::messages::{Packet, Payload};
use catenary_ledger::{Ctx, Failure};

/// An app behind a port. Each callback runs in a sub-transaction of its own: what it wrote is gone if it fails.
///
/// Callbacks charge no weight: the packet app charged for them before the call ran. They must not depend on who
/// relays.
pub trait PortApp: Send + Sync {
    /// The port, 2 to 128 characters.
    fn port(&self) -> &str;

    /// A packet has arrived. What comes back is the acknowledgement; a failure, a panic, an empty or oversized
    /// acknowledgement becomes [`crate::commitment::ERROR_ACKNOWLEDGEMENT`], and the source refunds.
    fn on_receive(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        payload: &Payload,
    ) -> Result<Vec<u8>, Failure>;

    /// The other chain answered; if with [`crate::commitment::ERROR_ACKNOWLEDGEMENT`], the app refunds. Must not fail:
    /// the packet is settled all the same, and what it moved is held until governance runs this again.
    fn on_acknowledge(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        payload: &Payload,
        acknowledgement: &[u8],
    ) -> Result<(), Failure>;

    /// The packet was never received: the app refunds. Must not fail, as above.
    fn on_timeout(&self, ctx: &mut Ctx<'_, '_>, packet: &Packet, payload: &Payload) -> Result<(), Failure>;
}
