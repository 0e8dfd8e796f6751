//! What the index holds of a chain: where things are, outcomes, and the checkpoint of the state.
//!
//! | Key | Value |
//! |---|---|
//! | `H ‖ BE64 height` | [`Receipts`] of the block |
//! | `T ‖ tx id` | [`Place`] of the transaction |
//! | `Q ‖ sender ‖ request id` | [`Place`] of the submission |
//! | `X ‖ transfer id` | [`Transfer`] as its home ledger has it |
//! | `V ‖ hash` | the validator set of that hash |
//! | `S ‖ length ‖ store ‖ key` | a value of the state |
//! | `R ‖ BE64 minute ‖ BE64 number` | [`Replay`]: an id of the replay window |
//! | `M` | [`Meta`]: the height of all of it |
//!
//! Everything here follows from the block log. Entries newer than the last checkpoint are in memory; a checkpoint writes
//! them and the state's changes as one batch, so that what is stored is always of one height.

use catenary_crypto::Hash;
use catenary_relay::query::{TransferStatus, TransferView};
use catenary_replica::{Checkpoint, Executed};
use catenary_state::StoreName;
use catenary_store::index::{Batch, IndexError, Space};
use catenary_types::{
    AccountId, Amount, AssetId, Event, Height, Message, Receipt, RequestId, TxId, UnixSeconds,
    envelope::Transaction,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

catenary_types::message! {
    /// Receipts of one block.
    pub struct Receipts {
        /// In block order.
        1 => receipts: Vec<Receipt>,
    }

    /// Where a transaction is.
    pub struct Place {
        /// Its block.
        1 => height: Height,
        /// Its place in the block.
        2 => position: u32,
    }

    /// A transfer; see [`TransferView`].
    pub struct Transfer {
        /// The transaction that sent it.
        1 => tx_id: TxId,
        /// The block that sent it.
        2 => height: Height,
        /// 0 in flight, 1 completed, 2 refunded after an error, 3 refunded after a timeout.
        3 => status: u32,
        /// The block that settled it; 0 while in flight.
        4 => settled: Height,
        /// Who paid.
        5 => from: AccountId,
        /// Whom it is for.
        6 => to: String,
        /// In what.
        7 => asset: AssetId,
        /// How much.
        8 => amount: Amount,
        /// The lane.
        9 => client: String,
        /// The packet's number.
        10 => sequence: u64,
        /// Deadline.
        11 => timeout: UnixSeconds,
    }

    /// An id of the replay window.
    pub struct Replay {
        /// Whose.
        1 => sender: AccountId,
        /// Which.
        2 => request_id: RequestId,
        /// The transaction.
        3 => tx_id: TxId,
        /// Its block.
        4 => height: Height,
    }

    /// The height of a checkpoint and what numbering goes on from.
    pub struct Meta {
        /// State after this block.
        1 => height: Height,
        /// Next number of a [`Replay`] entry.
        2 => next_number: u64,
    }
}

pub(crate) type Entries = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Entries that are not yet in the index, shared by the chain's worker and its readers.
#[derive(Default)]
pub struct Pending(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    newest: Entries,
    /// On their way to the disk.
    writing: Entries,
}

/// The index of one chain: entries in memory over those on disk.
#[derive(Clone)]
pub struct Book {
    pending: Arc<Pending>,
    space: Space,
    /// The block before the first that is here: 0, or what a snapshot begins after.
    base: Height,
}

/// Keys of the index.
pub(crate) mod key {
    use super::{AccountId, Hash, Height, RequestId, StoreName, TxId};

    pub(crate) fn receipts(height: Height) -> Vec<u8> {
        [b"H", &height.0.to_be_bytes()[..]].concat()
    }

    pub(crate) fn transaction(tx_id: &TxId) -> Vec<u8> {
        [b"T", &tx_id.0.0[..]].concat()
    }

    pub(crate) fn request(sender: &AccountId, request_id: &RequestId) -> Vec<u8> {
        [b"Q", &sender.0[..], &request_id.0].concat()
    }

    pub(crate) fn transfer(id: &Hash) -> Vec<u8> {
        [b"X", &id.0[..]].concat()
    }

    pub(crate) fn validators(hash: &Hash) -> Vec<u8> {
        [b"V", &hash.0[..]].concat()
    }

    pub(crate) fn state(store: StoreName, key: &[u8]) -> Vec<u8> {
        [&state_prefix(store), key].concat()
    }

    pub(crate) fn state_prefix(store: StoreName) -> Vec<u8> {
        let name = store.as_str().as_bytes();
        let length = u8::try_from(name.len()).expect("store names are short");
        [b"S", &[length][..], name].concat()
    }

    pub(crate) const REPLAY: &[u8] = b"R";

    pub(crate) fn replay(minute: u64, number: u64) -> Vec<u8> {
        [REPLAY, &minute.to_be_bytes(), &number.to_be_bytes()].concat()
    }

    /// The minute of a replay entry's key.
    pub(crate) fn minute(key: &[u8]) -> Option<u64> {
        key.get(1..9)?.try_into().ok().map(u64::from_be_bytes)
    }

    pub(crate) const META: &[u8] = b"M";
}

impl Book {
    /// The index of a chain with nothing in memory, of blocks above a height.
    pub fn new(space: Space, base: Height) -> Self {
        Self { pending: Arc::default(), space, base }
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let generations = self.pending.lock();
        if let Some(value) = generations.newest.get(key).or_else(|| generations.writing.get(key)) {
            return Ok(value.clone());
        }
        drop(generations);
        self.space.get(key)
    }

    /// A record; one that does not decode counts as damage.
    pub fn record<M: Message>(&self, key: &[u8]) -> Result<Option<M>, String> {
        let bytes = self.get(key).map_err(|error| error.to_string())?;
        bytes.map(|bytes| M::decode(&bytes).map_err(|error| format!("index: {error}"))).transpose()
    }

    /// Enters a final block.
    pub fn enter(&self, executed: &Executed) -> Result<(), String> {
        let entries = entries_of(executed, self.base, |key| self.record(key))?;
        self.pending.lock().newest.extend(entries);
        Ok(())
    }

    /// Takes all entries and the state's changes for one batch; they stay readable until [`Self::written`].
    pub fn checkpoint(&self, checkpoint: &Checkpoint) -> Result<Batch, String> {
        let meta: Option<Meta> = self.record(key::META)?;
        let mut next_number = meta.map_or(0, |meta| meta.next_number);
        let mut batch = Batch::default();
        for (store, changes) in &checkpoint.changes {
            for (key, value) in changes {
                put_or_delete(&mut batch, key::state(*store, key), value.clone());
            }
        }
        for entry in self.space.scan(key::REPLAY) {
            let (key, _) = entry.map_err(|error| error.to_string())?;
            let minute = key::minute(&key);
            if minute.is_none_or(|minute| minute >= checkpoint.drop_below) {
                break;
            }
            batch.delete(key);
        }
        for (minute, sender, request_id, tx_id, height) in &checkpoint.entered {
            let replay = Replay { sender: *sender, request_id: *request_id, tx_id: *tx_id, height: *height };
            batch.put(key::replay(*minute, next_number), replay.encode());
            next_number += 1;
        }
        let mut generations = self.pending.lock();
        let meta = Meta { height: checkpoint.height, next_number };
        generations.newest.insert(key::META.to_vec(), Some(meta.encode()));
        generations.writing = std::mem::take(&mut generations.newest);
        for (key, value) in &generations.writing {
            put_or_delete(&mut batch, key.clone(), value.clone());
        }
        Ok(batch)
    }

    /// The batch of the last checkpoint is in the index.
    pub fn written(&self) {
        self.pending.lock().writing.clear();
    }

    /// The height that the chain's first block here follows: that of a snapshot, or 0.
    pub fn base(&self) -> Height {
        self.base
    }

    /// The index on disk.
    pub fn space(&self) -> &Space {
        &self.space
    }
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Generations> {
        // Every change under the lock leaves both maps whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    /// As readers get it.
    pub fn view(self, transfer_id: Hash) -> TransferView {
        let status = match self.status {
            1 => TransferStatus::Completed,
            2 => TransferStatus::RefundedError,
            3 => TransferStatus::RefundedTimeout,
            _ => TransferStatus::InFlight,
        };
        TransferView {
            transfer_id,
            tx_id: self.tx_id,
            height: self.height,
            status,
            settled: (self.settled != Height(0)).then_some(self.settled),
            from: self.from,
            to: self.to,
            asset: self.asset,
            amount: self.amount,
            client: self.client,
            sequence: self.sequence,
            timeout: self.timeout,
        }
    }
}

/// Everything that a final block adds to the index. `earlier` looks up a transfer that an earlier block entered.
pub(crate) fn entries_of(
    executed: &Executed,
    base: Height,
    earlier: impl Fn(&[u8]) -> Result<Option<Transfer>, String>,
) -> Result<Entries, String> {
    let block = &executed.block;
    let height = block.header.height;
    let mut entries = Entries::new();
    let mut put = |key: Vec<u8>, value: Vec<u8>| entries.insert(key, Some(value));
    let tip = &executed.tip;
    for set in [&tip.validators, &tip.next_validators, &tip.after_next_validators] {
        put(key::validators(&set.hash()), set.encode().map_err(|error| error.to_string())?);
    }
    if !executed.receipts.is_empty() {
        put(key::receipts(height), Receipts { receipts: executed.receipts.clone() }.encode());
    }
    for (position, (bytes, receipt)) in (0..).zip(block.envelopes.iter().zip(&executed.receipts)) {
        let transaction = Transaction::decode(bytes).map_err(|error| error.to_string())?;
        let place = Place { height, position }.encode();
        put(key::transaction(&receipt.tx_id), place.clone());
        put(key::request(&transaction.body.sender, &transaction.body.request_id), place);
    }
    let events = executed
        .receipts
        .iter()
        .flat_map(|receipt| receipt.events.iter().map(|event| (receipt.tx_id, event)));
    for (tx_id, event) in events {
        let known = |key: &[u8]| match entries.get(key) {
            Some(Some(bytes)) => Transfer::decode(bytes).map(Some).map_err(|error| error.to_string()),
            Some(None) | None => earlier(key),
        };
        if let Some((key, transfer)) = transfer_of((height, base), tx_id, event, known)? {
            entries.insert(key, Some(transfer.encode()));
        }
    }
    Ok(entries)
}

/// What an event makes of a transfer, if it is of one.
fn transfer_of(
    (height, base): (Height, Height),
    tx_id: TxId,
    event: &Event,
    known: impl Fn(&[u8]) -> Result<Option<Transfer>, String>,
) -> Result<Option<(Vec<u8>, Transfer)>, String> {
    let status = match event.kind.as_str() {
        "transfer_sent" => 0,
        "transfer_completed" => 1,
        "transfer_refunded" if event.text("reason") == Some("timeout") => 3,
        "transfer_refunded" => 2,
        _ => return Ok(None),
    };
    let Some(id) = event.text("transfer_id").and_then(parse_hash) else {
        return Err(format!("event {} names no transfer", event.kind));
    };
    let key = key::transfer(&id);
    let transfer = if status == 0 {
        sent(height, tx_id, event).ok_or("event transfer_sent lacks an attribute")?
    } else {
        match known(&key)? {
            Some(sent) => Transfer { status, settled: height, ..sent },
            // It was sent in a block that is not here.
            None if base > Height(0) => return Ok(None),
            None => return Err("a transfer settles that was never sent".into()),
        }
    };
    Ok(Some((key, transfer)))
}

fn put_or_delete(batch: &mut Batch, key: Vec<u8>, value: Option<Vec<u8>>) {
    match value {
        Some(value) => batch.put(key, value),
        None => batch.delete(key),
    }
}

fn sent(height: Height, tx_id: TxId, event: &Event) -> Option<Transfer> {
    let text = |name| event.text(name);
    Some(Transfer {
        tx_id,
        height,
        status: 0,
        settled: Height(0),
        from: parse_account(text("from")?)?,
        to: text("to")?.into(),
        asset: text("asset")?.parse().ok()?,
        amount: text("amount")?.parse().ok()?,
        client: text("client")?.into(),
        sequence: text("sequence")?.parse().ok()?,
        timeout: UnixSeconds(text("timeout")?.parse().ok()?),
    })
}

/// Reads 32 bytes of lower-case hex.
fn parse_hash(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut hash = Hash::default();
    if digits.len() != 2 * Hash::LEN {
        return None;
    }
    for (byte, pair) in hash.0.iter_mut().zip(digits.chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// The account of `organisation/number`.
fn parse_account(text: &str) -> Option<AccountId> {
    let (organisation, number) = text.split_once('/')?;
    Some(AccountId::new(&organisation.parse().ok()?, &number.parse().ok()?))
}
