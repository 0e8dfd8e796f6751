//! What every app must hold to, as checks that a test runs over calls of the app's own making.
//!
//! - **Totality**: any bytes decode to a message or an error; what decodes re-encodes to the same bytes.
//! - **Determinism**: the same call on the same state gives the same writes, events and outcome.
//! - **No trace**: a call that fails writes nothing.
//! - **Honest access**: a call touches no key beyond what it declared.
//! - **Conservation**: a property that the app names holds after every call (for money: supply).

use crate::{
    app::{Access, Apps},
    ctx::{Caller, Ctx},
    execute::BlockContext,
    failure::Failure,
    overlay::{Overlay, View},
};
use catenary_state::{Batch, StoreName};
use catenary_types::Event;
use std::collections::BTreeMap;

/// A call for the kit to judge.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who calls.
    pub caller: Caller,
    /// The call's bytes.
    pub message: Vec<u8>,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Success, or why not.
    pub result: Result<(), Failure>,
    /// What it wrote.
    pub writes: BTreeMap<StoreName, Batch>,
    /// What it said.
    pub events: Vec<Event>,
}

/// A rule of the kit that an app broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Two runs differ.
    #[error("two runs of one call differ")]
    NotDeterministic,
    /// A failed call left writes or events.
    #[error("a failed call left a trace")]
    Trace,
    /// A key was touched that the access set does not name.
    #[error("the call touched {key:02x?} of store {store} without declaring it")]
    Undeclared {
        /// The store.
        store: StoreName,
        /// The key.
        key: Vec<u8>,
    },
}

/// Runs a call of the app kind on a state, judges it, and returns what it did.
pub fn judge(
    apps: &Apps,
    kind: &str,
    view: &dyn View,
    block: &BlockContext,
    case: &Case,
) -> Result<Outcome, Violation> {
    let first = run(apps, kind, view, block, case)?;
    if first != run(apps, kind, view, block, case)? {
        return Err(Violation::NotDeterministic);
    }
    if first.result.is_err() && !(first.writes.is_empty() && first.events.is_empty()) {
        return Err(Violation::Trace);
    }
    Ok(first)
}

fn run(
    apps: &Apps,
    kind: &str,
    view: &dyn View,
    block: &BlockContext,
    case: &Case,
) -> Result<Outcome, Violation> {
    let app = apps.get(kind).expect("the kit is run on a registered app");
    let mut overlay = Overlay::recording(view);
    let mut ctx = Ctx::new(&mut overlay, block, &[], case.caller.clone(), u64::MAX, true);
    let result = ctx.sub_transaction(|ctx| app.call(&case.message, ctx));
    let events = ctx.into_events();
    if let Ok(Access::Keys { reads, writes, adds }) = app.access_of(&case.caller, &case.message) {
        let touched = overlay.touched();
        let declared = |key| writes.contains(key) || adds.contains(key);
        let read = touched.read.iter().filter(|key| !declared(key) && !reads.contains(key));
        let written = touched.written.iter().filter(|key| !declared(key));
        if let Some((store, key)) = read.chain(written).next() {
            return Err(Violation::Undeclared { store: *store, key: key.clone() });
        }
    }
    Ok(Outcome { result, writes: overlay.into_changes(), events })
}
