//! A chain that does what a test says.

use catenary_crypto::{Hash, SigningKey, sha256};
use catenary_ledger::records::{Account, Roles};
use catenary_links::{BlockStream, ChainClient, Reply, async_trait};
use catenary_relay::{
    gateway::{FinalBlock, GatewayError, ProofRequest, Refusal, RefusalReason, SharedBlock, SubmitOutcome},
    query::{
        AccountView, Activity, At, BlockView, ChainStatus, HeaderView, ProofView, TransactionName,
        TransactionView, TransferStatus, TransferView,
    },
};
use catenary_types::{
    AccountId, Address, Amount, AssetId, Attribute, Block, Body, Call, Certificate, ChainId, CommitSignature,
    Event, Header, Height, Message, Receipt, RequestId, SignedHeader, Timestamp, Trust, TxId, UnixSeconds,
    Validator, ValidatorSet, envelope::Transaction,
};
use futures::{StreamExt, stream};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

pub const SENDER: AccountId = AccountId([1; 20]);
pub const STRANGER: AccountId = AccountId([9; 20]);

/// What the chain does instead of answering.
#[derive(Clone, Debug)]
pub enum Trouble {
    Fail(GatewayError),
    Hang,
}

#[derive(Default)]
struct Inner {
    blocks: Vec<BlockView>,
    submitted: BTreeMap<TxId, Option<Height>>,
    trouble: Option<Trouble>,
    halted: bool,
    stream_error: Option<GatewayError>,
    include_at_once: bool,
}

/// A handle; clones are the same chain.
#[derive(Clone)]
pub struct FakeChain {
    id: ChainId,
    inner: Arc<Mutex<Inner>>,
    tip: Arc<watch::Sender<Height>>,
}

pub fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

fn validators() -> ValidatorSet {
    ValidatorSet::new(vec![Validator { public_key: key().public_key(), power: 1 }]).unwrap()
}

/// A signed envelope of one call; the fake refuses it if its reference is a reason's name.
pub fn envelope(chain: &ChainId, number: u8, reference: Option<&str>, call: Call) -> Vec<u8> {
    let body = Body {
        chain_id: chain.clone(),
        sender: SENDER,
        request_id: RequestId([number; 16]),
        valid_until: UnixSeconds(1_700_000_300),
        reference: reference.map(|text| text.parse().unwrap()),
        calls: vec![call],
    };
    body.sign(&[&key()]).encode()
}

pub fn any_call() -> Call {
    Call { instance: "asset".parse().unwrap(), message: vec![1, 2, 3] }
}

pub fn tx_id(envelope: &[u8]) -> TxId {
    Transaction::decode(envelope).unwrap().id
}

pub fn event(kind: &str, value: &str) -> Event {
    let attribute = Attribute { name: "transfer_id".into(), value: value.as_bytes().to_vec() };
    Event { instance: "transfer".parse().unwrap(), kind: kind.into(), attributes: vec![attribute] }
}

pub fn transfer_id() -> Hash {
    sha256(b"a transfer")
}

impl FakeChain {
    pub fn new(name: &str) -> Arc<Self> {
        Self::of_revision(name, 1)
    }

    pub fn of_revision(name: &str, revision: u32) -> Arc<Self> {
        let id = format!("{name}-0123456789abcdef-{revision}").parse().unwrap();
        Arc::new(Self { id, inner: Arc::default(), tip: Arc::new(watch::Sender::new(Height(0))) })
    }

    /// A chain with some blocks, so that there is something to read.
    pub fn with_blocks(name: &str) -> Arc<Self> {
        let chain = Self::new(name);
        for number in 1..=3u8 {
            let envelopes: Vec<_> = (0..number)
                .map(|at| {
                    envelope(&chain.id, number * 10 + at, Some(&format!("order-{number}-{at}")), any_call())
                })
                .collect();
            let events = vec![event("transfer_sent", &format!("{number}")), event("other", "x")];
            chain.push(envelopes, events);
        }
        chain.push(Vec::new(), Vec::new());
        chain
    }

    pub fn trouble(&self, trouble: impl Into<Option<Trouble>>) {
        self.inner.lock().unwrap().trouble = trouble.into();
    }

    pub fn halt(&self, halted: bool) {
        self.inner.lock().unwrap().halted = halted;
    }

    /// Ends every stream with this error as soon as it would have to wait.
    pub fn end_streams(&self, error: GatewayError) {
        self.inner.lock().unwrap().stream_error = Some(error);
        self.tip.send_modify(|_| {});
    }

    /// Puts every submission into a block of its own at once.
    pub fn include_at_once(&self) {
        self.inner.lock().unwrap().include_at_once = true;
    }

    pub fn height(&self) -> Height {
        *self.tip.borrow()
    }

    /// Adds a block; every transaction of it has these events.
    pub fn push(&self, envelopes: Vec<Vec<u8>>, events: Vec<Event>) {
        self.push_with(envelopes, |tx_id| Receipt {
            tx_id,
            code: 0,
            reason: String::new(),
            detail: String::new(),
            events: events.clone(),
        });
    }

