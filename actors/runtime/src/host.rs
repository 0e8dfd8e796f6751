//! What a chain's executor lane holds: the worker that owns the state, and where its outcomes are written.

use crate::{book::Book, feed::Feed};
use catenary_relay::gateway::FinalBlock;
use catenary_replica::{Done, Executed, Job, Worker};
use catenary_store::{
    block_log::BlockLog,
    failpoint::{Failpoint, reached},
    index::{Batch, Space},
};
use catenary_types::{Block, Certificate, Height, Message};
use std::sync::Arc;

/// The slow half of a chain. Lives on its executor lane.
pub struct Host {
    worker: Worker,
    book: Book,
    log: BlockLog,
    feed: Arc<Feed>,
    checkpointed: Height,
    checkpointing: bool,
}

impl Host {
    /// A host whose worker, index and block log agree.
    pub fn new(worker: Worker, book: Book, log: BlockLog, feed: Arc<Feed>, checkpointed: Height) -> Self {
        Self { worker, book, log, feed, checkpointed, checkpointing: false }
    }

    /// The worker, for reads.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// The chain's index on disk.
    pub fn space(&self) -> Space {
        self.book.space().clone()
    }

    /// Does a job; a block that was executed goes to index, block log and subscribers before anybody hears of it.
    ///
    /// An error means that the chain's storage failed; the chain must stop.
    pub fn run(&mut self, job: Job) -> Result<Done, String> {
        let done = self.worker.run(job);
        if let Done::Executed(executed) = &done {
            self.keep(executed)?;
        }
        Ok(done)
    }

    /// Takes the next block of a copy, once the worker has verified all of it.
    pub fn import(&mut self, block: Block, certificate: Certificate) -> Result<(), String> {
        let executed = self.worker.replay(block, certificate).map_err(|error| error.to_string())?;
        self.keep(&executed)
    }

    fn keep(&mut self, executed: &Executed) -> Result<(), String> {
        reached(Failpoint::BlockExecuted);
        self.book.enter(executed)?;
        let certificate = executed.certificate().encode();
        let height = executed.tip.height.0;
        let appended = self.log.append(height, executed.block.encode(), certificate);
        appended.map_err(|refused| refused.reason.to_string())?;
        reached(Failpoint::BlockQueued);
        self.feed.publish(Arc::new(FinalBlock::of(executed)));
        Ok(())
    }

    /// The batch that brings the index to the present height; none while one is being written or nothing has changed.
    pub fn checkpoint(&mut self) -> Result<Option<Batch>, String> {
        let height = self.worker.tip().height;
        if self.checkpointing || height == self.checkpointed {
            return Ok(None);
        }
        let batch = self.book.checkpoint(&self.worker.take_checkpoint())?;
        (self.checkpointing, self.checkpointed) = (true, height);
        Ok(Some(batch))
    }

    /// The height that the index is at; none while a batch is being written.
    pub fn checkpointed(&self) -> Option<Height> {
        (!self.checkpointing).then_some(self.checkpointed)
    }

    /// Brings nothing to the index before [`Self::release`]: it is being copied.
    pub fn hold(&mut self) {
        self.checkpointing = true;
    }

    /// The copy is done.
    pub fn release(&mut self) {
        self.checkpointing = false;
    }

    /// The last batch is written.
    pub fn checkpoint_written(&mut self) {
        self.book.written();
        self.checkpointing = false;
    }
}
