//! What the packet app says. The router lives on these events alone: `packet` carries the whole packet.
//!
//! | Kind | Attributes (text unless said otherwise) |
//! |---|---|
//! | `send_packet` | `client`, `sequence`, `timeout`, `packet` (encoded [`Packet`]); in the name of the app that sent |
//! | `receive_packet` | `client`, `sequence`, `packet` (encoded), `acknowledgement` (bytes), `outcome` = `ok` or `error`, `reason` |
//! | `acknowledge_packet` | `client`, `sequence`, `packet` (encoded), `outcome` = `ok` or `error` |
//! | `timeout_packet` | `client`, `sequence`, `packet` (encoded) |
//! | `packet_outcome` | `client`, `sequence`, `step` = `receive`, `acknowledge` or `timeout`, `outcome` = `duplicate`, `expired` or `refused`, `reason`, `detail`; for each packet of a call for which none of the three above stands |
//! | `refund_held` | `client`, `sequence`, `packet` (encoded), `reason`: the callback of a settled packet failed |
//! | `refund_released` | `client`, `sequence`: governance ran it again |
//! | `client_created` | `client`, `chain_id`, `height` |
//! | `client_updated` | `client`, `height` |
//! | `client_frozen` | `client`, `height`, `header_hash`, `reason` |
//! | `client_recovered` | `client`, `substitute` |
//! | `counterparty_registered` | `client`, `counterparty` |
//! | `lane_set` | `client`, `status` = `open` or `paused` |
//!
//! `client` is always the client on the chain that speaks.

use crate::{
    ids::{ClientId, Sequence},
    limits::REASON_BYTES_MAX,
    messages::Packet,
    records::{ClientState, LaneStatus},
};
use catenary_crypto::Hash;
use catenary_ledger::{Ctx, Failure, attribute};
use catenary_types::{Attribute, Height, Message};

/// Kind of the event of a sent packet.
pub const SEND_PACKET: &str = "send_packet";
/// Kind of the event of a received packet.
pub const RECEIVE_PACKET: &str = "receive_packet";
/// Kind of the event of an acknowledged packet.
pub const ACKNOWLEDGE_PACKET: &str = "acknowledge_packet";
/// Kind of the event of a packet that timed out.
pub const TIMEOUT_PACKET: &str = "timeout_packet";
/// Kind of the event that gives a packet's outcome in a call.
pub const PACKET_OUTCOME: &str = "packet_outcome";
/// Kind of the event of a failed callback.
pub const REFUND_HELD: &str = "refund_held";
/// Kind of the event of a callback that governance ran again.
pub const REFUND_RELEASED: &str = "refund_released";
/// Kind of the event of a new client.
pub const CLIENT_CREATED: &str = "client_created";
/// Kind of the event of a client that took a header.
pub const CLIENT_UPDATED: &str = "client_updated";
/// Kind of the event of a client that saw a contradiction.
pub const CLIENT_FROZEN: &str = "client_frozen";
/// Kind of the event of a client that governance put on another's state.
pub const CLIENT_RECOVERED: &str = "client_recovered";
/// Kind of the event of a lane whose far end became known.
pub const COUNTERPARTY_REGISTERED: &str = "counterparty_registered";
/// Kind of the event of a lane that was paused or resumed.
pub const LANE_SET: &str = "lane_set";

fn of_packet(client: &ClientId, packet: &Packet) -> Vec<Attribute> {
    vec![
        attribute("client", client),
        attribute("sequence", packet.sequence),
        Attribute { name: "packet".into(), value: packet.encode() },
    ]
}

/// Cuts text for people to a bounded length.
pub(crate) fn cut(text: &str) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= REASON_BYTES_MAX).last();
    if text.len() <= REASON_BYTES_MAX { text.into() } else { text[..end.unwrap_or(0)].into() }
}

pub(crate) fn send_packet(ctx: &mut Ctx<'_, '_>, packet: &Packet) {
    let mut attributes = of_packet(&packet.source_client, packet);
    attributes.push(attribute("timeout", packet.timeout_timestamp));
    ctx.emit(SEND_PACKET, attributes);
}

