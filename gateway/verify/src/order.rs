//! One order against what both chains say.

use crate::{evidence::Answer, home::Home, partner::Partner};
use catenary_apps::accounts::AccountName;
use catenary_orders::{ASSET, BANKS, HOME, Order};
use catenary_transfer::data;
use catenary_types::{AccountId, ChainId, Reference, UnixSeconds};

/// Why an order is not proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No transaction of the debtor under this reference sent a transfer.
    #[error("the home chain has no transfer of account {debtor} under this reference")]
    NotSent {
        /// Who should have paid.
        debtor: String,
    },
    /// The transaction pays something else.
    #[error("{what}: the order says {expected}, the transaction {actual}")]
    Differs {
        /// Which part.
        what: &'static str,
        /// The order's.
        expected: String,
        /// The transaction's.
        actual: String,
    },
    /// The transaction and its packet disagree.
    #[error("its packet does not carry what its transaction says")]
    Packet,
    /// There is no evidence of the creditor's bank.
    #[error("there is no evidence of {bank}")]
    NoPartner {
        /// The bank.
        bank: &'static str,
    },
    /// It went to a chain that is not the one of the evidence.
    #[error("it went over {client} to {actual:?}, the evidence of the bank is of {expected}")]
    OtherChain {
        /// The client on the home chain.
        client: String,
        /// Chain of the evidence.
        expected: ChainId,
        /// Chain that the client follows.
        actual: String,
    },
    /// The partner's evidence does not answer the packet.
    #[error("{bank} proves no answer to packet {sequence} of {client}")]
    Unanswered {
        /// The bank.
        bank: &'static str,
        /// The client on the partner's chain.
        client: String,
        /// The packet.
        sequence: u64,
    },
    /// The absence of a receipt proves nothing before the deadline.
    #[error("there is no receipt at second {shown}, but it could come until {deadline}")]
    Early {
        /// Time of the header, rounded down.
        shown: UnixSeconds,
        /// The packet's deadline.
        deadline: UnixSeconds,
    },
    /// The home chain has not drawn the consequence, or another.
    #[error("the partner says {partner:?}, the home chain {home:?}")]
    Contradiction {
        /// What the partner proves.
        partner: Answer,
        /// What the home chain has done; nothing if the packet is still in flight.
        home: Option<Answer>,
    },
}

/// The reference under which an order is paid in a month, counted from 0: its id, from the second month on with the
/// month's number.
pub fn reference(order: &Order, month: u32) -> Reference {
    if month == 0 {
        return order.id.clone();
    }
    let text = format!("{}/{}", order.id, u64::from(month) + 1);
    // Ids near the longest reference have no room for a month: no transaction has this reference, and so says the error.
    text.parse().unwrap_or_else(|_| order.id.clone())
}

/// All chains, verified. What one order used is gone for the others.
pub(crate) struct Books {
    /// The home chain.
    pub(crate) home: Home,
    /// Partners in the order of [`BANKS`].
    pub(crate) partners: Vec<Option<Partner>>,
}

impl Books {
    /// How an order was settled, if both chains say the same.
    pub(crate) fn settled(&mut self, order: &Order, reference: &Reference) -> Result<Answer, OrderError> {
        let Self { home, partners } = self;
        let bank = BANKS[order.bank];
        let partner = partners[order.bank].as_mut().ok_or(OrderError::NoPartner { bank })?;
        let debtor = AccountName { organisation: organisation(HOME), number: order.debtor.clone() };
        let sender: AccountId = debtor.id();
        let not_sent = || OrderError::NotSent { debtor: order.debtor.to_string() };
        let sent = home.sent.remove(&(sender, reference.clone())).ok_or_else(not_sent)?;
        let receiver = AccountName { organisation: organisation(bank), number: order.creditor.clone() };
        let (call, packet) = (&sent.call, &sent.packet);
        same("creditor", data::account_text(&receiver), data::account_text(&call.receiver))?;
        same("amount in halir", order.amount.to_string(), call.amount.to_string())?;
        same("asset", ASSET.to_owned(), call.asset.to_string())?;
        let [payload] = packet.payloads.as_slice() else { return Err(OrderError::Packet) };
        let (carried, amount) = data::read(payload).map_err(|_| OrderError::Packet)?;
        let agrees = packet.source_client == call.client
            && packet.timeout_timestamp == call.timeout
            && (amount, carried.denom.as_str()) == (call.amount, ASSET)
            && carried.sender == data::account_text(&debtor)
            && carried.receiver == data::account_text(&receiver);
        if !agrees {
            return Err(OrderError::Packet);
        }
        let lane = home.said.lanes.get(&call.client);
        let chain = lane.map_or("", |lane| lane.chain_id.as_str());
        let far = lane.and_then(|lane| lane.client.as_ref());
        if chain != partner.chain_id.as_str() || far != Some(&packet.dest_client) {
            let (client, expected) = (call.client.to_string(), partner.chain_id.clone());
            return Err(OrderError::OtherChain { client, expected, actual: chain.into() });
        }
        let unanswered = || OrderError::Unanswered {
            bank,
            client: packet.dest_client.to_string(),
            sequence: packet.sequence.0,
        };
        let name = (packet.dest_client.clone(), packet.sequence);
        let (answer, time) = partner.answers.remove(&name).ok_or_else(unanswered)?;
        let (shown, deadline) = (time.seconds(), packet.timeout_timestamp);
        if answer == Answer::Silent && shown < deadline {
            return Err(OrderError::Early { shown, deadline });
        }
        let done = home.said.settled.remove(&(packet.source_client.clone(), packet.sequence));
        if done == Some(answer) {
            Ok(answer)
        } else {
            Err(OrderError::Contradiction { partner: answer, home: done })
        }
    }
}

fn organisation(bank: &str) -> catenary_types::Organisation {
    bank.parse().expect("bank codes are organisations")
}

fn same(what: &'static str, expected: String, actual: String) -> Result<(), OrderError> {
    if expected == actual { Ok(()) } else { Err(OrderError::Differs { what, expected, actual }) }
}
