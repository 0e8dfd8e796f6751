//! Executing a block.

use crate::{
    app::Apps,
    ctx::{Caller, Ctx, attribute},
    failure::{Failure, Reason},
    guard::{Guard, Subject},
    overlay::{Overlay, View},
    records::ReadRecords,
    references::{ReferenceEntry, reference_key},
    replay::{ReplayChange, minute},
    state::State,
    stores::INDEX,
};
use catenary_state::{Batch, StoreName};
use catenary_types::{
    Attribute, Call, ChainId, Event, Height, Message, Parameters, Receipt, Timestamp, Validator,
    envelope::Transaction,
};
use std::{collections::BTreeMap, sync::Arc};

/// Weight of a transaction before its calls: entering it, its receipt, one signature.
const WEIGHT_BASE: u64 = 50;
/// Weight of each further signature.
const WEIGHT_SIGNATURE: u64 = 40;
/// Weight of a call whose message does not decode or whose instance is unknown.
const WEIGHT_UNKNOWN_CALL: u64 = 5;

/// The circumstances of a block that execution may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The chain.
    pub chain_id: ChainId,
    /// The block's height.
    pub height: Height,
    /// The header's time.
    pub time: Timestamp,
}

/// What executing a block gave. Nothing of it is state until [`State::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The block.
    pub height: Height,
    /// Writes by store and key.
    pub changes: BTreeMap<StoreName, Batch>,
    /// What happens to the replay window; none for an empty block.
    pub replay: Option<ReplayChange>,
    /// One per envelope, in block order.
    pub receipts: Vec<Receipt>,
    /// The set of the block after next.
    pub validators: Vec<Validator>,
    /// Parameters of the next block.
    pub parameters: Parameters,
}

/// The code of a chain: its apps and rules.
#[derive(Clone, Default)]
pub struct Ledger {
    pub(crate) apps: Apps,
    guards: Vec<Arc<dyn Guard>>,
}

impl Ledger {
    /// A ledger of these apps, without rules.
    pub fn new(apps: Apps) -> Self {
        Self { apps, guards: Vec::new() }
    }

    /// Adds a rule; rules are asked in order.
    #[must_use]
    pub fn with_guard(mut self, guard: Arc<dyn Guard>) -> Self {
        self.guards.push(guard);
        self
    }

    /// Weight of a transaction as far as it is known without executing: what counts against the block's limit.
    pub fn static_weight(&self, view: &dyn View, transaction: &Transaction) -> u64 {
        let records = Overlay::new(view);
        let of_call = |call: &Call| {
            let app = records.instance(&call.instance).and_then(|record| self.apps.get(record.kind.as_str()));
            let weight = app.and_then(|app| app.weight_of(&call.message).ok());
            weight.unwrap_or(WEIGHT_UNKNOWN_CALL)
        };
        let calls = transaction.body.calls.iter().map(of_call);
        calls.fold(envelope_weight(transaction), u64::saturating_add)
    }

    /// Asks the apps whether the calls are worth a place in a block; unknown and malformed ones fail there.
    pub fn admit(&self, view: &dyn View, transaction: &Transaction) -> Result<(), Failure> {
        let records = Overlay::new(view);
        transaction.body.calls.iter().try_for_each(|call| {
            let app = records.instance(&call.instance).and_then(|record| self.apps.get(record.kind.as_str()));
            app.map_or(Ok(()), |app| app.admit(&call.message, view))
        })
    }

    /// Executes the envelopes of a valid block on the state before it.
    pub fn execute(&self, state: &State, block: &BlockContext, transactions: &[Transaction]) -> Executed {
        let mut overlay = Overlay::new(state);
        let limit = overlay.parameters().block_weight_max;
        let mut replay = ReplayChange::at(block.time);
        let mut receipts = Vec::with_capacity(transactions.len());
        for (position, transaction) in transactions.iter().enumerate() {
            let body = &transaction.body;
            replay.entered.push((minute(body.valid_until), (body.sender, body.request_id)));
            let position = u32::try_from(position).expect("a block holds far fewer envelopes");
            receipts.push(self.transact(&mut overlay, block, transaction, position, limit));
        }
        Executed {
            height: block.height,
            replay: (!transactions.is_empty()).then_some(replay),
            receipts,
            validators: overlay.validators(),
            parameters: overlay.parameters(),
            changes: overlay.into_changes(),
        }
    }

    /// One transaction: all calls or none.
    fn transact(
        &self,
        overlay: &mut Overlay<'_>,
        block: &BlockContext,
        transaction: &Transaction,
        position: u32,
        weight_limit: u64,
    ) -> Receipt {
        let body = &transaction.body;
        let account = overlay.account(&body.sender).expect("a valid block holds known senders only");
        let caller = Caller::of(body.sender, &account);
        let mut ctx = Ctx::new(overlay, block, &self.guards, caller, weight_limit, body.calls.len() == 1);
        let outcome = ctx.sub_transaction(|ctx| {
            ctx.charge(envelope_weight(transaction))?;
            enter_reference(ctx, transaction, position)?;
            body.calls.iter().enumerate().try_for_each(|(index, call)| {
                self.call(ctx, call).map_err(|failure| Failure {
                    detail: format!("call {index}: {}", failure.detail),
                    ..failure
                })
            })
        });
        let mut receipt = Receipt {
            tx_id: transaction.id,
            code: 0,
            reason: String::new(),
            detail: String::new(),
            events: ctx.into_events(),
        };
        if let Err(failure) = outcome {
            receipt.code = failure.reason.code();
            receipt.reason = failure.reason.name().into();
            receipt.detail = failure.detail;
            receipt.events = Vec::<Event>::new();
        }
        receipt
    }

    fn call(&self, ctx: &mut Ctx<'_, '_>, call: &Call) -> Result<(), Failure> {
        let caller = ctx.caller().clone();
        ctx.check(&Subject::Call { caller: &caller, instance: &call.instance, message: &call.message })?;
        let unknown =
            || Failure::new(Reason::UnknownInstance, format!("there is no instance {}", call.instance));
        let record = ctx.instance(&call.instance).filter(|record| record.active).ok_or_else(unknown)?;
        let app = self.apps.get(record.kind.as_str()).ok_or_else(unknown)?;
        ctx.as_instance(&call.instance, |ctx| app.call(&call.message, ctx))
    }
}

fn envelope_weight(transaction: &Transaction) -> u64 {
    WEIGHT_BASE + WEIGHT_SIGNATURE * (transaction.signatures.len() as u64).saturating_sub(1)
}

/// Enters the reference inside the transaction, so that a failed payment may be tried again under its name.
fn enter_reference(ctx: &mut Ctx<'_, '_>, transaction: &Transaction, position: u32) -> Result<(), Failure> {
    let Some(reference) = &transaction.body.reference else { return Ok(()) };
    let key = reference_key(&transaction.body.sender, reference);
    if let Some(bytes) = ctx.get(INDEX, &key) {
        let first = ReferenceEntry::decode(&bytes).expect("only this code writes references");
        let detail = format!(
            "reference {reference} is transaction {} at height {}, position {}",
            first.tx_id, first.height, first.position
        );
        return Err(Failure::new(Reason::ReferenceUsed, detail));
    }
    let entry = ReferenceEntry { height: ctx.height(), position, tx_id: transaction.id };
    ctx.put(INDEX, key, entry.encode());
    let attributes: Vec<Attribute> = vec![attribute("reference", reference)];
    ctx.emit("reference_entered", attributes);
    Ok(())
}
