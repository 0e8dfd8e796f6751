//! One test chain.

use super::apps::{EchoApp, EchoPort, GovernanceApp};
use crate::{
    app::{KIND, PacketApp},
    messages::{HeaderUpdate, MerkleProofs, PacketCall, Proof},
};
use catenary_crypto::{SigningKey, empty_root, sha256};
use catenary_ledger::{Apps, BlockContext, Ledger, State, records::committee_account, stores::IBC};
use catenary_state::encode_merkle_proof;
use catenary_types::{
    AccountId, AccountKey, Block, Body, Call, Certificate, ChainId, CommitSignature, Committee, Genesis,
    GenesisAccount, GenesisInstance, Header, Height, Message, Parameters, Receipt, RequestId, Role,
    SignedHeader, Timestamp, UnixSeconds, Validator, ValidatorSet, VoteKind,
    envelope::Transaction,
    genesis::{CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
    sign_bytes,
};
use std::{collections::BTreeMap, sync::Arc};

/// When every test chain starts: 2027-01-15T08:00:00Z.
pub const START: UnixSeconds = UnixSeconds(1_800_000_000);

/// Who signs a transaction of a test chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// Has the role operator.
    Operator,
    /// Another account with the role operator.
    OtherOperator,
    /// Has the role relayer.
    Relayer,
    /// Has no role.
    User,
    /// Governs.
    Committee,
}

impl Actor {
    const ACCOUNTS: [(Self, &str, Option<Role>); 4] = [
        (Self::Operator, "operator", Some(Role::Operator)),
        (Self::OtherOperator, "other-operator", Some(Role::Operator)),
        (Self::Relayer, "relayer", Some(Role::Relayer)),
        (Self::User, "user", None),
    ];

    fn key(self) -> SigningKey {
        SigningKey::from_seed(&sha256(format!("actor {self:?}").as_bytes()).0)
    }

    /// The actor's account.
    pub fn account(self) -> AccountId {
        let number = Self::ACCOUNTS.iter().find(|(actor, ..)| *actor == self);
        let of_number = |(_, number, _): &(_, &str, _)| {
            AccountId::new(&organisation(), &number.parse().expect("a valid account number"))
        };
        number.map_or_else(committee_account, of_number)
    }
}

fn organisation() -> catenary_types::Organisation {
    "testers".parse().expect("a valid organisation")
}

/// The key of the n-th validator of a chain of this name.
fn validator_key(name: &str, index: usize) -> SigningKey {
    SigningKey::from_seed(&sha256(format!("validator {name} {index}").as_bytes()).0)
}

/// The n-th validator of a chain of this name.
pub fn validator(name: &str, index: usize, power: u64) -> Validator {
    Validator { public_key: validator_key(name, index).public_key(), power }
}

/// The code of a test chain.
pub fn apps() -> Apps {
    Apps::default()
        .with(KIND, PacketApp::new(vec![Arc::new(EchoPort)]))
        .with("echo", EchoApp)
        .with("governance", GovernanceApp)
}

/// A message to the packet app as a call of a transaction.
pub fn packet_call(call: &PacketCall) -> Call {
    Call { instance: KIND.parse().expect("a valid instance name"), message: call.encode() }
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
    /// State after the last block.
    pub state: State,
    /// All blocks, from height 1 on.
    pub blocks: Vec<TestBlock>,
    ledger: Ledger,
    next_set: ValidatorSet,
    set_after: ValidatorSet,
    parameters: Parameters,
    requests: u128,
}

impl TestChain {
    /// A chain of so many validators of power 10 with block 1, which is empty.
    pub fn new(name: &str, validators: usize) -> Self {
        let set = (0..validators).map(|index| validator(name, index, 10)).collect();
        Self::with_parameters(name, set, Parameters::for_group_of(validators))
    }

    /// A chain of one validator with block 1, which is empty, at this time.
    pub fn starting_at(name: &str, time: Timestamp) -> Self {
        let mut chain =
            Self::before_first_block(name, vec![validator(name, 0, 10)], Parameters::for_group_of(1));
        chain.block(time, Vec::new());
        chain
    }

    /// A chain of these validators and parameters with block 1, which is empty.
    pub fn with_parameters(name: &str, validators: Vec<Validator>, parameters: Parameters) -> Self {
        let mut chain = Self::before_first_block(name, validators, parameters);
        chain.block(START.start(), Vec::new());
        chain
    }

