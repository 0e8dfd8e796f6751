//! Apps: the code that calls reach.

use crate::{
    ctx::{Caller, Ctx},
    failure::Failure,
    overlay::View,
};
use catenary_state::StoreName;
use catenary_types::WireError;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A key of a store.
pub type AccessKey = (StoreName, Vec<u8>);

/// What a call may touch, known before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only these keys.
    Keys {
        /// Read.
        reads: BTreeSet<AccessKey>,
        /// Set or deleted, perhaps read too.
        writes: BTreeSet<AccessKey>,
        /// Added to, and otherwise not looked at.
        adds: BTreeSet<AccessKey>,
    },
    /// Anything: the call runs alone.
    Any,
}

/// A message that decoded and was found well formed. Only the ledger makes one, and execution consumes it.
#[derive(Debug)]
pub struct Checked<M>(M);

impl<M> Checked<M> {
    /// The message.
    pub fn into_inner(self) -> M {
        self.0
    }
}

/// One kind of app. Every app passes [`crate::conformance`].
pub trait App: Send + Sync + 'static {
    /// The app's calls.
    type Message;

    /// Reads a call; total and canonical.
    fn decode(&self, bytes: &[u8]) -> Result<Self::Message, WireError>;

    /// Weight that is known from the message alone; one unit is about a microsecond of one core.
    fn weight(&self, message: &Self::Message) -> u64;

    /// What the call may touch.
    fn access(&self, caller: &Caller, message: &Self::Message) -> Access;

    /// A cheap look at the committed state before a call is let into the pool, so that what could change nothing never
    /// costs a place in a block. Policy of a node, never validity.
    fn admit(&self, _message: &Self::Message, _state: &dyn View) -> Result<(), Failure> {
        Ok(())
    }

    /// Does it, or fails and leaves no trace.
    fn execute(&self, call: Checked<Self::Message>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure>;
}

/// An app whose message type is hidden.
pub(crate) trait AnyApp: Send + Sync {
    fn weight_of(&self, message: &[u8]) -> Result<u64, WireError>;
    fn access_of(&self, caller: &Caller, message: &[u8]) -> Result<Access, WireError>;
    fn admit(&self, message: &[u8], state: &dyn View) -> Result<(), Failure>;
    fn call(&self, message: &[u8], ctx: &mut Ctx<'_, '_>) -> Result<(), Failure>;
}

impl<A: App> AnyApp for A {
    fn weight_of(&self, message: &[u8]) -> Result<u64, WireError> {
        Ok(self.weight(&self.decode(message)?))
    }

    fn access_of(&self, caller: &Caller, message: &[u8]) -> Result<Access, WireError> {
        Ok(self.access(caller, &self.decode(message)?))
    }

    fn admit(&self, message: &[u8], state: &dyn View) -> Result<(), Failure> {
        App::admit(self, &self.decode(message)?, state)
    }

    fn call(&self, message: &[u8], ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        let message = self.decode(message)?;
        ctx.charge(self.weight(&message))?;
        self.execute(Checked(message), ctx)
    }
}

/// The code that a node has: apps by kind.
#[derive(Clone, Default)]
pub struct Apps(BTreeMap<&'static str, Arc<dyn AnyApp>>);

impl Apps {
    /// Adds a kind of app; a kind is added once.
    #[must_use]
    pub fn with<A: App>(mut self, kind: &'static str, app: A) -> Self {
        let before = self.0.insert(kind, Arc::new(app));
        assert!(before.is_none(), "app kind {kind} is there twice");
        self
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Arc<dyn AnyApp>> {
        self.0.get(kind)
    }

    /// The kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }
}
