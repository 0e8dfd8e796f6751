//! A chain of real blocks, of any genesis and apps.

use crate::{
    ids::ClientId,
    messages::{CreateClient, HeaderUpdate, MerkleProofs, Proof},
    records::ReadClients,
};
use catenary_crypto::{SigningKey, empty_root, sha256};
use catenary_ledger::{Apps, BlockContext, Ledger, State, stores::IBC};
use catenary_state::encode_merkle_proof;
use catenary_types::{
    AccountId, Block, Body, Call, ChainId, Genesis, Header, Height, Parameters, Readiness, Receipt,
    RequestId, SignedHeader, Timestamp, UnixSeconds, Validator, ValidatorSet, envelope::Transaction,
    testing::certify,
};

/// When every test chain starts: 2027-01-15T08:00:00Z.
pub const START: UnixSeconds = UnixSeconds(1_800_000_000);
/// How far the numbers of a chain's validators may lie above how many of them are in a set.
const STRANGERS_MAX: usize = 16;

/// The key of the n-th validator of a chain of this name.
fn validator_key(name: &str, index: usize) -> SigningKey {
    SigningKey::from_seed(&sha256(format!("validator {name} {index}").as_bytes()).0)
}

/// The n-th validator of a chain of this name.
pub fn validator(name: &str, index: usize, power: u64) -> Validator {
    Validator { public_key: validator_key(name, index).public_key(), power }
}

/// A final block of a test chain.
pub struct TestBlock {
    /// Header and certificate.
    pub signed: SignedHeader,
    /// Who signed.
    pub validators: ValidatorSet,
    /// Who signs the next block.
    pub next_validators: ValidatorSet,
    /// The transactions.
    pub envelopes: Vec<Vec<u8>>,
    /// What they did.
    pub receipts: Vec<Receipt>,
}

/// A chain of real blocks.
pub struct TestChain {
    /// Its name in the chain id.
    pub name: String,
    /// Its id.
    pub chain_id: ChainId,
    /// What it started from.
    pub genesis: Genesis,
    /// State after the last block.
    pub state: State,
    /// All blocks, from height 1 on.
    pub blocks: Vec<TestBlock>,
    /// Those of the next block.
    pub parameters: Parameters,
    ledger: Ledger,
    next_set: ValidatorSet,
    set_after: ValidatorSet,
    requests: u128,
}

impl TestChain {
    /// A chain of these apps with block 1, which is empty, at this time. Only the validators that [`validator`] gives by
    /// the chain's name can sign.
    pub fn from_genesis(genesis: Genesis, apps: Apps, time: Timestamp) -> Self {
        let ledger = Ledger::new(apps);
        let set = ValidatorSet::new(genesis.validators.clone()).expect("a valid set");
        let mut chain = Self {
            name: genesis.name.to_string(),
            chain_id: genesis.chain_id().expect("a valid name"),
            state: ledger.genesis(&genesis).expect("a valid genesis"),
            parameters: genesis.parameters.clone(),
            blocks: Vec::new(),
            ledger,
            next_set: set.clone(),
            set_after: set,
            requests: 0,
            genesis,
        };
        chain.append(time, &[]);
        chain
    }

    /// The word of one who may become a validator that he is ready, said at this time.
    pub fn ready(&self, index: usize, time: Timestamp) -> Readiness {
        let state = (self.height(), self.state.app_hash());
        Readiness::sign(&self.chain_id, &validator_key(&self.name, index), state, time)
    }

    /// The height of the last block.
    pub fn height(&self) -> Height {
        Height(self.blocks.len() as u64)
    }

    /// The time of the last block.
    pub fn time(&self) -> Timestamp {
        self.blocks.last().map_or(Timestamp(0), |block| block.signed.header.time)
    }

    /// A block.
    pub fn at(&self, height: Height) -> &TestBlock {
        &self.blocks[height.0 as usize - 1]
    }

    /// An empty block a second after the last.
    pub fn seal(&mut self) {
        let time = self.time().plus_ms(1_000);
        self.append(time, &[]);
    }

    /// What an account asks for, under an id of its own; blocks may take it for five minutes.
    pub fn body(&mut self, time: Timestamp, sender: AccountId, calls: Vec<Call>) -> Body {
        self.requests += 1;
        Body {
            chain_id: self.chain_id.clone(),
            sender,
            request_id: RequestId(self.requests.to_be_bytes()),
            valid_until: UnixSeconds(time.seconds().0 + 300),
            reference: None,
            calls,
        }
    }