    fn before_first_block(name: &str, validators: Vec<Validator>, parameters: Parameters) -> Self {
        let genesis = genesis(name, validators, parameters);
        let ledger = Ledger::new(apps());
        let state = ledger.genesis(&genesis).expect("a valid genesis");
        let set = ValidatorSet::new(genesis.validators.clone()).expect("a valid set");
        Self {
            name: name.into(),
            chain_id: genesis.chain_id().expect("a valid name"),
            state,
            blocks: Vec::new(),
            ledger,
            next_set: set.clone(),
            set_after: set,
            parameters: genesis.parameters,
            requests: 0,
        }
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

    /// One transaction in a block of its own, a second after the last.
    pub fn transact(&mut self, actor: Actor, calls: Vec<Call>) -> Receipt {
        let time = self.time().plus_ms(1_000);
        self.transact_at(time, actor, calls)
    }

    /// One transaction in a block of its own at this time.
    pub fn transact_at(&mut self, time: Timestamp, actor: Actor, calls: Vec<Call>) -> Receipt {
        self.block(time, vec![(actor, calls)]).remove(0)
    }

    /// One call of the packet app in a block of its own, a second after the last.
    pub fn call(&mut self, actor: Actor, call: &PacketCall) -> Receipt {
        self.transact(actor, vec![packet_call(call)])
    }

    /// An empty block a second after the last.
    pub fn seal(&mut self) {
        let time = self.time().plus_ms(1_000);
        self.block(time, Vec::new());
    }

    /// A block of these transactions at this time.
    pub fn block(&mut self, time: Timestamp, transactions: Vec<(Actor, Vec<Call>)>) -> Vec<Receipt> {
        let signed: Vec<_> = transactions
            .into_iter()
            .map(|(actor, calls)| self.sign_transaction(time, actor, calls))
            .collect();
        let envelopes: Vec<_> = signed.iter().map(|transaction| transaction.bytes.clone()).collect();
        let header = self.next_header(time, &envelopes);
        let height = header.height;
        let validators = std::mem::replace(&mut self.next_set, self.set_after.clone());
        let signed_header = self.certify(header, &validators, 0, &[]);
        let context = BlockContext { chain_id: self.chain_id.clone(), height, time };
        let executed = self.ledger.execute(&self.state, &context, &signed);
        self.state.apply(&executed);
        self.set_after = ValidatorSet::new(executed.validators).expect("a valid set");
        self.parameters = executed.parameters;
        let next_validators = self.next_set.clone();
        let receipts = executed.receipts.clone();
        self.blocks.push(TestBlock {
            signed: signed_header,
            validators,
            next_validators,
            envelopes,
            receipts,
        });
        executed.receipts
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
        let keys: BTreeMap<_, _> = (0..set.validators().len() + 8)
            .map(|index| validator_key(&self.name, index))
            .map(|key| (key.public_key(), key))
            .collect();
        let (block, time) = (header.hash(), header.time);
        let message =
            sign_bytes::vote(&header.chain_id, VoteKind::Precommit, header.height, round, Some(block), time);
        let of_member = |(index, member): (usize, &Validator)| {
            if absent.contains(&index) {
                return CommitSignature::Absent;
            }
            let signature = keys[&member.public_key].sign(&message);
            CommitSignature::Commit { address: member.address(), time, signature }
        };
        let signatures = set.validators().iter().enumerate().map(of_member).collect();
        let certificate = Certificate { height: header.height, round, block, signatures };
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

    fn sign_transaction(&mut self, time: Timestamp, actor: Actor, calls: Vec<Call>) -> Transaction {
        self.requests += 1;
        let body = Body {
            chain_id: self.chain_id.clone(),
            sender: actor.account(),
            request_id: RequestId(self.requests.to_be_bytes()),
            valid_until: UnixSeconds(time.seconds().0 + 300),
            reference: None,
            calls,
        };
        let envelope = body.sign(&[&actor.key()]).encode();
        Transaction::decode(&envelope).expect("a well-formed envelope")
    }
}

fn genesis(name: &str, validators: Vec<Validator>, parameters: Parameters) -> Genesis {
    let account = |(actor, number, role): (Actor, &str, Option<Role>)| GenesisAccount {
        organisation: organisation(),
        number: number.parse().expect("a valid account number"),
        threshold: 1,
        keys: vec![AccountKey::ed25519(actor.key().public_key())],
        roles: role.into_iter().map(|role| GenesisRole { role }).collect(),
    };
    let instance = |kind: &str| {
        let name: catenary_types::InstanceName = kind.parse().expect("a valid instance name");
        GenesisInstance { name: name.clone(), kind: name, version: 1 }
    };
    Genesis {
        name: name.parse().expect("a valid chain name"),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time: Timestamp(START.start().0 - 1),
        parameters,
        validators,
        committee: Committee { threshold: 1, keys: vec![Actor::Committee.key().public_key()] },
        organisations: vec![organisation()],
        accounts: Actor::ACCOUNTS.into_iter().map(account).collect(),
        instances: [KIND, "echo", "governance"].into_iter().map(instance).collect(),
    }
}
