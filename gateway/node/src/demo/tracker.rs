//! Follows payments through the final blocks of the chain that sends them.

use catenary_relay::gateway::FinalBlock;
use catenary_types::{Receipt, TxId};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Where a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not in a block yet.
    Unsent,
    /// Its packet is on the way.
    InFlight,
    /// Credited and acknowledged.
    Completed,
    /// The money is back: the other bank refused it, or did not take it in time.
    Refunded,
    /// The transaction failed; no money moved.
    Failed(String),
}

/// Follows payments by their references, transactions and transfers.
#[derive(Default)]
pub struct Tracker {
    by_reference: BTreeMap<String, usize>,
    by_transaction: BTreeMap<TxId, usize>,
    by_transfer: BTreeMap<String, usize>,
    statuses: Vec<Status>,
    submitted: Vec<Option<Instant>>,
    /// From submission to acknowledgement, of completed payments that this process submitted.
    pub latencies: Vec<Duration>,
    settled: usize,
}

impl Tracker {
    /// Follows payments of these references.
    pub fn new(references: impl Iterator<Item = String>) -> Self {
        let by_reference: BTreeMap<_, _> = references.zip(0..).collect();
        let count = by_reference.len();
        Self {
            by_reference,
            statuses: vec![Status::Unsent; count],
            submitted: vec![None; count],
            ..Self::default()
        }
    }

    /// A payment is about to be submitted.
    pub fn submitted(&mut self, payment: usize, tx_id: TxId) {
        self.by_transaction.insert(tx_id, payment);
        self.submitted[payment].get_or_insert_with(Instant::now);
    }

    /// Takes in a block; returns how many payments it settled.
    pub fn absorb(&mut self, block: &FinalBlock) -> usize {
        let before = self.settled;
        block.receipts.iter().for_each(|receipt| self.absorb_receipt(receipt));
        self.settled - before
    }

    /// Marks a payment as failed before it came into a block.
    pub fn refused(&mut self, payment: usize, reason: String) {
        self.set(payment, Status::Failed(reason));
    }

    /// Where each payment stands.
    pub fn statuses(&self) -> &[Status] {
        &self.statuses
    }

    /// One line on where all payments stand.
    pub fn standing(&self) -> String {
        let count = |status: &Status| self.statuses.iter().filter(|other| *other == status).count();
        let (unsent, in_flight) = (count(&Status::Unsent), count(&Status::InFlight));
        format!("paying: {} settled, {in_flight} in flight, {unsent} to send", self.settled)
    }

    /// Whether no payment is open.
    pub fn is_done(&self) -> bool {
        self.settled == self.statuses.len()
    }

    /// How many payments are settled, one way or another.
    pub fn settled(&self) -> usize {
        self.settled
    }

    fn absorb_receipt(&mut self, receipt: &Receipt) {
        if !receipt.succeeded() {
            // A reference that is used means that the payment was sent before: that one counts.
            if receipt.reason != "REFERENCE_USED"
                && let Some(payment) = self.by_transaction.get(&receipt.tx_id)
            {
                self.set(*payment, Status::Failed(format!("{}: {}", receipt.reason, receipt.detail)));
            }
            return;
        }
        let mut payment = None;
        for event in &receipt.events {
            let transfer = || event.text("transfer_id").unwrap_or_default();
            match event.kind.as_str() {
                "reference_entered" => {
                    payment = event.text("reference").and_then(|text| self.by_reference.get(text)).copied();
                }
                "transfer_sent" => {
                    if let Some(payment) = payment {
                        self.by_transfer.insert(transfer().to_owned(), payment);
                        self.set(payment, Status::InFlight);
                    }
                }
                "transfer_completed" => self.settle(transfer(), Status::Completed),
                "transfer_refunded" => self.settle(transfer(), Status::Refunded),
                _ => {}
            }
        }
    }

    fn settle(&mut self, transfer: &str, status: Status) {
        let Some(payment) = self.by_transfer.get(transfer).copied() else { return };
        if status == Status::Completed
            && let Some(submitted) = self.submitted[payment]
        {
            self.latencies.push(submitted.elapsed());
        }
        self.set(payment, status);
    }

    fn set(&mut self, payment: usize, status: Status) {
        let open = |status: &Status| matches!(status, Status::Unsent | Status::InFlight);
        let old = std::mem::replace(&mut self.statuses[payment], status);
        if open(&old) && !open(&self.statuses[payment]) {
            self.settled += 1;
        }
    }
}
