//! The actors of a test chain that echoes, and what they do on it.

use super::{
    apps::{EchoApp, EchoPort, GovernanceApp},
    chain::{START, TestChain, validator},
};
use crate::{
    app::{KIND, PacketApp},
    messages::PacketCall,
};
use catenary_crypto::{SigningKey, sha256};
use catenary_ledger::{Apps, records::committee_account};
use catenary_types::{
    AccountId, Call, Committee, Genesis, Message, Parameters, Receipt, Role, Timestamp, Validator,
    envelope::Transaction, testing,
};
use std::sync::Arc;

/// Whose the accounts are.
const ORGANISATION: &str = "testers";

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
            AccountId::new(
                &ORGANISATION.parse().expect("a valid organisation"),
                &number.parse().expect("a valid account number"),
            )
        };
        number.map_or_else(committee_account, of_number)
    }
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

impl TestChain {
    /// A chain of so many validators of power 10 with block 1, which is empty.
    pub fn new(name: &str, validators: usize) -> Self {
        let set = (0..validators).map(|index| validator(name, index, 10)).collect();
        Self::with_parameters(name, set, Parameters::for_group_of(validators))
    }

    /// A chain of one validator with block 1, which is empty, at this time.
    pub fn starting_at(name: &str, time: Timestamp) -> Self {
        let genesis = genesis(name, vec![validator(name, 0, 10)], Parameters::for_group_of(1));
        Self::from_genesis(genesis, apps(), time)
    }

    /// A chain of these validators and parameters with block 1, which is empty.
    pub fn with_parameters(name: &str, validators: Vec<Validator>, parameters: Parameters) -> Self {
        Self::from_genesis(genesis(name, validators, parameters), apps(), START.start())
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

    /// A block of these transactions at this time.
    pub fn block(&mut self, time: Timestamp, transactions: Vec<(Actor, Vec<Call>)>) -> Vec<Receipt> {
        let transactions: Vec<_> =
            transactions.into_iter().map(|(actor, calls)| self.sign(time, actor, calls)).collect();
        self.append(time, &transactions)
    }

    fn sign(&mut self, time: Timestamp, actor: Actor, calls: Vec<Call>) -> Transaction {
        let envelope = self.body(time, actor.account(), calls).sign(&[&actor.key()]).encode();
        Transaction::decode(&envelope).expect("a well-formed envelope")
    }
}

fn genesis(name: &str, validators: Vec<Validator>, parameters: Parameters) -> Genesis {
    let account = |(actor, number, role): (Actor, &str, Option<Role>)| {
        testing::account(ORGANISATION, number, &actor.key(), role.as_slice())
    };
    Genesis {
        parameters,
        committee: Committee { threshold: 1, keys: vec![Actor::Committee.key().public_key()] },
        organisations: vec![ORGANISATION.parse().expect("a valid organisation")],
        accounts: Actor::ACCOUNTS.into_iter().map(account).collect(),
        instances: [KIND, "echo", "governance"].map(testing::instance).to_vec(),
        ..testing::genesis(name, Timestamp(START.start().0 - 1), validators)
    }
}
