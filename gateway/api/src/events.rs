//! `SubscribeEvents`: events in chain order, each with a token to resume after it.

use crate::{
    limits::{KINDS_PER_FILTER_MAX, STREAM_BUFFER},
    node::{Node, context, shutting_down},
    outbox::{Outbox, Outgoing, Stopped, outbox},
    resume::Place,
};
use catenary_links::{BlockStream, ChainClient};
use catenary_proto::{
    Fault, Malformed,
    api::{
        self, ErrorReason, SubscribeEventsResponse, subscribe_events_request::Start,
        subscribe_events_response::Item,
    },
    convert::required,
};
use catenary_relay::gateway::{FinalBlock, GatewayError};
use catenary_types::{Height, Trust};
use futures::StreamExt;
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// One subscription.
struct Subscription {
    node: Node,
    chain: Arc<dyn ChainClient>,
    trust: Trust,
    kinds: BTreeSet<String>,
    /// The next event to look at. All before it was sent, or is none of these kinds.
    place: Place,
    /// Whether anything was sent since progress was last due.
    fresh: bool,
    outbox: Outbox<SubscribeEventsResponse>,
}

/// Starts a subscription. Whatever is wrong with the request shows here; the stream has the rest.
pub(crate) async fn subscribe(
    node: &Node,
    request: api::SubscribeEventsRequest,
) -> Result<Outgoing<SubscribeEventsResponse>, Fault> {
    if request.kinds.len() > KINDS_PER_FILTER_MAX {
        let reason = format!("expected at most {KINDS_PER_FILTER_MAX} kinds, got {}", request.kinds.len());
        return Err(Malformed::new("kinds", reason).into());
    }
    let start = required("start", request.start)?;
    let chain = node.chain(&request.chain)?;
    let status = node.ask(chain.status()).await?;
    let place = match start {
        Start::Height(0) => return Err(Malformed::new("height", "expected a height from 1 on, got 0").into()),
        Start::Height(height) => Place::start_of(Height(height)),
        Start::Latest(_) => Place::start_of(status.height.next()),
        Start::ResumeToken(token) => Place::from_token(chain.chain_id(), &token)?,
    };
    let permit = node.subscribe()?;
    let blocks = node.ask(chain.final_blocks(place.height)).await?;
    let (outbox, outgoing) = outbox(STREAM_BUFFER, node.limits.slow_consumer_time, permit);
    let kinds = request.kinds.into_iter().collect();
    let (node, trust) = (node.clone(), status.trust);
    let subscription = Subscription { node, chain, trust, kinds, place, fresh: false, outbox };
    tokio::spawn(subscription.run(blocks));
    Ok(outgoing)
}

/// Why a subscription ends, apart from its reader having left.
enum End {
    Stopped(Stopped),
    Fault(Fault),
}

impl From<Stopped> for End {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl Subscription {
    async fn run(mut self, blocks: BlockStream) {
        let fault = match self.serve(blocks).await {
            End::Stopped(Stopped::Gone) => return,
            End::Stopped(Stopped::Slow) => {
                let ms = self.node.limits.slow_consumer_time.as_millis();
                let message =
                    format!("the reader took nothing for {ms} ms; subscribe again with the resume token");
                Fault::new(ErrorReason::SlowConsumer, message)
            }
            End::Fault(fault) => fault,
        };
        let token = self.place.token(self.chain.chain_id());
        self.outbox.finish(fault.with("resume_token_hex", Hex(&token)));
    }

    async fn serve(&mut self, mut blocks: BlockStream) -> End {
        let begun = self.progress();
        if let Err(stopped) = self.outbox.send(message(Item::Begun(begun))).await {
            return stopped.into();
        }
        let every = self.node.limits.progress_interval;
        let mut progress = interval_at(Instant::now() + every, every);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let node = self.node.clone();
        let mut stopped = std::pin::pin!(node.stopped());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return End::Fault(shutting_down()),
                () = self.outbox.closed() => return Stopped::Gone.into(),
                _ = progress.tick() => {
                    if !self.fresh && let Err(stopped) = self.send_progress().await {
                        return stopped.into();
                    }
                    self.fresh = false;
                }
                block = blocks.blocks.next() => match block {
                    Some(Ok(block)) => if let Err(stopped) = self.send_block(&block).await {
                        return stopped.into();
                    },
                    Some(Err(error)) => return End::Fault(error.into()),
                    None => {
                        let ended = GatewayError::Unavailable("the chain ended the stream".into());
                        return End::Fault(ended.into());
                    }
                },
            }
        }
    }

    /// Sends the events of a block that come at or after the place and are of the wanted kinds.
    async fn send_block(&mut self, block: &FinalBlock) -> Result<(), Stopped> {
        let height = block.height();
        for (index, (position, event)) in (0u32..).zip(block.events()) {
            let wanted = self.kinds.is_empty() || self.kinds.contains(&event.kind);
            if index < self.place.index || !wanted {
                continue;
            }
            let place = Place { height, index: index + 1 };
            let tx_id = block.receipts.get(position).map(|receipt| receipt.tx_id.0.0.to_vec());
            let event = api::ChainEvent {
                resume_token: place.token(self.chain.chain_id()),
                height: height.0,
                time_ns: block.signed.header.time.0,
                position: u32::try_from(position).expect("a block has at most 10,000 envelopes"),
                tx_id: tx_id.unwrap_or_default(),
                index,
                event: Some(event.into()),
            };
            self.outbox.send(message(Item::Event(event))).await?;
            (self.place, self.fresh) = (place, true);
        }
        self.place = Place::start_of(height.next());
        Ok(())
    }

    async fn send_progress(&self) -> Result<(), Stopped> {
        self.outbox.send(message(Item::Progress(self.progress()))).await
    }

    fn progress(&self) -> api::Progress {
        let sent = self.place.height.previous().unwrap_or_default();
        api::Progress {
            resume_token: self.place.token(self.chain.chain_id()),
            read: Some(context(&*self.chain, sent, self.trust)),
        }
    }
}

fn message(item: Item) -> SubscribeEventsResponse {
    SubscribeEventsResponse { item: Some(item) }
}

/// Bytes as text: metadata of errors is text.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
