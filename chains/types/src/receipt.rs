//! What execution leaves behind: receipts and events.

use crate::{
    ids::{InstanceName, TxId},
    wire::Message,
};
use catenary_crypto::{Hash, merkle_root};

crate::message! {
    /// The outcome of one transaction.
    pub struct Receipt {
        /// Which transaction.
        1 => tx_id: TxId,
        /// 0 if all calls succeeded; else the published number of `reason`.
        2 => code: u32,
        /// Published name of the failure, empty on success.
        3 => reason: String,
        /// What was expected and what came, for people.
        4 => detail: String,
        /// Events of all calls in order; none if the transaction failed.
        5 => events: Vec<Event>,
    }

    /// Something that happened, for subscribers and the router.
    pub struct Event {
        /// The app instance that says so.
        1 => instance: InstanceName,
        /// What happened, for example `transfer_sent`.
        2 => kind: String,
        /// The particulars.
        3 => attributes: Vec<Attribute>,
    }

    /// One particular of an event.
    pub struct Attribute {
        /// Its name.
        1 => name: String,
        /// Text, or the bytes of a message where the event's documentation says so.
        2 => value: Vec<u8>,
    }

    /// The leaf of `last_results_hash`: the part of a receipt that the next header commits to.
    pub struct ResultLeaf {
        /// As in the receipt.
        1 => code: u32,
        /// As in the receipt.
        2 => reason: String,
        /// As in the receipt.
        3 => tx_id: TxId,
        /// Merkle root over the encoded events.
        4 => events_hash: Hash,
    }
}

impl Receipt {
    /// Whether every call succeeded.
    pub fn succeeded(&self) -> bool {
        self.code == 0
    }

    /// What the next header commits to.
    pub fn leaf(&self) -> ResultLeaf {
        let events: Vec<_> = self.events.iter().map(Message::encode).collect();
        let events_hash = merkle_root(&events);
        ResultLeaf { code: self.code, reason: self.reason.clone(), tx_id: self.tx_id, events_hash }
    }

    /// The next header's `last_results_hash`.
    pub fn results_hash(receipts: &[Self]) -> Hash {
        let leaves: Vec<_> = receipts.iter().map(|receipt| receipt.leaf().encode()).collect();
        merkle_root(&leaves)
    }
}

impl Event {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&[u8]> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_slice())
    }

    /// The value of a text attribute.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name).and_then(|value| std::str::from_utf8(value).ok())
    }
}