    /// A block of these transactions at this time, certified by all of its set.
    pub fn append(&mut self, time: Timestamp, transactions: &[Transaction]) -> Vec<Receipt> {
        let envelopes: Vec<_> = transactions.iter().map(|transaction| transaction.bytes.clone()).collect();
        let header = self.next_header(time, &envelopes);
        let context = BlockContext { chain_id: self.chain_id.clone(), height: header.height, time };
        let validators = std::mem::replace(&mut self.next_set, self.set_after.clone());
        let signed = self.certify(header, &validators, 0, &[]);
        let executed = self.ledger.execute(&self.state, &context, transactions);
        self.state.apply(&executed);
        self.set_after = ValidatorSet::new(executed.validators).expect("a valid set");
        self.parameters = executed.parameters;
        let (next_validators, receipts) = (self.next_set.clone(), executed.receipts);
        self.blocks.push(TestBlock {
            signed,
            validators,
            next_validators,
            envelopes,
            receipts: receipts.clone(),
        });
        receipts
    }

    fn next_header(&self, time: Timestamp, envelopes: &[Vec<u8>]) -> Header {
        let last = self.blocks.last();
        assert!(time > self.time(), "time increases");
        Header {
            protocol_version: self.parameters.protocol_version,
            chain_id: self.chain_id.clone(),
            height: self.height().next(),
            time,
            last_block: last.map(|block| block.signed.header.hash()),
            last_commit_hash: last.map_or_else(empty_root, |block| block.signed.certificate.hash()),
            data_hash: Block::data_hash(envelopes),
            validators_hash: self.next_set.hash(),
            next_validators_hash: self.set_after.hash(),
            consensus_hash: self.parameters.hash(),
            app_hash: self.state.app_hash(),
            last_results_hash: last.map_or_else(empty_root, |block| Receipt::results_hash(&block.receipts)),
            proposer: self.next_set.addresses()[0],
        }
    }

    /// A certificate of the members of `set` but the `absent` ones, for any header.
    pub fn certify(&self, header: Header, set: &ValidatorSet, round: u32, absent: &[usize]) -> SignedHeader {
        let keys = (0..set.validators().len() + STRANGERS_MAX).map(|index| validator_key(&self.name, index));
        let certificate = certify(&header, set, round, absent, keys);
        SignedHeader { header, certificate }
    }

    /// A second certified header of a height: the real one, changed.
    pub fn forge(&self, height: Height, change: impl FnOnce(&mut Header)) -> SignedHeader {
        let block = self.at(height);
        let mut header = block.signed.header.clone();
        change(&mut header);
        self.certify(header, &block.validators, 0, &[])
    }

    /// An update of a client that trusts one height to another.
    pub fn update(&self, trusted: Height, height: Height) -> HeaderUpdate {
        self.update_with(trusted, &self.at(height).signed)
    }

    /// An update of a client that trusts a height to any header of this chain's sets.
    pub fn update_with(&self, trusted: Height, signed: &SignedHeader) -> HeaderUpdate {
        let validators = &self.at(signed.header.height).validators;
        HeaderUpdate::new(signed, validators, trusted, &self.at(trusted).next_validators)
    }

    /// What brings a client of this chain on another up to the last header.
    pub fn catch_up(&self, other: &Self, client: &ClientId) -> Option<HeaderUpdate> {
        let (known, newest) = (other.state.client(client).expect("a client").latest_height, self.height());
        (known < newest).then(|| self.update(known, newest))
    }

    /// A client of this chain, started at a header: ten days of trust, ten seconds of drift.
    pub fn client_at(&self, height: Height) -> CreateClient {
        let block = self.at(height);
        CreateClient::new(&block.signed, &block.validators, 864_000)
    }

    /// What the `ibc` store holds under keys, proven under the header of `height`.
    pub fn multiproof(&self, height: Height, keys: &[Vec<u8>]) -> Proof {
        let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        let proof = self.state.stores().multiproof(height.0 - 1, IBC, &keys);
        Proof::multi(proof.expect("a recent height").encode())
    }

    /// As [`Self::multiproof`], one ICS-23 proof per key.
    pub fn merkle_proofs(&self, height: Height, keys: &[Vec<u8>]) -> Proof {
        let prove = |key: &Vec<u8>| {
            let proofs = self.state.stores().prove(height.0 - 1, IBC, key);
            encode_merkle_proof(&proofs.expect("a recent height"))
        };
        Proof::Single(MerkleProofs { proofs: keys.iter().map(prove).collect() })
    }
}
