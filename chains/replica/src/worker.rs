//! The owner of a chain's state: admission, building, judging and executing blocks, checkpoints.
//!
//! Pure and slow. The shell gives it one job at a time, in order.

use crate::{
    block::{BlockError, check_block, decode, verify_transactions},
    certificate::verify_certificate,
    limits::POOL_TRANSACTIONS_MAX,
    pool::{Room, Waiting},
    snapshot::{Anchor, Manifest, Snapshot, SnapshotError, VerifiedManifest},
    submission::{Refusal, RefusalReason},
    tip::Tip,
};
use catenary_consensus::{Decision, Peer, ValueId};
use catenary_crypto::{Hash, sha256};
use catenary_ledger::{
    BlockContext, Executed as LedgerExecuted, Inadmissible, Ledger, Reason, ReplayChange, ReplayWindow,
    State, check_state, records::ReadRecords,
};
use catenary_state::{Batch, StoreName};
use catenary_types::{
    AccountId, Address, Block, Certificate, FormatError, Header, Height, Receipt, RequestId, Timestamp, TxId,
    envelope::{EnvelopeError, Transaction},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Work for the worker.
#[derive(Clone, Debug)]
pub enum Job {
    /// Judge submitted envelopes at the door.
    Admit {
        /// Names the submission in the answer; none if a peer sent them.
        ticket: Option<u64>,
        /// Encoded envelopes.
        envelopes: Vec<Vec<u8>>,
        /// The node's clock.
        now: Timestamp,
    },
    /// Judge again what has waited for long: others may refuse it by now.
    Review {
        /// The transactions.
        waiting: Vec<Arc<Transaction>>,
        /// The node's clock.
        now: Timestamp,
    },
    /// Build the next block out of these.
    Assemble {
        /// For this height.
        height: Height,
        /// And round.
        round: u32,
        /// Header time.
        time: Timestamp,
        /// Who builds.
        proposer: Address,
        /// In order; those that no longer may stand in a block are left out.
        candidates: Vec<Waiting>,
    },
    /// Judge a block that another validator built.
    Check(Arc<Block>),
    /// Execute a final block.
    Execute {
        /// The block.
        block: Arc<Block>,
        /// Its decision.
        decision: Decision,
    },
    /// Judge the manifest of a snapshot that a peer sent.
    CheckManifest {
        /// Who.
        peer: Peer,
        /// What.
        manifest: Arc<Manifest>,
        /// The genesis.
        anchor: Box<Anchor>,
    },
    /// Judge the content of a snapshot.
    CheckSnapshot {
        /// Whose.
        peer: Peer,
        /// What is in it.
        manifest: Arc<VerifiedManifest>,
        /// All of its chunks.
        chunks: Vec<Vec<u8>>,
    },
}

/// Outcome of a [`Job`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Admit`].
    Admitted(Admitted),
    /// Of [`Job::Review`]: what would not be let in any more.
    Reviewed(Vec<(AccountId, RequestId)>),
    /// Of [`Job::Assemble`]: the block, if there is anything to put into one, and what can never stand in a block.
    Assembled {
        /// For this height.
        height: Height,
        /// And round.
        round: u32,
        /// None if nothing is left and the chain needs no empty block.
        block: Option<Arc<Block>>,
        /// To be forgotten.
        dropped: Vec<(AccountId, RequestId)>,
    },
    /// Of [`Job::Check`].
    Checked {
        /// The block.
        block: Arc<Block>,
        /// Its id for consensus.
        value: ValueId,
        /// What is wrong with it.
        result: Result<(), BlockError>,
    },
    /// Of [`Job::Execute`].
    Executed(Box<Executed>),
    /// Of [`Job::CheckManifest`].
    ManifestChecked {
        /// Who sent it.
        peer: Peer,
        /// The manifest, or what is wrong with it.
        result: Result<Arc<VerifiedManifest>, SnapshotError>,
    },
    /// Of [`Job::CheckSnapshot`].
    SnapshotChecked {
        /// Who sent it.
        peer: Peer,
        /// The snapshot, or what is wrong with it.
        result: Result<Arc<Snapshot>, SnapshotError>,
    },
}

/// Answers to a submission, one per envelope.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Which submission; none if a peer sent them.
    pub ticket: Option<u64>,
    /// In the order of the envelopes.
    pub admissions: Vec<Admission>,
}

/// What the door says of one envelope.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It may wait for a block.
    Fresh(Waiting),
    /// It is in a block.
    Known {
        /// The transaction.
        tx_id: TxId,
        /// Its block.
        height: Height,
    },
    /// It may not.
    Refused(Refusal),
}

