//! What an app sees while it executes a call.

use crate::{
    execute::BlockContext,
    failure::{Failure, Reason},
    guard::{Guard, Subject},
    overlay::Overlay,
    records::{Account, Roles},
};
use catenary_state::StoreName;
use catenary_types::{
    AccountId, Amount, AssetId, Attribute, ChainId, Event, Height, InstanceName, Organisation, Timestamp,
    UnixSeconds, genesis::Role,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Who sent the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account whose keys signed.
    pub account: AccountId,
    /// The organisation it belongs to.
    pub organisation: Organisation,
    /// What it may do beyond its own money.
    pub roles: Roles,
}

impl Caller {
    /// The caller behind an account.
    pub fn of(id: AccountId, account: &Account) -> Self {
        Self { account: id, organisation: account.organisation.clone(), roles: account.roles }
    }

    /// Fails unless the caller has the role.
    pub fn require(&self, role: Role) -> Result<(), Failure> {
        if self.roles.has(role) {
            return Ok(());
        }
        let detail = format!("expected role {}, account {} lacks it", role.name(), self.account);
        Err(Failure::new(Reason::NotAuthorised, detail))
    }
}

/// State, events, weight and circumstances of one transaction.
pub struct Ctx<'c, 'v> {
    overlay: &'c mut Overlay<'v>,
    block: &'c BlockContext,
    guards: &'c [Arc<dyn Guard>],
    caller: Caller,
    instance: InstanceName,
    events: Vec<Event>,
    weight_left: u64,
    single_call: bool,
}

/// A text attribute of an event.
pub fn attribute(name: &str, value: impl ToString) -> Attribute {
    Attribute { name: name.into(), value: value.to_string().into_bytes() }
}

impl<'c, 'v> Ctx<'c, 'v> {
    /// Starts a transaction with this much weight. `single_call` says that it has exactly one call.
    pub fn new(
        overlay: &'c mut Overlay<'v>,
        block: &'c BlockContext,
        guards: &'c [Arc<dyn Guard>],
        caller: Caller,
        weight_left: u64,
        single_call: bool,
    ) -> Self {
        let instance = crate::records::admin_instance();
        Self { overlay, block, guards, caller, instance, events: Vec::new(), weight_left, single_call }
    }

    /// The value under a key.
    pub fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        self.overlay.get(store, key)
    }

    /// Writes a value, which is never empty.
    pub fn put(&mut self, store: StoreName, key: Vec<u8>, value: Vec<u8>) {
        self.overlay.set(store, key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, store: StoreName, key: &[u8]) {
        self.overlay.set(store, key.to_vec(), None);
    }

    /// Adds to a 16-byte big-endian counter, which starts at 0. Additions commute: two calls that only add to a key
    /// can run in either order.
    pub fn add(&mut self, store: StoreName, key: Vec<u8>, amount: Amount) -> Result<(), Failure> {
        let sum = self.counter(store, &key).checked_add(amount);
        let sum = sum.ok_or_else(|| Failure::new(Reason::Overflow, "a counter would exceed 128 bits"))?;
        self.set_counter(store, key, sum);
        Ok(())
    }

    /// The counter under a key; 0 if there is none.
    pub fn counter(&self, store: StoreName, key: &[u8]) -> Amount {
        let bytes = self.get(store, key);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(Amount::ZERO, |bytes| Amount(u128::from_be_bytes(bytes)))
    }

    /// Sets a counter; 0 deletes it, so that an empty balance leaves no key.
    pub fn set_counter(&mut self, store: StoreName, key: Vec<u8>, amount: Amount) {
        let value = (amount != Amount::ZERO).then(|| amount.0.to_be_bytes().to_vec());
        self.overlay.set(store, key, value);
    }

    /// Uses weight; fails when the transaction has none left.
    pub fn charge(&mut self, weight: u64) -> Result<(), Failure> {
        match self.weight_left.checked_sub(weight) {
            Some(left) => {
                self.weight_left = left;
                Ok(())
            }
            None => {
                let detail =
                    format!("the call needs weight {weight}, the transaction has {} left", self.weight_left);
                Err(Failure::new(Reason::OutOfWeight, detail))
            }
        }
    }

    /// Says that something happened, in the name of the running instance.
    pub fn emit(&mut self, kind: &str, attributes: Vec<Attribute>) {
        self.events.push(Event { instance: self.instance.clone(), kind: kind.into(), attributes });
    }

    /// Who sent the transaction.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether this is the transaction's only call.
    pub fn is_single_call(&self) -> bool {
        self.single_call
    }

    /// This chain.
    pub fn chain_id(&self) -> &ChainId {
        &self.block.chain_id
    }

    /// Height of the block.
    pub fn height(&self) -> Height {
        self.block.height
    }

    /// Header time in whole seconds, rounded down.
    pub fn time(&self) -> UnixSeconds {
        self.block.time.seconds()
    }

    /// Header time in nanoseconds.
    pub fn header_time(&self) -> Timestamp {
        self.block.time
    }

    /// Asks the chain's rules whether money may be credited. Refunds never ask.
    pub fn check_credit(&self, account: &AccountId, asset: &AssetId, amount: Amount) -> Result<(), Failure> {
        self.check(&Subject::Credit { account, asset, amount })
    }

    /// Asks the chain's rules.
    pub(crate) fn check(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        for guard in self.guards {
            guard.check(self.overlay, subject).map_err(Failure::from)?;
        }
        Ok(())
    }

    /// Runs `step`; if it fails or panics, its writes and events are gone and the failure is returned.
    pub fn sub_transaction<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let savepoint = self.overlay.savepoint();
        let events = self.events.len();
        let instance = self.instance.clone();
        let result = catch_unwind(AssertUnwindSafe(|| step(self)));
        self.instance = instance;
        let result = result.unwrap_or_else(|_| Err(Failure::new(Reason::Internal, "the code panicked")));
        if result.is_err() {
            self.overlay.rollback(savepoint);
            self.events.truncate(events);
        }
        result
    }

    /// Runs `step` in the name of another instance: events carry its name.
    pub fn as_instance<T>(&mut self, instance: &InstanceName, step: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.instance, instance.clone());
        let result = step(self);
        self.instance = outer;
        result
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }
}