pub(crate) fn receive_packet(
    ctx: &mut Ctx<'_, '_>,
    packet: &Packet,
    acknowledgement: &[u8],
    failure: Option<&Failure>,
) {
    let mut attributes = of_packet(&packet.dest_client, packet);
    attributes.push(Attribute { name: "acknowledgement".into(), value: acknowledgement.to_vec() });
    attributes.push(attribute("outcome", if failure.is_none() { "ok" } else { "error" }));
    if let Some(failure) = failure {
        attributes.push(attribute("reason", cut(&failure.to_string())));
    }
    ctx.emit(RECEIVE_PACKET, attributes);
}

pub(crate) fn acknowledge_packet(ctx: &mut Ctx<'_, '_>, packet: &Packet, ok: bool) {
    let mut attributes = of_packet(&packet.source_client, packet);
    attributes.push(attribute("outcome", if ok { "ok" } else { "error" }));
    ctx.emit(ACKNOWLEDGE_PACKET, attributes);
}

pub(crate) fn timeout_packet(ctx: &mut Ctx<'_, '_>, packet: &Packet) {
    ctx.emit(TIMEOUT_PACKET, of_packet(&packet.source_client, packet));
}

pub(crate) fn packet_outcome(
    ctx: &mut Ctx<'_, '_>,
    client: &ClientId,
    sequence: Sequence,
    step: &str,
    outcome: &str,
    failure: Option<&Failure>,
) {
    let mut attributes = vec![
        attribute("client", client),
        attribute("sequence", sequence),
        attribute("step", step),
        attribute("outcome", outcome),
    ];
    if let Some(failure) = failure {
        attributes.push(attribute("reason", failure.reason.name()));
        attributes.push(attribute("detail", cut(&failure.detail)));
    }
    ctx.emit(PACKET_OUTCOME, attributes);
}

pub(crate) fn refund_held(ctx: &mut Ctx<'_, '_>, packet: &Packet, reason: &str) {
    let mut attributes = of_packet(&packet.source_client, packet);
    attributes.push(attribute("reason", reason));
    ctx.emit(REFUND_HELD, attributes);
}

pub(crate) fn refund_released(ctx: &mut Ctx<'_, '_>, packet: &Packet) {
    let attributes = vec![attribute("client", &packet.source_client), attribute("sequence", packet.sequence)];
    ctx.emit(REFUND_RELEASED, attributes);
}

pub(crate) fn client_created(ctx: &mut Ctx<'_, '_>, client: &ClientId, state: &ClientState) {
    let attributes = vec![
        attribute("client", client),
        attribute("chain_id", &state.chain_id),
        attribute("height", state.latest_height),
    ];
    ctx.emit(CLIENT_CREATED, attributes);
}

pub(crate) fn client_updated(ctx: &mut Ctx<'_, '_>, client: &ClientId, height: Height) {
    ctx.emit(CLIENT_UPDATED, vec![attribute("client", client), attribute("height", height)]);
}

pub(crate) fn client_frozen(
    ctx: &mut Ctx<'_, '_>,
    client: &ClientId,
    height: Height,
    header_hash: &Hash,
    reason: &str,
) {
    let attributes = vec![
        attribute("client", client),
        attribute("height", height),
        attribute("header_hash", header_hash),
        attribute("reason", reason),
    ];
    ctx.emit(CLIENT_FROZEN, attributes);
}

pub(crate) fn client_recovered(ctx: &mut Ctx<'_, '_>, client: &ClientId, substitute: &ClientId) {
    ctx.emit(CLIENT_RECOVERED, vec![attribute("client", client), attribute("substitute", substitute)]);
}

pub(crate) fn counterparty_registered(ctx: &mut Ctx<'_, '_>, client: &ClientId, counterparty: &ClientId) {
    let attributes = vec![attribute("client", client), attribute("counterparty", counterparty)];
    ctx.emit(COUNTERPARTY_REGISTERED, attributes);
}

pub(crate) fn lane_set(ctx: &mut Ctx<'_, '_>, client: &ClientId, status: LaneStatus) {
    let status = match status {
        LaneStatus::Open => "open",
        LaneStatus::Paused => "paused",
    };
    ctx.emit(LANE_SET, vec![attribute("client", client), attribute("status", status)]);
}