/// A final block that was executed.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The tip that it is.
    pub tip: Tip,
    /// The block.
    pub block: Arc<Block>,
    /// One per envelope.
    pub receipts: Vec<Receipt>,
    /// Ids that left the pool with it.
    pub entered: Vec<(AccountId, RequestId)>,
}

impl Executed {
    /// What makes the block final.
    pub fn certificate(&self) -> &Certificate {
        &self.tip.block.as_ref().expect("a tip that was executed has a block").certificate
    }
}

/// Why a chain cannot be rebuilt from what was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// A stored block does not follow from the state that the blocks before it left.
    #[error("block {height} of the log does not follow from the blocks before it: {reason}")]
    Block {
        /// Its height.
        height: Height,
        /// What is wrong.
        reason: String,
    },
}

/// State changes since the last checkpoint, to be stored together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// State after this block.
    pub height: Height,
    /// New values by store; `None` deletes.
    pub changes: BTreeMap<StoreName, Batch>,
    /// Minutes of the replay window before this one are gone.
    pub drop_below: u64,
    /// Ids entered, each with its minute, transaction and block.
    pub entered: Vec<(u64, AccountId, RequestId, TxId, Height)>,
}

/// The state of one chain on one node, and the code that changes it.
pub struct Worker {
    ledger: Ledger,
    state: State,
    tip: Tip,
    /// Where the transactions of the replay window are.
    recent: BTreeMap<(AccountId, RequestId), (TxId, Height)>,
    /// Hashes of envelopes whose signatures verified at the door.
    verified: BTreeSet<Hash>,
    since_checkpoint: Checkpoint,
}

impl Worker {
    /// A worker on a state whose tip is known: the genesis, or a checkpoint that matched its header.
    pub fn new(
        ledger: Ledger,
        state: State,
        tip: Tip,
        recent: BTreeMap<(AccountId, RequestId), (TxId, Height)>,
    ) -> Self {
        let mut since_checkpoint = Checkpoint { height: state.height(), ..Checkpoint::default() };
        if state.height() == Height(0) {
            // No checkpoint holds the genesis yet.
            since_checkpoint.changes = state.content();
        }
        Self { ledger, state, tip, recent, verified: BTreeSet::new(), since_checkpoint }
    }

    /// A worker on the state of a snapshot, which no checkpoint holds yet.
    pub fn on_snapshot(ledger: Ledger, state: State, tip: Tip) -> Self {
        // Where these transactions are the snapshot does not say: no block of theirs is here.
        let unknown = (TxId(Hash::default()), Height(0));
        let entered = state.replay().entries();
        let since_checkpoint = Checkpoint {
            height: state.height(),
            changes: state.content(),
            entered: entered.map(|(minute, id)| (minute, id.0, id.1, unknown.0, unknown.1)).collect(),
            ..Checkpoint::default()
        };
        Self { since_checkpoint, ..Self::new(ledger, state, tip, BTreeMap::new()) }
    }

    /// The state after the newest final block.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The newest final block.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Does a job.
    pub fn run(&mut self, job: Job) -> Done {
        match job {
            Job::Admit { ticket, envelopes, now } => {
                Done::Admitted(Admitted { ticket, admissions: self.admit(&envelopes, now) })
            }
            Job::Review { waiting, now } => {
                let refused = waiting.iter().filter(|transaction| {
                    !matches!(self.admit_form(&transaction.bytes, now), Admission::Fresh(_))
                });
                Done::Reviewed(refused.map(|one| (one.body.sender, one.body.request_id)).collect())
            }
            Job::Assemble { height, round, time, proposer, candidates } => {
                let (block, dropped) = self.assemble(time, proposer, candidates);
                Done::Assembled { height, round, block: block.map(Arc::new), dropped }
            }
            Job::Check(block) => {
                let value = ValueId { block: block.header.hash(), time: block.header.time };
                let known = |envelope: &Hash| self.verified.contains(envelope);
                let result = check_block(&self.ledger, &self.state, &self.tip, &block, &known);
                Done::Checked { block, value, result: result.map(drop) }
            }
            Job::Execute { block, decision } => {
                let executed = self.execute(block, decision.certificate);
                Done::Executed(Box::new(executed.expect("a decided block was judged valid")))
            }
            Job::CheckManifest { peer, manifest, anchor } => {
                let verified = Arc::unwrap_or_clone(manifest).verify(&anchor, None);
                Done::ManifestChecked { peer, result: verified.map(Arc::new) }
            }
            Job::CheckSnapshot { peer, manifest, chunks } => {
                Done::SnapshotChecked { peer, result: manifest.with(chunks).map(Arc::new) }
            }
        }
    }

