//! The feed of final blocks: subscribers pull at their own pace and are told when there is more.
//!
//! Nothing is queued per subscriber, so a slow one costs nothing and loses nothing: what is no longer in memory is read
//! from the block log and the index.

use crate::reader::Reader;
use catenary_platform::Platform;
use catenary_relay::gateway::{GatewayError, SharedBlock};
use catenary_types::Height;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// Blocks kept in memory per chain.
const RECENT_BLOCKS: usize = 256;

/// The final blocks of one chain.
pub struct Feed {
    platform: Platform,
    recent: Mutex<VecDeque<SharedBlock>>,
    end: watch::Sender<End>,
    reader: Reader,
}

/// How far the feed has come.
struct End {
    tip: Height,
    /// Why the chain stopped, if it did; there will be no more blocks.
    closed: Option<String>,
}

impl Feed {
    /// A feed that goes on from this height.
    pub fn new(platform: Platform, tip: Height, reader: Reader) -> Arc<Self> {
        Arc::new(Self {
            platform,
            recent: Mutex::new(VecDeque::new()),
            end: watch::Sender::new(End { tip, closed: None }),
            reader,
        })
    }

    /// Adds the next block and tells everybody.
    pub fn publish(&self, block: SharedBlock) {
        let height = block.height();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back(block);
        if recent.len() > RECENT_BLOCKS {
            recent.pop_front();
        }
        drop(recent);
        self.end.send_modify(|end| end.tip = height);
    }

    /// Ends every subscription: the chain stopped, for this reason.
    pub fn close(&self, reason: &str) {
        self.end.send_modify(|end| end.closed = Some(reason.to_owned()));
    }

    /// Height of the newest block.
    pub fn tip(&self) -> Height {
        self.end.borrow().tip
    }

    /// Waits for the block of this height. An error ends the subscription: the chain stopped, or storage is damaged.
    pub async fn block(&self, height: Height) -> Result<SharedBlock, GatewayError> {
        let mut end = self.end.subscribe();
        let stopped = match end.wait_for(|end| end.closed.is_some() || end.tip >= height).await {
            Ok(end) if end.tip >= height => None,
            Ok(end) => end.closed.clone(),
            Err(_) => Some("its node stopped".into()),
        };
        if let Some(reason) = stopped {
            return Err(GatewayError::Unavailable(format!("the chain stopped: {reason}")));
        }
        if let Some(block) = self.recent(height) {
            return Ok(block);
        }
        let reader = self.reader.clone();
        let read = self.platform.read(move || reader.final_block(height)).await;
        let block = read.ok_or_else(|| GatewayError::Unavailable("reading a block panicked".into()))??;
        block.map(Arc::new).ok_or_else(|| GatewayError::Damaged(format!("block {height} is missing")))
    }

    fn recent(&self, height: Height) -> Option<SharedBlock> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let first = recent.front()?.height();
        let at = usize::try_from(height.0.checked_sub(first.0)?).ok()?;
        recent.get(at).cloned()
    }
}
