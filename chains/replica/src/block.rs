//! Whether a block may follow the tip: facts about the block alone, never about the clock.

use crate::{
    certificate::{CertificateError, verify_certificate},
    tip::{Tip, last_commit_hash},
};
use catenary_crypto::{Hash, VerificationItem, sha256, verify_batch};
use catenary_ledger::{Inadmissible, Ledger, State, check_state};
use catenary_mutant::{Mutant, is_active};
use catenary_types::{
    Block, Header, Height, Timestamp,
    envelope::{EnvelopeError, Transaction},
    limits::BLOCK_ENVELOPES_MAX,
};
use std::{collections::BTreeSet, sync::Arc};

/// Why a block is invalid. Whoever proposed it is at fault, unless it says nothing about the block that its header names
/// ([`BlockError::spoiled`]).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The header is not the one that follows from tip, time, builder and envelopes.
    #[error("the header does not follow from the block before")]
    Header,
    /// Envelopes or last certificate are not those that the header names.
    #[error("the body is not the one that its header names")]
    Body,
    /// All of the header follows but for the outcome of the block before: whoever built it came to another state.
    #[error("after the block before the state has root {ours} here, the header says {theirs}")]
    State {
        /// The root here.
        ours: Hash,
        /// The root that the header names.
        theirs: Hash,
    },
    /// The header's time is not later than the last.
    #[error("time {actual:?} is not after {last:?}")]
    Time {
        /// Of the last header.
        last: Timestamp,
        /// Of this one.
        actual: Timestamp,
    },
    /// An empty block that is neither seal nor heartbeat.
    #[error("an empty block is neither seal nor heartbeat")]
    Empty,
    /// Too many envelopes, too many bytes or too much weight.
    #[error("the block has {actual} {what}, at most {limit} fit")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much fits.
        limit: u64,
        /// How much there is.
        actual: u64,
    },
    /// The certificate of the block before does not verify.
    #[error("certificate of the block before: {0}")]
    Certificate(#[from] CertificateError),
    /// An envelope is malformed.
    #[error("envelope {index}: {error}")]
    Envelope {
        /// Its position.
        index: usize,
        /// What is wrong.
        error: EnvelopeError,
    },
    /// An envelope may not stand in this block.
    #[error("envelope {index}: {error}")]
    Inadmissible {
        /// Its position.
        index: usize,
        /// What is wrong.
        error: Inadmissible,
    },
    /// A signature of an envelope does not verify.
    #[error("envelope {index}: a signature does not verify")]
    Signature {
        /// Its position.
        index: usize,
    },
}

impl BlockError {
    /// Whether whoever sent the block is at fault, and the block that its header names may be a good one: the header covers the
    /// signatures of the last certificate, and not the height, round and block that they are for.
    pub fn spoiled(&self) -> bool {
        matches!(self, BlockError::Body | BlockError::Certificate(_))
    }
}

/// Judges a block and returns its transactions. Envelopes whose hash is in `verified` are known to carry good signatures;
/// a transaction's id would not do, since it covers the body alone.
pub fn check_block(
    ledger: &Ledger,
    state: &State,
    tip: &Tip,
    block: &Block,
    verified: &dyn Fn(&Hash) -> bool,
) -> Result<Vec<Arc<Transaction>>, BlockError> {
    let header = &block.header;
    let body = (last_commit_hash(block.last_certificate.as_ref()), Block::data_hash(&block.envelopes));
    if body != (header.last_commit_hash, header.data_hash) {
        return Err(BlockError::Body);
    }
    if header.time <= tip.time && !is_active(Mutant::BlockTimeUnchecked) {
        return Err(BlockError::Time { last: tip.time, actual: header.time });
    }
    let expected = tip.next_header_over(body, header.time, header.proposer);
    if *header != expected {
        let (ours, theirs) = (expected.app_hash, header.app_hash);
        let outcome = (theirs, header.last_results_hash);
        let same_but_outcome = Header { app_hash: outcome.0, last_results_hash: outcome.1, ..expected };
        let state = *header == same_but_outcome;
        if !(state && is_active(Mutant::StateRootUnchecked)) {
            return Err(if state { BlockError::State { ours, theirs } } else { BlockError::Header });
        }
    }
    check_last_certificate(tip, block)?;
    if block.envelopes.is_empty() {
        return if tip.allows_empty(header.time) { Ok(Vec::new()) } else { Err(BlockError::Empty) };
    }
    let bytes = block.envelopes.iter().map(|envelope| envelope.len() as u64).sum();
    within("envelopes", BLOCK_ENVELOPES_MAX as u64, block.envelopes.len() as u64)?;
    within("bytes", tip.parameters.block_bytes_max, bytes)?;
    let transactions = decode(block)?;
    let weight = transactions
        .iter()
        .map(|transaction| ledger.static_weight(state, transaction))
        .fold(0, u64::saturating_add);
    within("weight", tip.parameters.block_weight_max, weight)?;
    check_transactions(state, tip, (header.height, header.time), &transactions)?;
    check_signatures(&transactions, verified)?;
    Ok(transactions)
}