    /// Re-executes a block of the log and checks that it leads where the chain went.
    pub fn replay(&mut self, block: Block, certificate: Certificate) -> Result<Executed, RecoveryError> {
        let height = block.header.height;
        let failed = |reason: String| RecoveryError::Block { height, reason };
        let header = &block.header;
        let last = block.last_certificate.as_ref();
        if *header != self.tip.next_header_on(last, header.time, header.proposer, &block.envelopes) {
            return Err(failed("its header names another state, set or parameters".into()));
        }
        if certificate.height != height || certificate.block != header.hash() {
            return Err(failed("its certificate is for another block".into()));
        }
        let (set, parameters) = (&self.tip.next_validators, &self.tip.parameters);
        let verified = verify_certificate(&certificate, &self.tip.chain_id, set, parameters, header.time);
        verified.map_err(|error| failed(error.to_string()))?;
        self.execute(Arc::new(block), certificate).map_err(|error| failed(error.to_string()))
    }

    /// What changed since the last call, to be stored as one.
    pub fn take_checkpoint(&mut self) -> Checkpoint {
        let next = Checkpoint { height: self.state.height(), ..Checkpoint::default() };
        std::mem::replace(&mut self.since_checkpoint, next)
    }

    fn admit(&mut self, envelopes: &[Vec<u8>], now: Timestamp) -> Vec<Admission> {
        if self.verified.len() > POOL_TRANSACTIONS_MAX {
            // Forgetting costs a second check when another validator proposes them, nothing else.
            self.verified.clear();
        }
        let admissions = envelopes.iter().map(|bytes| self.admit_form(bytes, now)).collect::<Vec<_>>();
        let fresh = admissions.iter().filter_map(|admission| match admission {
            Admission::Fresh(waiting) => Some(&*waiting.transaction),
            Admission::Known { .. } | Admission::Refused(_) => None,
        });
        let mut valid = verify_transactions(fresh).into_iter();
        let mut judge = |admission: Admission| match admission {
            Admission::Fresh(waiting) if valid.next() == Some(false) => {
                let detail = format!("a signature of transaction {} does not verify", waiting.transaction.id);
                Admission::Refused(Refusal::new(RefusalReason::InvalidSignature, detail))
            }
            Admission::Fresh(waiting) => {
                self.verified.insert(sha256(&waiting.transaction.bytes));
                Admission::Fresh(waiting)
            }
            other => other,
        };
        admissions.into_iter().map(&mut judge).collect()
    }

    /// Everything but the signature itself, cheapest first.
    fn admit_form(&self, bytes: &[u8], now: Timestamp) -> Admission {
        let transaction = match Transaction::decode(bytes) {
            Ok(transaction) => Arc::new(transaction),
            Err(error) => return Admission::Refused(malformed(&error)),
        };
        let body = &transaction.body;
        if body.chain_id == self.tip.chain_id
            && let Some((tx_id, height)) = self.recent.get(&(body.sender, body.request_id))
            && *tx_id == transaction.id
        {
            return Admission::Known { tx_id: *tx_id, height: *height };
        }
        let at = (self.tip.height.next(), self.tip.next_time(now));
        let (state, tip) = (&self.state, &self.tip);
        let checked = check_state(state, state.replay(), &tip.parameters, &tip.chain_id, &transaction, at);
        if let Err(error) = checked {
            return Admission::Refused(inadmissible(&error));
        }
        let weight = self.ledger.static_weight(state, &transaction);
        if weight > tip.parameters.block_weight_max {
            let detail = format!("weight {weight}, a block takes {}", tip.parameters.block_weight_max);
            return Admission::Refused(Refusal::new(RefusalReason::TooHeavy, detail));
        }
        if let Err(failure) = self.ledger.admit(state, &transaction) {
            let reason = match failure.reason {
                Reason::Redundant => RefusalReason::Redundant,
                _ => RefusalReason::MalformedEnvelope,
            };
            return Admission::Refused(Refusal::new(reason, failure.detail));
        }
        let sender = state.account(&body.sender).expect("the sender was looked up just before");
        Admission::Fresh(Waiting { transaction, weight, organisation: sender.organisation })
    }

