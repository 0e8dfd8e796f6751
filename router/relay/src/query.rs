//! What clients read of a chain, as plain data. Every answer names the height it was made at.

use catenary_crypto::Hash;
use catenary_ledger::records::Account;
use catenary_replica::Tip;
use catenary_types::{
    AccountId, Amount, AssetId, Block, Certificate, ChainId, Header, Height, Receipt, Reference, RequestId,
    SignedHeader, Timestamp, Trust, TxId, UnixSeconds, ValidatorSet,
};

/// A value and the state it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// State after this block.
    pub height: Height,
    /// The value.
    pub value: T,
}

/// One chain of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStatus {
    /// Its id.
    pub chain_id: ChainId,
    /// Its newest final block; 0 before the first.
    pub height: Height,
    /// Time of that block; the genesis time before the first.
    pub time: Timestamp,
    /// State after that block.
    pub app_hash: Hash,
    /// What finality rests on.
    pub trust: Trust,
    /// Members of the consensus group.
    pub validators: usize,
    /// Transactions that wait for a block.
    pub pool: usize,
    /// What the chain is doing.
    pub activity: Activity,
}

impl ChainStatus {
    /// How a chain stands at a tip, with nothing to do.
    pub fn at(tip: &Tip) -> Self {
        Self {
            chain_id: tip.chain_id.clone(),
            height: tip.height,
            time: tip.time,
            app_hash: tip.app_hash,
            trust: tip.parameters.trust,
            validators: tip.next_validators.validators().len(),
            pool: 0,
            activity: Activity::Idle,
        }
    }
}

/// What a chain is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing to do.
    Idle,
    /// Agreeing on a block.
    Working,
    /// Agreeing, and waiting for somebody.
    Waiting {
        /// For whom or what.
        on: String,
        /// Since when.
        since: Timestamp,
    },
    /// Stopped on this node; the other chains go on.
    Halted {
        /// Why.
        reason: String,
    },
}

/// An account with its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The account.
    pub id: AccountId,
    /// Its record.
    pub account: Account,
    /// Whether it is frozen.
    pub frozen: bool,
    /// What it holds of the assets that were asked for, in their order.
    pub balances: Vec<(AssetId, Amount)>,
}

/// A block with everything around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockView {
    /// The block.
    pub block: Block,
    /// Its certificate.
    pub certificate: Certificate,
    /// The set that signed it.
    pub validators: ValidatorSet,
    /// One receipt per envelope.
    pub receipts: Vec<Receipt>,
}

/// How to name a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionName {
    /// By its id.
    Id(TxId),
    /// By the submission.
    Request(AccountId, RequestId),
    /// By the sender's own name for it.
    Reference(AccountId, Reference),
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionView {
    /// Its id.
    pub tx_id: TxId,
    /// Its block.
    pub height: Height,
    /// Its place in the block, from 0 on.
    pub position: u32,
    /// The block's time.
    pub time: Timestamp,
    /// The envelope.
    pub envelope: Vec<u8>,
    /// The outcome.
    pub receipt: Receipt,
}

/// A transfer to another chain, as its home ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferView {
    /// Its id.
    pub transfer_id: Hash,
    /// The transaction that sent it.
    pub tx_id: TxId,
    /// The block that sent it.
    pub height: Height,
    /// Where it stands.
    pub status: TransferStatus,
    /// The block that settled it.
    pub settled: Option<Height>,
    /// Who paid.
    pub from: AccountId,
    /// Whom it is for, `organisation/number`.
    pub to: String,
    /// In what.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
    /// The lane: the client of the target on the source.
    pub client: String,
    /// The packet's number on the lane.
    pub sequence: u64,
    /// Deadline.
    pub timeout: UnixSeconds,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStatus {
    /// Sent, not settled.
    InFlight,
    /// Credited abroad and acknowledged.
    Completed,
    /// Refused abroad, the money is back.
    RefundedError,
    /// Not received in time, the money is back.
    RefundedTimeout,
}

/// A header that verifies, and what it takes to verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderView {
    /// Header and certificate.
    pub signed: SignedHeader,
    /// The set that signed it.
    pub validators: ValidatorSet,
}

/// A proof of keys under the header after their height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofView {
    /// The header whose `app_hash` the proof leads to.
    pub header: HeaderView,
    /// An encoded multiproof.
    pub proof: Vec<u8>,
    /// The values in the order of the keys; none for an absent one.
    pub values: Vec<Option<Vec<u8>>>,
}

impl HeaderView {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.signed.header
    }
}
