//! Money between chains: ICS-20 version 1 over IBC v2 packets, one transfer per packet.
//!
//! ```text
//!   source                                              target
//!   Send: escrow (home) or burn (voucher) ── packet ──► receive: mint voucher, or release from escrow
//!                                                          │
//!   acknowledge: success ◄──────────────── "AQ==" ────────┤
//!   acknowledge: refund  ◄──────────────── error ─────────┘
//!   timeout:     refund  ◄── proof that there is no receipt
//! ```
//!
//! | Module | What it is |
//! |---|---|
//! | [`messages`] | the call and the packet's value |
//! | [`data`] | reading and writing the value |
//! | [`denom`] | traces: escrow at home, voucher abroad |
//! | [`events`] | the table of events |
//! | [`id`] | the transfer's name |
//! | [`audit`] | the invariants, over everything that is final |
//!
//! Deviations from ibc-go: amounts have at most 128 bits; accounts are `organisation/number`; a memo has at most 256
//! bytes. What does not fit is refused with the error acknowledgement, and the sender gets his money back.
//!
//! # Invariants
//!
//! - Per lane and asset, escrow at home = vouchers abroad + amounts in flight.
//! - A refund undoes exactly the send's debit, into the account that paid, frozen or not; nothing of it can be denied.
//! - A credit asks the chain's rules and the freeze first; a refusal is an answer, not a failure of the lane.
//! - What a packet says of sender and memo is data for people: it gives nobody a right.

pub mod audit;
pub mod data;
pub mod denom;
pub mod events;
pub mod id;
pub mod messages;
mod port;
mod send;

pub use id::TransferId;
pub use messages::{FungibleTokenPacketData, Send, TransferCall};
pub use port::SUCCESS_ACKNOWLEDGEMENT;

use catenary_ledger::{Access, App, Caller, Checked, Ctx, Failure};
use catenary_packet::SEND_WEIGHT;
use catenary_types::{Message, WireError};

/// The kind under which the app is registered, and its instance's name.
pub const KIND: &str = "transfer";
/// Its port.
pub const PORT: &str = "transfer";
/// What ICS-20 calls this form of the value.
pub const VERSION: &str = "ics20-1";
/// How the value is encoded.
pub const ENCODING: &str = "application/x-protobuf";

/// Weight of a send: the packet, two balances, the event.
const WEIGHT_SEND: u64 = SEND_WEIGHT + 20;

/// The app.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transfer;

impl App for Transfer {
    type Message = TransferCall;

    fn decode(&self, bytes: &[u8]) -> Result<TransferCall, WireError> {
        TransferCall::decode(bytes)
    }

    fn weight(&self, message: &TransferCall) -> u64 {
        match message {
            TransferCall::Send(_) => WEIGHT_SEND,
        }
    }

    /// Sends of one lane share its sequence, whose next value no call can know before it runs.
    fn access(&self, _caller: &Caller, _message: &TransferCall) -> Access {
        Access::Any
    }

    fn execute(&self, call: Checked<TransferCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        match call.into_inner() {
            TransferCall::Send(call) => send::send(ctx, call),
        }
    }
}
