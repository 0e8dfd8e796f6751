//! One link from its greeting to its end: frames of the chains that both sides may know, no faster than they may come.

use super::{
    identity::Identity,
    tls::{Binding, Shown},
    trust::Trust,
};
use crate::wire::{Frame, WIRE_FRAMES, WireEnd};
use catenary_crypto::{Signature, verify};
use catenary_proto::{
    Malformed, WireMessage,
    peer::{self, LinkRequest, LinkResponse, link_request, link_response},
};
use catenary_replica::PeerMessage;
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tonic::{Status, Streaming};

/// Version of the protocol.
const VERSION: u32 = 1;
/// Tag of what a greeting signs.
const HELLO_TAG: &[u8] = b"catenary/peer/1";
/// Time for the greeting, once the session is there.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// How often the certificate of the other side is judged again.
const JUDGE_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes that a peer may send in a second, and at once after a pause.
const BYTES_PER_SECOND: u64 = 64 << 20;
/// Encoded messages that wait for the network.
pub(super) const OUTBOX: usize = 8;

/// What either side sends.
pub(super) enum Item {
    Hello(peer::Hello),
    Frame(peer::Frame),
}

/// A message of one direction of the stream.
pub(super) trait LinkMessage: WireMessage + Send + 'static {
    /// 1 from the side that connected, 2 from the other.
    const SIDE: u8;

    fn of(item: Item) -> Self;
    fn item(self) -> Option<Item>;
}

impl LinkMessage for LinkRequest {
    const SIDE: u8 = 1;

    fn of(item: Item) -> Self {
        let item = match item {
            Item::Hello(hello) => link_request::Item::Hello(hello),
            Item::Frame(frame) => link_request::Item::Frame(frame),
        };
        Self { item: Some(item) }
    }

    fn item(self) -> Option<Item> {
        self.item.map(|item| match item {
            link_request::Item::Hello(hello) => Item::Hello(hello),
            link_request::Item::Frame(frame) => Item::Frame(frame),
        })
    }
}

impl LinkMessage for LinkResponse {
    const SIDE: u8 = 2;

    fn of(item: Item) -> Self {
        let item = match item {
            Item::Hello(hello) => link_response::Item::Hello(hello),
            Item::Frame(frame) => link_response::Item::Frame(frame),
        };
        Self { item: Some(item) }
    }

    fn item(self) -> Option<Item> {
        self.item.map(|item| match item {
            link_response::Item::Hello(hello) => Item::Hello(hello),
            link_response::Item::Frame(frame) => Item::Frame(frame),
        })
    }
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The other side closed it, or the network did.
    #[error("{0}")]
    Lost(String),
    /// This side has no more use for it.
    #[error("this node let go of it")]
    Dropped,
    /// The certificate is no longer accepted.
    #[error(transparent)]
    Refused(#[from] super::Refused),
    /// What came is no message of this protocol.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The greeting is wrong, missing or late.
    #[error("greeting: {0}")]
    Hello(&'static str),
}

impl Ended {
    /// Whether the node of the certificate broke the protocol, which networks do not do. A wrong greeting is not its fault:
    /// whoever sent it may not hold the node's key, and no authority shall bring another's node into disrepute.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(self, Self::Malformed(_))
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Lost(status.message().to_owned())
    }
}

fn signed(side: u8, binding: &Binding) -> Vec<u8> {
    [HELLO_TAG, &[side], binding].concat()
}

/// This side's first message.
pub(super) fn hello<O: LinkMessage>(identity: &Identity, binding: &Binding) -> O {
    let signature = identity.key().sign(&signed(O::SIDE, binding)).0.to_vec();
    O::of(Item::Hello(peer::Hello { version: VERSION, signature }))
}

/// Reads the other side's first message: it holds the key that its certificate names.
pub(super) async fn greeted<I: LinkMessage>(inbound: &mut Streaming<I>, shown: &Shown) -> Result<(), Ended> {
    let first = timeout(HELLO_TIME, inbound.message()).await.map_err(|_| Ended::Hello("none in time"))??;
    let Some(Item::Hello(hello)) = first.and_then(I::item) else {
        return Err(Ended::Hello("expected one first"));
    };
    if hello.version != VERSION {
        return Err(Ended::Hello("expected version 1"));
    }
    let signature =
        Signature::from_slice(&hello.signature).ok_or(Ended::Hello("expected 64 bytes of signature"))?;
    let key = shown.admitted.node.key;
    verify(&key, &signed(I::SIDE, &shown.binding), &signature)
        .map_err(|_| Ended::Hello("it is not signed by the key of the certificate"))
}

/// The inner ends of a link: [`carry`] moves frames between them and the network.
pub(super) struct Inner {
    from_node: mpsc::Receiver<Frame>,
    to_node: mpsc::Sender<Frame>,
}

/// The two ends of a link inside this node.
pub(super) fn ends() -> (WireEnd, Inner) {
    let (sender, from_node) = mpsc::channel(WIRE_FRAMES);
    let (to_node, receiver) = mpsc::channel(WIRE_FRAMES);
    (WireEnd { sender, receiver }, Inner { from_node, to_node })
}

/// Carries frames until the link ends, and says why it did.
pub(super) async fn carry<I: LinkMessage, O: LinkMessage>(
    inner: Inner,
    inbound: Streaming<I>,
    outbound: mpsc::Sender<O>,
    (shown, trust): (&Shown, &Trust),
) -> Ended {
    let Inner { from_node, to_node } = inner;
    let ended = tokio::select! {
        ended = send(from_node, outbound, shown, trust) => ended,
        ended = receive(inbound, to_node, shown, trust) => ended,
        ended = judge(shown, trust) => ended,
    };
    ended.err().unwrap_or(Ended::Dropped)
}

async fn judge(shown: &Shown, trust: &Trust) -> Result<(), Ended> {
    let mut again = interval_at(Instant::now() + JUDGE_INTERVAL, JUDGE_INTERVAL);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        again.tick().await;
        shown.is_still_good(trust)?;
    }
}

