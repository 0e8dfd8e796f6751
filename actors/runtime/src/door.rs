//! Whether a node takes submissions: one door for all its chains.

use catenary_relay::gateway::{Refusal, RefusalReason};
use std::sync::{Arc, PoisonError, RwLock};

/// The door of a node; cheap to clone. Closed, it refuses every submission with one reason; whatever else a chain does goes on:
/// voting, fetching, carrying what other nodes let in.
#[derive(Clone, Debug, Default)]
pub struct Door(Arc<RwLock<Option<Refusal>>>);

impl Door {
    /// Refuses submissions from now on.
    pub fn close(&self, reason: RefusalReason, detail: impl Into<String>) {
        self.set(Some(Refusal::new(reason, detail)));
    }

    /// Takes submissions again.
    pub fn open(&self) {
        self.set(None);
    }

    /// Why submissions are refused, if they are.
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, refusal: Option<Refusal>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}