    pub fn push_with(&self, envelopes: Vec<Vec<u8>>, receipt: impl Fn(TxId) -> Receipt) {
        let receipts: Vec<_> = envelopes.iter().map(|envelope| receipt(tx_id(envelope))).collect();
        let mut inner = self.inner.lock().unwrap();
        let last = inner.blocks.last().cloned();
        let last = last.as_ref();
        let height = Height(inner.blocks.len() as u64 + 1);
        let set = validators();
        let header = Header {
            protocol_version: 1,
            chain_id: self.id.clone(),
            height,
            time: Timestamp(1_700_000_000_000_000_000 + height.0),
            last_block: last.map(|last| last.block.header.hash()),
            last_commit_hash: Hash([0; 32]),
            data_hash: Block::data_hash(&envelopes),
            validators_hash: set.hash(),
            next_validators_hash: set.hash(),
            consensus_hash: Hash([2; 32]),
            app_hash: sha256(&height.0.to_be_bytes()),
            last_results_hash: Receipt::results_hash(last.map(|last| &*last.receipts).unwrap_or_default()),
            proposer: Address::of(&key().public_key()),
        };
        let signature = CommitSignature::Commit {
            address: Address::of(&key().public_key()),
            time: header.time,
            signature: key().sign(b"a vote"),
        };
        let certificate = Certificate { height, round: 0, block: header.hash(), signatures: vec![signature] };
        for receipt in &receipts {
            inner.submitted.insert(receipt.tx_id, Some(height));
        }
        let last_certificate = last.map(|last| last.certificate.clone());
        let block = Block { header, last_certificate, envelopes };
        inner.blocks.push(BlockView { block, certificate, validators: set, receipts });
        drop(inner);
        self.tip.send_replace(height);
    }

    async fn trouble_first(&self) -> Reply<()> {
        let trouble = self.inner.lock().unwrap().trouble.clone();
        match trouble {
            None => Ok(()),
            Some(Trouble::Fail(error)) => Err(error),
            Some(Trouble::Hang) => std::future::pending().await,
        }
    }

    fn view(&self, height: Height) -> Option<BlockView> {
        let at = height.0.checked_sub(1)?;
        self.inner.lock().unwrap().blocks.get(at as usize).cloned()
    }

    fn no_height(&self, requested: Height) -> GatewayError {
        GatewayError::Height { requested, oldest: Height(1), newest: self.height() }
    }

    fn admit(&self, bytes: &[u8]) -> SubmitOutcome {
        let refuse = |reason, detail: &str| SubmitOutcome::Refused(Refusal::new(reason, detail));
        let transaction = match Transaction::decode(bytes) {
            Ok(transaction) => transaction,
            Err(error) => return refuse(RefusalReason::MalformedEnvelope, &error.to_string()),
        };
        let body = &transaction.body;
        if body.chain_id != self.id {
            return refuse(RefusalReason::WrongChain, "made for another chain");
        }
        if body.sender == STRANGER {
            return refuse(RefusalReason::UnknownSender, "no such account");
        }
        let reference = body.reference.as_ref().map(|reference| reference.as_str());
        if let Some(reason) = RefusalReason::ALL.into_iter().find(|reason| Some(reason.name()) == reference) {
            return refuse(reason, "as asked");
        }
        let mut inner = self.inner.lock().unwrap();
        if let Some(height) = inner.submitted.get(&transaction.id) {
            return SubmitOutcome::Known { tx_id: transaction.id, height: *height };
        }
        inner.submitted.insert(transaction.id, None);
        let include = inner.include_at_once;
        drop(inner);
        if include {
            let hex = transfer_id().to_string();
            self.push_with(vec![bytes.to_vec()], |tx_id| match reference {
                Some("fail") => Receipt {
                    tx_id,
                    code: 12,
                    reason: "ACCOUNT_FROZEN".into(),
                    detail: "as asked".into(),
                    events: Vec::new(),
                },
                _ => Receipt {
                    tx_id,
                    code: 0,
                    reason: String::new(),
                    detail: String::new(),
                    events: vec![event("transfer_sent", &hex)],
                },
            });
        }
        SubmitOutcome::Accepted(transaction.id)
    }

    async fn next_block(&self, height: Height) -> Reply<SharedBlock> {
        let mut tip = self.tip.subscribe();
        loop {
            tip.borrow_and_update();
            if let Some(view) = self.view(height) {
                return Ok(Arc::new(FinalBlock {
                    signed: SignedHeader { header: view.block.header, certificate: view.certificate },
                    validators: view.validators,
                    receipts: view.receipts,
                }));
            }
            if let Some(error) = self.inner.lock().unwrap().stream_error.clone() {
                return Err(error);
            }
            tip.changed().await.map_err(|_| GatewayError::Unavailable("the chain is gone".into()))?;
        }
    }

