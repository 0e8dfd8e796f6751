//! Receiving, and settling what was sent.

use crate::{
    KIND, PORT, Transfer,
    data::{check_memo, parse_account, read},
    denom::{Arrival, arrival, came_over},
    events::{self, Leg, RefundReason},
    id::TransferId,
    send::lane,
};
use catenary_apps::asset::money;
use catenary_ledger::{Ctx, Failure, Reason};
use catenary_packet::{Packet, Payload, PortApp, ReadClients, commitment::ERROR_ACKNOWLEDGEMENT};
use catenary_types::{AssetId, InstanceName};

/// What the target answers once the receiver has the money; ibc-go's bytes.
pub const SUCCESS_ACKNOWLEDGEMENT: &[u8] = br#"{"result":"AQ=="}"#;

impl PortApp for Transfer {
    fn port(&self) -> &str {
        PORT
    }

    fn on_receive(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        payload: &Payload,
    ) -> Result<Vec<u8>, Failure> {
        ctx.as_instance(&instance(), |ctx| receive(ctx, packet, payload))
    }

    fn on_acknowledge(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        payload: &Payload,
        acknowledgement: &[u8],
    ) -> Result<(), Failure> {
        ctx.as_instance(&instance(), |ctx| acknowledge(ctx, packet, payload, acknowledgement))
    }

    fn on_timeout(&self, ctx: &mut Ctx<'_, '_>, packet: &Packet, payload: &Payload) -> Result<(), Failure> {
        ctx.as_instance(&instance(), |ctx| refund(ctx, packet, payload, RefundReason::Timeout))
    }
}

/// Callbacks run in the packet app's name; what they say is said in this app's.
fn instance() -> InstanceName {
    KIND.parse().expect("a valid instance name")
}

fn receive(ctx: &mut Ctx<'_, '_>, packet: &Packet, payload: &Payload) -> Result<Vec<u8>, Failure> {
    let (data, amount) = read(payload)?;
    check_memo(&data.memo)?;
    let to = parse_account(&data.receiver)?;
    let client = &packet.dest_client;
    let arrival = arrival(&data.denom, &packet.source_client, client)?;
    let (Arrival::Returned(asset) | Arrival::Voucher(asset)) = &arrival;
    ctx.check_credit(&to.id(), asset, amount)?;
    match &arrival {
        Arrival::Returned(asset) => money::release(ctx, &lane(client), &to, asset, amount)?,
        Arrival::Voucher(asset) => money::mint_voucher(ctx, &to, asset, amount)?,
    };
    let source = ctx.client(client).expect("a packet comes in over a client that exists");
    let id = TransferId::new(&source.chain_id, &packet.source_client, packet.sequence, 0);
    let leg = Leg { client, sequence: packet.sequence, asset: asset.as_str() };
    events::received(ctx, &id, &leg, &data);
    Ok(SUCCESS_ACKNOWLEDGEMENT.to_vec())
}

fn acknowledge(
    ctx: &mut Ctx<'_, '_>,
    packet: &Packet,
    payload: &Payload,
    acknowledgement: &[u8],
) -> Result<(), Failure> {
    if acknowledgement == ERROR_ACKNOWLEDGEMENT {
        return refund(ctx, packet, payload, RefundReason::Error);
    }
    if acknowledgement != SUCCESS_ACKNOWLEDGEMENT {
        // Neither answer of this protocol: whether the receiver has the money is for people to find out.
        return Err(Failure::new(Reason::InvalidPacket, "expected a transfer's acknowledgement"));
    }
    let (data, _) = read(payload)?;
    let id = id_here(ctx, packet);
    let leg = Leg { client: &packet.source_client, sequence: packet.sequence, asset: &data.denom };
    events::completed(ctx, &id, &leg, &data);
    Ok(())
}

/// Undoes the debit of the send. Asks no rule and no freeze: the money is the sender's.
fn refund(
    ctx: &mut Ctx<'_, '_>,
    packet: &Packet,
    payload: &Payload,
    reason: RefundReason,
) -> Result<(), Failure> {
    let (data, amount) = read(payload)?;
    let client = &packet.source_client;
    let to = parse_account(&data.sender)?.id();
    let asset: AssetId =
        data.denom.parse().map_err(|error| Failure::new(Reason::InvalidPacket, format!("{error}")))?;
    if came_over(&data.denom, client) {
        money::refund_voucher(ctx, &to, &asset, amount)?;
    } else {
        money::refund(ctx, &lane(client), &to, &asset, amount)?;
    }
    let id = id_here(ctx, packet);
    let leg = Leg { client, sequence: packet.sequence, asset: &data.denom };
    events::refunded(ctx, &id, &leg, &data, reason);
    Ok(())
}

/// The id of a transfer that this chain sent.
fn id_here(ctx: &Ctx<'_, '_>, packet: &Packet) -> TransferId {
    TransferId::new(ctx.chain_id().as_str(), &packet.source_client, packet.sequence, 0)
}
