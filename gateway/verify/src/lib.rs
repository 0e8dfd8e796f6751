//! Verifies offline what became of payment orders: from files, without a node, without trust in who wrote them.
//!
//! ```text
//!   genesis ─ certificates ─► headers of the home chain ─► envelopes, receipts ─► order ↔ packet, settled how
//!   genesis ─ certificates ─► a late header of a partner ─► multiproof ─► the packet's answer, or its absence
//! ```
//!
//! An order is settled if both chains say so: the partner's `ibc` store holds the answer to the order's packet, and the
//! home chain has drawn the consequence.
//!
//! | Module | What it is |
//! |---|---|
//! | [`evidence`] | the files, their writers and their reader |
//! | [`verify`] | everything, to sums or to the first order that fails |
//!
//! # What is trusted
//!
//! The chains whose ids the [`Summary`] shows: an id holds the hash of the genesis, the genesis names the first
//! validators, and more than a quorum of them did not lie, then or later. That the home chain follows the right partner is
//! the word of its own operator, as everywhere in IBC. Whoever knows the ids from elsewhere needs nothing else.
//!
//! # Invariants
//!
//! - No byte of the evidence can change without an error: each is under a hash, a signature or a proof.
//! - Reading is total: whatever the files hold, the answer is a summary or an error, never a panic.
//! - No part of a node is used: no store, no replica, no router, no consensus engine.

pub mod evidence;
mod follow;
mod home;
mod order;
mod partner;

pub use evidence::{Answer, EvidenceError, HomeWriter, Lane, PartnerWriter, Request};
pub use follow::ChainError;
pub use order::{OrderError, reference};

use catenary_orders::{BANKS, Order, crowns};
use catenary_types::{Amount, ChainId, Reference};
use home::Home;
use order::Books;
use partner::Partner;
use std::{fmt, path::Path};

/// What the evidence proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Payments: every order, once a month.
    pub orders: usize,
    /// Of these, credited.
    pub settled: usize,
    /// Of these, refunded.
    pub refunded: usize,
    /// Sum of the credited ones.
    pub credited: Amount,
    /// The chains that all of this rests on: the home chain, then the partners.
    pub chains: Vec<ChainId>,
}

/// Why the evidence proves nothing, or not enough.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file is missing, damaged, or says what its chain never said.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The first order that is not proven.
    #[error("order {reference} (line {line}): {reason}")]
    Order {
        /// The order's id, with its month.
        reference: Reference,
        /// Its line in the input.
        line: u64,
        /// What is wrong.
        reason: OrderError,
    },
}

/// Verifies that every order was settled in each of so many months.
pub fn verify(orders: &[Order], months: u32, dir: &Path) -> Result<Summary, VerifyError> {
    let home = Home::read(dir)?;
    let partners = BANKS.iter().map(|bank| Partner::read(dir, bank)).collect::<Result<Vec<_>, _>>()?;
    let mut chains = vec![home.chain_id.clone()];
    chains.extend(partners.iter().flatten().map(|partner| partner.chain_id.clone()));
    let mut books = Books { home, partners };
    let mut summary = Summary { orders: 0, settled: 0, refunded: 0, credited: Amount::ZERO, chains };
    for month in 0..months {
        for order in orders {
            let reference = reference(order, month);
            let line = order.line;
            let answer = books.settled(order, &reference).map_err(|reason| VerifyError::Order {
                reference,
                line,
                reason,
            })?;
            summary.orders += 1;
            match answer {
                Answer::Credited => {
                    summary.settled += 1;
                    // Orders are at most 64 bits each, so their sum fits 128.
                    summary.credited = Amount(summary.credited.0.saturating_add(order.amount.0));
                }
                Answer::Refused | Answer::Silent => summary.refunded += 1,
            }
        }
    }
    Ok(summary)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, settled, refunded, credited, chains } = self;
        let credited = crowns(*credited);
        writeln!(f, "{settled} of {orders} orders settled, {refunded} refunded, {credited} CZK credited")?;
        write!(f, "proven from the genesis of")?;
        chains.iter().try_for_each(|chain| write!(f, "\n  {chain}"))
    }
}
