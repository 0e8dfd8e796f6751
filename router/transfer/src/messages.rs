//! The call of the transfer app, and what its packets say.

use catenary_apps::accounts::AccountName;
use catenary_packet::ClientId;
use catenary_types::{Amount, AssetId, UnixSeconds};

catenary_types::oneof! {
    /// A call of the transfer app.
    pub enum TransferCall {
        /// Pays somebody on another chain.
        1 => Send(Send),
    }
}

catenary_types::message! {
    /// Pays from the caller's account to an account on the chain at the far end of a lane.
    pub struct Send {
        /// The lane: its client on this chain.
        1 => client: ClientId,
        /// In what; a voucher of this lane goes home.
        2 => asset: AssetId,
        /// How much, in minor units.
        3 => amount: Amount,
        /// To whom; opened there if this is its first credit.
        4 => receiver: AccountName,
        /// The money comes back unless the other chain takes it before this second.
        5 => timeout: UnixSeconds,
        /// For people, at most 256 bytes.
        6 => memo: String,
    }

    /// The value of a transfer's payload, byte for byte ibc-go's protobuf `FungibleTokenPacketData`.
    pub struct FungibleTokenPacketData {
        /// The asset's name on the sending chain, trace included.
        1 => denom: String,
        /// Decimal, in minor units.
        2 => amount: String,
        /// `organisation/number` on the sending chain.
        3 => sender: String,
        /// `organisation/number` on the receiving chain.
        4 => receiver: String,
        /// For people.
        5 => memo: String,
    }
}
