//! Sending: the debit and the packet, both or none.

use crate::{
    data::{account_text, check_memo, payload},
    denom::came_over,
    events::{self, Leg},
    id::TransferId,
    messages::{FungibleTokenPacketData, Send},
};
use catenary_apps::{
    accounts::AccountName,
    asset::{LaneName, money},
};
use catenary_ledger::{Ctx, Failure, records::ReadRecords};
use catenary_packet::ClientId;

pub(crate) fn send(ctx: &mut Ctx<'_, '_>, call: Send) -> Result<(), Failure> {
    check_memo(&call.memo)?;
    let from = ctx.caller().account;
    let sender = ctx.account(&from).expect("the caller has an account");
    let sender = account_text(&AccountName { organisation: sender.organisation, number: sender.number });
    if came_over(call.asset.as_str(), &call.client) {
        money::burn(ctx, &from, &call.asset, call.amount)?;
    } else {
        money::escrow(ctx, &lane(&call.client), &from, &call.asset, call.amount)?;
    }
    let data = FungibleTokenPacketData {
        denom: call.asset.to_string(),
        amount: call.amount.to_string(),
        sender,
        receiver: account_text(&call.receiver),
        memo: call.memo,
    };
    let sequence = catenary_packet::send(ctx, &call.client, payload(&data), call.timeout)?;
    let id = TransferId::new(ctx.chain_id().as_str(), &call.client, sequence, 0);
    let leg = Leg { client: &call.client, sequence, asset: call.asset.as_str() };
    events::sent(ctx, &id, &leg, &data, call.timeout);
    Ok(())
}

/// The escrow of a lane goes under its client on this chain.
pub(crate) fn lane(client: &ClientId) -> LaneName {
    client.as_str().parse().expect("a client id is 8 to 64 visible ASCII characters")
}
