//! Reads of what is final: blocks from the log, the rest from the index. Every byte is verified on the way.

use crate::book::{Book, Place, Receipts, Transfer, key};
use catenary_crypto::Hash;
use catenary_relay::{
    gateway::{FinalBlock, GatewayError},
    query::{BlockView, TransactionView, TransferView},
};
use catenary_replica::{FETCH_BLOCKS_MAX, FETCH_BYTES_MAX, FetchedBlock};
use catenary_store::block_log::BlockLog;
use catenary_types::{
    AccountId, Block, Certificate, Height, Message, Receipt, RequestId, SignedHeader, TxId, ValidatorSet,
};
use std::sync::Arc;

/// Reads one chain; cheap to clone. Methods read files, so async code calls them on a blocking thread.
#[derive(Clone)]
pub struct Reader {
    book: Book,
    log: BlockLog,
}

type ReadResult<T> = Result<T, GatewayError>;

fn damaged(error: impl ToString) -> GatewayError {
    GatewayError::Damaged(error.to_string())
}

impl Reader {
    /// Reads from these.
    pub fn new(book: Book, log: BlockLog) -> Self {
        Self { book, log }
    }

    /// A final block and everything around it; none if there is no such block yet.
    pub fn block(&self, height: Height) -> ReadResult<Option<BlockView>> {
        let Some((block, certificate)) = self.logged(height)? else { return Ok(None) };
        let validators = self.validators(&block.header.validators_hash)?;
        let receipts = if block.envelopes.is_empty() { Vec::new() } else { self.receipts(height)? };
        Ok(Some(BlockView { block, certificate, validators, receipts }))
    }

    /// Consecutive final blocks from a height on, as many as one answer to a peer takes. A block that does not read ends
    /// them: it is not served, and the peer asks somebody else.
    pub fn fetch(&self, from: Height) -> Vec<FetchedBlock> {
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for entry in self.log.iter(from.0).take(FETCH_BLOCKS_MAX) {
            let Ok(entry) = entry else { break };
            bytes += entry.block.len() + entry.certificate.len();
            if bytes > FETCH_BYTES_MAX && !blocks.is_empty() {
                break;
            }
            let (Ok(block), Ok(certificate)) =
                (Block::decode(&entry.block), Certificate::decode(&entry.certificate))
            else {
                break;
            };
            blocks.push(FetchedBlock { block: Arc::new(block), certificate });
        }
        blocks
    }

    /// The first block that is here: 1, or the one after the snapshot that the log goes on from.
    pub fn oldest(&self) -> Height {
        Height(self.log.first_height())
    }

    /// A final block as subscribers get it.
    pub fn final_block(&self, height: Height) -> ReadResult<Option<FinalBlock>> {
        let view = self.block(height)?;
        Ok(view.map(|BlockView { block, certificate, validators, receipts }| FinalBlock {
            signed: SignedHeader { header: block.header, certificate },
            validators,
            receipts,
        }))
    }

    /// A block and its certificate, which is all that the log holds: the index may not have come so far.
    pub(crate) fn logged(&self, height: Height) -> ReadResult<Option<(Block, Certificate)>> {
        let oldest = self.oldest();
        if height < oldest {
            let newest = Height(self.log.written_height());
            return Err(GatewayError::Height { requested: height, oldest, newest });
        }
        let Some(entry) = self.log.read(height.0).map_err(damaged)? else { return Ok(None) };
        let block = Block::decode(&entry.block).map_err(damaged)?;
        Ok(Some((block, Certificate::decode(&entry.certificate).map_err(damaged)?)))
    }

    /// A transaction by its id.
    pub fn transaction(&self, tx_id: &TxId) -> ReadResult<Option<TransactionView>> {
        self.at(&key::transaction(tx_id))
    }

    /// A transaction by its submission.
    pub fn request(&self, sender: &AccountId, request_id: &RequestId) -> ReadResult<Option<TransactionView>> {
        self.at(&key::request(sender, request_id))
    }

    /// A transfer that this chain sent.
    pub fn transfer(&self, id: &Hash) -> ReadResult<Option<TransferView>> {
        let record: Option<Transfer> = self.book.record(&key::transfer(id)).map_err(damaged)?;
        Ok(record.map(|record| record.view(*id)))
    }

    fn at(&self, key: &[u8]) -> ReadResult<Option<TransactionView>> {
        let Some(Place { height, position }) = self.book.record(key).map_err(damaged)? else {
            return Ok(None);
        };
        // The log is written behind the index; a moment later the block is there.
        let Some(view) = self.block(height)? else { return Ok(None) };
        let at = position as usize;
        let missing = || damaged(format!("block {height} has no position {position}"));
        let receipt = view.receipts.get(at).ok_or_else(missing)?.clone();
        let envelope = view.block.envelopes.get(at).ok_or_else(missing)?.clone();
        let time = view.block.header.time;
        Ok(Some(TransactionView { tx_id: receipt.tx_id, height, position, time, envelope, receipt }))
    }

    pub(crate) fn receipts(&self, height: Height) -> ReadResult<Vec<Receipt>> {
        let record: Option<Receipts> = self.book.record(&key::receipts(height)).map_err(damaged)?;
        let missing = || damaged(format!("receipts of block {height} are missing"));
        Ok(record.ok_or_else(missing)?.receipts)
    }

    pub(crate) fn validators(&self, hash: &Hash) -> ReadResult<ValidatorSet> {
        let bytes = self.book.get(&key::validators(hash)).map_err(damaged)?;
        let bytes = bytes.ok_or_else(|| damaged(format!("validator set {hash} is missing")))?;
        ValidatorSet::decode(&bytes).map_err(damaged)
    }
}
