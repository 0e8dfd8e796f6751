//! What the app says happened. All attributes are text.
//!
//! | Event | When | Attributes |
//! |---|---|---|
//! | `transfer_sent` | debited, packet committed | `transfer_id` `from` `to` `asset` `amount` `client` `sequence` `timeout` `memo` |
//! | `transfer_received` | credited on the target | `transfer_id` `from` `to` `asset` `amount` `client` `sequence` `memo` |
//! | `transfer_completed` | the source knows of the credit | `transfer_id` `from` `to` `asset` `amount` `client` `sequence` |
//! | `transfer_refunded` | the source has paid back | as before, and `reason`: `error` or `timeout` |
//!
//! `from` and `to` are `organisation/number`; `client` and `asset` are those of the chain that says it; `timeout` is in
//! seconds since 1970. A transfer that the target refused shows there as the packet's error acknowledgement alone.

use crate::{id::TransferId, messages::FungibleTokenPacketData};
use catenary_ledger::{Ctx, attribute};
use catenary_packet::{ClientId, Sequence};
use catenary_types::{Attribute, UnixSeconds};

/// The kinds of events.
pub mod kind {
    /// Debited, and the packet committed.
    pub const SENT: &str = "transfer_sent";
    /// Credited on the target.
    pub const RECEIVED: &str = "transfer_received";
    /// The source knows of the credit.
    pub const COMPLETED: &str = "transfer_completed";
    /// The source has paid back.
    pub const REFUNDED: &str = "transfer_refunded";
}

/// Why money came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundReason {
    /// The target refused the credit.
    Error,
    /// The target did not take the packet in time.
    Timeout,
}

impl RefundReason {
    /// The published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }
}

/// A packet as the chain that speaks sees it.
pub(crate) struct Leg<'a> {
    pub client: &'a ClientId,
    pub sequence: Sequence,
    pub asset: &'a str,
}

pub(crate) fn sent(
    ctx: &mut Ctx<'_, '_>,
    id: &TransferId,
    leg: &Leg<'_>,
    data: &FungibleTokenPacketData,
    timeout: UnixSeconds,
) {
    let mut attributes = common(id, leg, data);
    attributes.extend([attribute("timeout", timeout), attribute("memo", &data.memo)]);
    ctx.emit(kind::SENT, attributes);
}

pub(crate) fn received(
    ctx: &mut Ctx<'_, '_>,
    id: &TransferId,
    leg: &Leg<'_>,
    data: &FungibleTokenPacketData,
) {
    let mut attributes = common(id, leg, data);
    attributes.push(attribute("memo", &data.memo));
    ctx.emit(kind::RECEIVED, attributes);
}

pub(crate) fn completed(
    ctx: &mut Ctx<'_, '_>,
    id: &TransferId,
    leg: &Leg<'_>,
    data: &FungibleTokenPacketData,
) {
    ctx.emit(kind::COMPLETED, common(id, leg, data));
}

pub(crate) fn refunded(
    ctx: &mut Ctx<'_, '_>,
    id: &TransferId,
    leg: &Leg<'_>,
    data: &FungibleTokenPacketData,
    reason: RefundReason,
) {
    let mut attributes = common(id, leg, data);
    attributes.push(attribute("reason", reason.name()));
    ctx.emit(kind::REFUNDED, attributes);
}

fn common(id: &TransferId, leg: &Leg<'_>, data: &FungibleTokenPacketData) -> Vec<Attribute> {
    vec![
        attribute("transfer_id", id),
        attribute("from", &data.sender),
        attribute("to", &data.receiver),
        attribute("asset", leg.asset),
        attribute("amount", &data.amount),
        attribute("client", leg.client),
        attribute("sequence", leg.sequence),
    ]
}