    fn find(&self, found: impl Fn(&Transaction) -> bool) -> Option<TransactionView> {
        let inner = self.inner.lock().unwrap();
        for view in &inner.blocks {
            for (position, bytes) in view.block.envelopes.iter().enumerate() {
                let transaction = Transaction::decode(bytes).unwrap();
                if found(&transaction) {
                    return Some(TransactionView {
                        tx_id: transaction.id,
                        height: view.block.header.height,
                        position: position as u32,
                        time: view.block.header.time,
                        envelope: bytes.clone(),
                        receipt: view.receipts[position].clone(),
                    });
                }
            }
        }
        None
    }
}

#[async_trait]
impl ChainClient for FakeChain {
    fn chain_id(&self) -> &ChainId {
        &self.id
    }

    async fn status(&self) -> Reply<ChainStatus> {
        self.trouble_first().await?;
        let halted = self.inner.lock().unwrap().halted;
        let height = self.height();
        let activity = match (halted, height.0) {
            (true, _) => Activity::Halted { reason: "as asked".into() },
            (_, 0) => Activity::Waiting { on: "a block".into(), since: Timestamp(7) },
            _ => Activity::Idle,
        };
        Ok(ChainStatus {
            chain_id: self.id.clone(),
            height,
            time: Timestamp(1_700_000_000_000_000_000 + height.0),
            app_hash: Hash([3; 32]),
            trust: Trust::Single,
            validators: 1,
            pool: 2,
            activity,
        })
    }

    async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Reply<Vec<SubmitOutcome>> {
        self.trouble_first().await?;
        Ok(envelopes.iter().map(|envelope| self.admit(envelope)).collect())
    }

    async fn final_blocks(&self, from: Height) -> Reply<BlockStream> {
        self.trouble_first().await?;
        let blocks = stream::unfold((self.clone(), from), |(chain, next)| async move {
            let block = chain.next_block(next).await;
            Some((block, (chain, next.next())))
        });
        Ok(BlockStream { tip: self.height(), blocks: blocks.boxed() })
    }

    async fn prove(&self, request: ProofRequest) -> Reply<ProofView> {
        self.trouble_first().await?;
        let header = self.view(request.height.next()).ok_or_else(|| {
            let newest = self.height().previous().unwrap_or_default();
            GatewayError::Height { requested: request.height, oldest: Height(0), newest }
        })?;
        let values = request.keys.iter().map(|key| (key.len() % 2 == 1).then(|| key.clone()));
        Ok(ProofView {
            header: HeaderView {
                signed: SignedHeader { header: header.block.header, certificate: header.certificate },
                validators: header.validators,
            },
            proof: request.store.as_str().as_bytes().to_vec(),
            values: values.collect(),
        })
    }

    async fn header(&self, height: Option<Height>) -> Reply<HeaderView> {
        self.trouble_first().await?;
        let height = height.unwrap_or_else(|| self.height());
        let view = self.view(height).ok_or_else(|| self.no_height(height))?;
        Ok(HeaderView {
            signed: SignedHeader { header: view.block.header, certificate: view.certificate },
            validators: view.validators,
        })
    }

    async fn block(&self, height: Height) -> Reply<Option<BlockView>> {
        self.trouble_first().await?;
        Ok(self.view(height))
    }

    async fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Reply<At<Option<AccountView>>> {
        self.trouble_first().await?;
        let account = Account {
            organisation: "AB".parse().unwrap(),
            number: "17".parse().unwrap(),
            threshold: 1,
            keys: vec![catenary_types::AccountKey::ed25519(key().public_key())],
            roles: Roles::default(),
            opened: Height(0),
        };
        let balances = assets.into_iter().map(|asset| (asset, Amount(u128::MAX))).collect();
        let view = AccountView { id, account, frozen: true, balances };
        Ok(At { height: self.height(), value: (id != STRANGER).then_some(view) })
    }

    async fn transaction(&self, name: TransactionName) -> Reply<At<Option<TransactionView>>> {
        self.trouble_first().await?;
        let value = self.find(|transaction| match &name {
            TransactionName::Id(id) => transaction.id == *id,
            TransactionName::Request(sender, request_id) => {
                transaction.body.sender == *sender && transaction.body.request_id == *request_id
            }
            TransactionName::Reference(sender, reference) => {
                transaction.body.sender == *sender && transaction.body.reference.as_ref() == Some(reference)
            }
        });
        Ok(At { height: self.height(), value })
    }

    async fn transfer(&self, id: Hash) -> Reply<At<Option<TransferView>>> {
        self.trouble_first().await?;
        let view = TransferView {
            transfer_id: id,
            tx_id: TxId(Hash([4; 32])),
            height: Height(2),
            status: TransferStatus::RefundedTimeout,
            settled: Some(Height(3)),
            from: SENDER,
            to: "YZ/2".into(),
            asset: "CZK".parse().unwrap(),
            amount: Amount(245_200),
            client: "bft-client-0".into(),
            sequence: 7,
            timeout: UnixSeconds(1_700_000_600),
        };
        Ok(At { height: self.height(), value: (id == transfer_id()).then_some(view) })
    }
}