    fn assemble(
        &mut self,
        time: Timestamp,
        proposer: Address,
        candidates: Vec<Waiting>,
    ) -> (Option<Block>, Vec<(AccountId, RequestId)>) {
        let at = (self.tip.height.next(), time);
        let (state, tip) = (&self.state, &self.tip);
        let (mut envelopes, mut dropped) = (Vec::new(), Vec::new());
        let mut weight_left = tip.parameters.block_weight_max;
        for Waiting { transaction, .. } in candidates {
            // It was admissible at the door, and weighed less there if an instance that it calls is new.
            let weight = self.ledger.static_weight(state, &transaction);
            let checked =
                check_state(state, state.replay(), &tip.parameters, &tip.chain_id, &transaction, at);
            if checked.is_err() || weight > tip.parameters.block_weight_max {
                dropped.push((transaction.body.sender, transaction.body.request_id));
            } else if let Some(left) = weight_left.checked_sub(weight) {
                weight_left = left;
                envelopes.push(transaction.bytes.clone());
            }
        }
        if envelopes.is_empty() && !tip.allows_empty(time) {
            return (None, dropped);
        }
        let header: Header = tip.next_header(time, proposer, &envelopes);
        let last_certificate = tip.block.as_ref().map(|block| block.certificate.clone());
        (Some(Block { header, last_certificate, envelopes }), dropped)
    }

    fn execute(&mut self, block: Arc<Block>, certificate: Certificate) -> Result<Executed, ExecuteError> {
        let transactions: Vec<_> =
            decode(&block)?.iter().map(|transaction| (**transaction).clone()).collect();
        let header = &block.header;
        let context =
            BlockContext { chain_id: self.tip.chain_id.clone(), height: header.height, time: header.time };
        let outcome = self.ledger.execute(&self.state, &context, &transactions);
        self.state.apply(&outcome);
        self.remember(&outcome);
        let results_hash = Receipt::results_hash(&outcome.receipts);
        self.tip = self.tip.advance(&block, certificate, &self.state, results_hash)?;
        let entered = transactions.iter().map(|transaction| {
            self.verified.remove(&sha256(&transaction.bytes));
            (transaction.body.sender, transaction.body.request_id)
        });
        let entered = entered.collect();
        Ok(Executed { tip: self.tip.clone(), block, receipts: outcome.receipts, entered })
    }

    /// Keeps what the next checkpoint stores, and where recent transactions are.
    fn remember(&mut self, outcome: &LedgerExecuted) {
        let since = &mut self.since_checkpoint;
        since.height = outcome.height;
        for (store, batch) in &outcome.changes {
            since.changes.entry(*store).or_default().extend(batch.clone());
        }
        let Some(ReplayChange { drop_below, entered }) = &outcome.replay else { return };
        since.drop_below = since.drop_below.max(*drop_below);
        for ((minute, id), receipt) in entered.iter().zip(&outcome.receipts) {
            self.recent.insert(*id, (receipt.tx_id, outcome.height));
            since.entered.push((*minute, id.0, id.1, receipt.tx_id, outcome.height));
        }
        if self.recent.len() > 2 * self.state.replay().len() + 1_024 {
            let window: &ReplayWindow = self.state.replay();
            self.recent.retain(|id, _| window.contains(id, 0));
        }
    }

    /// Room for transactions in the next block.
    pub(crate) fn room(tip: &Tip) -> Room {
        Room {
            count: catenary_types::limits::BLOCK_ENVELOPES_MAX,
            bytes: tip.parameters.block_bytes_max,
            weight: tip.parameters.block_weight_max,
            share_percent: tip.parameters.organisation_share_percent,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ExecuteError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Format(#[from] FormatError),
}

fn malformed(error: &EnvelopeError) -> Refusal {
    let reason = match error {
        EnvelopeError::TooLarge(_) => RefusalReason::TooLarge,
        _ => RefusalReason::MalformedEnvelope,
    };
    Refusal::new(reason, error.to_string())
}

fn inadmissible(error: &Inadmissible) -> Refusal {
    let reason = match error {
        Inadmissible::WrongChain { .. } => RefusalReason::WrongChain,
        Inadmissible::UnknownSender(_) => RefusalReason::UnknownSender,
        Inadmissible::Expired { .. } => RefusalReason::Expired,
        Inadmissible::ValidTooLong { .. } => RefusalReason::ValidTooLong,
        Inadmissible::Repeated(_) => RefusalReason::RequestIdReused,
        Inadmissible::UnknownKey(_) | Inadmissible::TooLittleWeight { .. } => RefusalReason::InvalidSignature,
    };
    Refusal::new(reason, error.to_string())
}
