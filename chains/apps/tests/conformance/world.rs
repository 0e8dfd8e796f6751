//! A state of both apps that calls change, without blocks and transactions around them.

use crate::common::{apps, genesis, name};
use catenary_apps::accounts::AccountName;
use catenary_ledger::{
    BlockContext, Caller, Ledger, Reason, ReplayWindow, State, View,
    conformance::{Case, Outcome, judge},
    records::{Account, AdminKey, ReadRecords},
    stores::ADMIN,
};
use catenary_state::{Batch, StoreName};
use catenary_types::{AccountId, Height, UnixSeconds};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The content of a state, and the block that calls stand in.
#[derive(Clone)]
pub struct World {
    content: BTreeMap<StoreName, Batch>,
    pub block: BlockContext,
}

impl View for World {
    fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        self.content.get(&store)?.get(key)?.clone()
    }
}

/// Accounts that call and are named. All but the operators and the committee come and go; C is no member at first.
pub fn accounts() -> impl Strategy<Value = AccountName> {
    let rare = prop_oneof![Just(name("C", "operator")), Just(name("consortium", "committee"))];
    let organisation = prop_oneof![Just("A"), Just("B")];
    let number = prop_oneof![Just("operator"), Just("7")];
    prop_oneof![6 => (organisation, number).prop_map(|(organisation, number)| name(organisation, number)), 1 => rare]
}

impl World {
    /// The genesis of the common chain, in block 1.
    pub fn new() -> Self {
        let genesis = genesis(UnixSeconds(crate::common::START_S));
        let state = Ledger::new(apps()).genesis(&genesis).unwrap();
        let (chain_id, time) = (genesis.chain_id().unwrap(), genesis.time.plus_ms(1));
        Self { content: state.content(), block: BlockContext { chain_id, height: Height(1), time } }
    }

    /// Calls stand in the next block from now on.
    pub fn next_block(&mut self) {
        self.block.height = self.block.height.next();
        self.block.time = self.block.time.plus_ms(1_000);
    }

    /// As a state, for audits of the whole.
    pub fn state(&self) -> State {
        State::restore(self.block.height, self.content.clone(), ReplayWindow::default())
    }

    /// A caller as execution finds him; none if the account is unknown, and then nobody can call for it.
    pub fn caller(&self, name: &AccountName) -> Option<Caller> {
        let (id, account) = (name.id(), self.account(&name.id())?);
        Some(Caller::of(id, &account))
    }

    /// Judges a call and makes what it wrote state. No call may ever make our own code fail.
    pub fn call(&mut self, kind: &str, caller: &Caller, message: &[u8]) -> Outcome {
        let case = Case { caller: caller.clone(), message: message.to_vec() };
        let outcome = judge(&apps(), kind, self, &self.block, &case).unwrap();
        assert_ne!(reason(&outcome), Some(Reason::Internal), "{outcome:?}");
        for (store, batch) in outcome.writes.clone() {
            self.content.entry(store).or_default().extend(batch);
        }
        outcome
    }

    /// Every account, by the key under which it stands.
    pub fn all_accounts(&self) -> BTreeMap<AccountId, Account> {
        let id = |key: &Vec<u8>| key.strip_prefix(&[1]).and_then(|id| id.try_into().ok()).map(AccountId);
        let ids = self.content[&ADMIN].keys().filter_map(id);
        ids.map(|id| (id, self.record(&AdminKey::Account(&id)).unwrap())).collect()
    }
}

/// Why a call failed.
pub fn reason(outcome: &Outcome) -> Option<Reason> {
    outcome.result.as_ref().err().map(|failure| failure.reason)
}