/// Sends what this node says of chains that the other side may know.
async fn send<O: LinkMessage>(
    mut from_node: mpsc::Receiver<Frame>,
    outbound: mpsc::Sender<O>,
    shown: &Shown,
    trust: &Trust,
) -> Result<(), Ended> {
    while let Some(Frame { chain, message }) = from_node.recv().await {
        if trust.covers(&shown.admitted, &chain) {
            let frame = peer::Frame { chain: chain.to_string(), message: Some((&message).into()) };
            let closed = |_| Ended::Lost("the stream is closed".into());
            outbound.send(O::of(Item::Frame(frame))).await.map_err(closed)?;
        }
    }
    Ok(())
}

/// Hands on what the other side says of chains that it may know. What comes too fast waits in the network.
async fn receive<I: LinkMessage>(
    mut inbound: Streaming<I>,
    to_node: mpsc::Sender<Frame>,
    shown: &Shown,
    trust: &Trust,
) -> Result<(), Ended> {
    let mut allowance = Allowance::new();
    while let Some(message) = inbound.message().await? {
        allowance.take(message.encoded_len() as u64).await;
        let Some(Item::Frame(frame)) = message.item() else {
            return Err(Malformed::new("item", "expected a frame").into());
        };
        let chain = frame.chain.parse().map_err(|error| Malformed::new("chain", error))?;
        // The other side may know of a change of members before this one does, or run more chains.
        if !trust.covers(&shown.admitted, &chain) {
            continue;
        }
        // Of a later version of the protocol.
        let Some(message) = frame.message else { continue };
        let frame = Frame { chain, message: PeerMessage::try_from(message)? };
        if to_node.send(frame).await.is_err() {
            return Ok(());
        }
    }
    Err(Ended::Lost("the other side closed the stream".into()))
}

/// A bucket of bytes that fills with time.
struct Allowance {
    bytes: u64,
    filled: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self { bytes: BYTES_PER_SECOND, filled: Instant::now() }
    }

    async fn take(&mut self, bytes: u64) {
        let elapsed = u64::try_from(self.filled.elapsed().as_micros()).unwrap_or(u64::MAX);
        let gained = elapsed.saturating_mul(BYTES_PER_SECOND) / 1_000_000;
        if gained > 0 {
            self.bytes = self.bytes.saturating_add(gained).min(BYTES_PER_SECOND);
            self.filled = Instant::now();
        }
        if bytes > self.bytes {
            let missing = (bytes - self.bytes).saturating_mul(1_000_000) / BYTES_PER_SECOND;
            sleep(Duration::from_micros(missing)).await;
            self.filled = Instant::now();
        }
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