/// Decodes the envelopes of a block.
pub(crate) fn decode(block: &Block) -> Result<Vec<Arc<Transaction>>, BlockError> {
    let decode = |(index, bytes): (usize, &Vec<u8>)| {
        let transaction = Transaction::decode(bytes);
        transaction.map(Arc::new).map_err(|error| BlockError::Envelope { index, error })
    };
    block.envelopes.iter().enumerate().map(decode).collect()
}

fn within(what: &'static str, limit: u64, actual: u64) -> Result<(), BlockError> {
    if actual <= limit { Ok(()) } else { Err(BlockError::TooLarge { what, limit, actual }) }
}

fn check_last_certificate(tip: &Tip, block: &Block) -> Result<(), BlockError> {
    match (&tip.block, &block.last_certificate) {
        (None, None) => Ok(()),
        (Some(last), Some(certificate))
            if certificate.height == tip.height && certificate.block == last.hash =>
        {
            // The own certificate verified when the block was decided.
            if *certificate == last.certificate || is_active(Mutant::LastCertificateUnchecked) {
                return Ok(());
            }
            let (set, parameters) = (&tip.validators, &tip.parameters);
            Ok(verify_certificate(certificate, &tip.chain_id, set, parameters, tip.time)?)
        }
        (Some(_), None) => Err(BlockError::Header),
        (_, Some(_)) => Err(BlockError::Body),
    }
}

fn check_transactions(
    state: &State,
    tip: &Tip,
    (height, time): (Height, Timestamp),
    transactions: &[Arc<Transaction>],
) -> Result<(), BlockError> {
    let mut entered = BTreeSet::new();
    for (index, transaction) in transactions.iter().enumerate() {
        let body = &transaction.body;
        let checked =
            check_state(state, state.replay(), &tip.parameters, &tip.chain_id, transaction, (height, time));
        checked.map_err(|error| BlockError::Inadmissible { index, error })?;
        if !entered.insert((body.sender, body.request_id)) {
            return Err(BlockError::Inadmissible { index, error: Inadmissible::Repeated(body.request_id) });
        }
    }
    Ok(())
}

fn check_signatures(
    transactions: &[Arc<Transaction>],
    verified: &dyn Fn(&Hash) -> bool,
) -> Result<(), BlockError> {
    let unknown = transactions.iter().enumerate().filter(|(_, one)| !verified(&sha256(&one.bytes)));
    let unknown: Vec<_> = unknown.collect();
    let bad = first_bad_signature(unknown.iter().map(|(_, transaction)| &***transaction));
    match bad {
        None => Ok(()),
        Some(_) if is_active(Mutant::TransactionSignaturesUnchecked) => Ok(()),
        Some(at) => Err(BlockError::Signature { index: unknown[at].0 }),
    }
}

/// Verifies the signatures of many transactions in one batch; the position of the first transaction with a bad one.
fn first_bad_signature<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Option<usize> {
    verify_transactions(transactions).iter().position(|valid| !valid)
}

/// Verifies the signatures of many transactions in one batch: one answer per transaction.
pub(crate) fn verify_transactions<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Vec<bool> {
    let transactions: Vec<_> = transactions.collect();
    let items: Vec<_> = transactions
        .iter()
        .flat_map(|transaction| {
            transaction.signatures.iter().map(|signature| VerificationItem {
                key: signature.key,
                message: &transaction.signed_bytes,
                signature: signature.signature,
            })
        })
        .collect();
    let ids: Vec<u8> = transactions.iter().flat_map(|transaction| sha256(&transaction.bytes).0).collect();
    let mut results = verify_batch(&items, sha256(&ids).0).into_iter();
    let valid = |transaction: &&Transaction| {
        let own: Vec<_> = results.by_ref().take(transaction.signatures.len()).collect();
        own.iter().all(Result::is_ok)
    };
    transactions.iter().map(valid).collect()
}
