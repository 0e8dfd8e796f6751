//! The links of one node: those that it makes, and those that others make to it.

use super::{
    certificate::NodeName,
    identity::Identity,
    listener::{self, KEEPALIVE_INTERVAL, KEEPALIVE_TIME, MESSAGE_BYTES_MAX, WINDOW_BYTES},
    registry::{NoPlace, Registry},
    session::{Ended, LinkMessage, OUTBOX, carry, ends, greeted, hello},
    tls::{Session, Shown, Tls},
    trust::Trust,
};
use crate::wire::WireEnd;
use catenary_crypto::PublicKey;
use catenary_proto::peer::{LinkRequest, peer_service_client::PeerServiceClient};
use hyper_util::rt::TokioIo;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

/// Time for a connection and for its handshake, each.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Pause before the next try, doubled each time; half of it is left to chance, so that nodes that lost each other together do
/// not come back together.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// A node that this one connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Its key. Whoever answers at the address must prove it.
    pub key: PublicKey,
    /// Where it listens: host and port.
    pub address: String,
}

/// A link that is up.
pub struct NewLink {
    /// Who is at the other end.
    pub node: NodeName,
    /// This node's end.
    pub end: WireEnd,
}

/// What a node needs to have links.
pub struct PeersConfig {
    /// Where others connect to it.
    pub listener: std::net::TcpListener,
    /// Whom it connects to.
    pub nodes: Vec<KnownNode>,
    /// What it shows of itself.
    pub identity: Identity,
    /// Whom it believes.
    pub trust: Trust,
}

/// Why there are no links.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// TLS cannot be used as it is configured.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The listener cannot be used.
    #[error("the listener cannot be used: {0}")]
    Listener(#[from] io::Error),
}

/// The running links of a node. They end when this is dropped.
pub struct Peers {
    registry: Registry,
    tasks: Vec<AbortHandle>,
}

impl Peers {
    /// Opens the door and begins to connect, as tasks of the runtime that this is called on. `linked` gets every link that
    /// comes up.
    pub fn start(
        config: PeersConfig,
        linked: impl Fn(NewLink) + Send + Sync + 'static,
    ) -> Result<Self, PeersError> {
        let PeersConfig { listener, nodes, identity, trust } = config;
        let own = identity.key().public_key();
        let tls = Tls::new(&identity, &trust)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let registry = Registry::new(own);
        let network = Network { identity, trust, registry: registry.clone(), linked: Arc::new(linked) };
        let mut tasks =
            vec![tokio::spawn(listener::serve(listener, tls.clone(), network.clone())).abort_handle()];
        for node in nodes.into_iter().filter(|node| node.key != own) {
            tasks.push(tokio::spawn(network.clone().keep(node, tls.clone())).abort_handle());
        }
        Ok(Self { registry, tasks })
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.registry.close();
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What the links of a node share.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) identity: Identity,
    trust: Trust,
    registry: Registry,
    linked: Arc<dyn Fn(NewLink) + Send + Sync>,
}

impl Network {
    /// Runs a link that was greeted, as long as it has its place.
    pub(super) async fn linked<I: LinkMessage, O: LinkMessage>(
        &self,
        inbound: Streaming<I>,
        outbound: mpsc::Sender<O>,
        shown: &Shown,
        dialled: bool,
    ) -> Result<(), Ended> {
        let node = shown.admitted.node.clone();
        let mut place = match self.registry.enter(node.key, dialled) {
            Ok(place) => place,
            Err(NoPlace::Penalty(left)) => return Err(Ended::Lost(NoPlace::Penalty(left).to_string())),
            Err(NoPlace::Linked | NoPlace::Stopping) => return Ok(()),
        };
        tracing::info!(%node, dialled, "linked");
        let (end, inner) = ends();
        (self.linked)(NewLink { node, end });
        tokio::select! {
            ended = carry(inner, inbound, outbound, (shown, &self.trust)) => Err(ended),
            _ = &mut place.stopped => Ok(()),
        }
    }

    /// Notes how a link ended.
    pub(super) fn ended(&self, shown: &Shown, outcome: Result<(), Ended>) {
        let node = &shown.admitted.node;
        match outcome {
            Err(ended) if ended.is_fault() => {
                tracing::warn!(%node, reason = %ended, "a node broke the protocol");
                self.registry.fault(node.key);
            }
            Err(ended) => tracing::info!(%node, reason = %ended, "the link is down"),
            Ok(()) => {}
        }
    }

    /// Keeps a link to a node: connects whenever there is none.
    async fn keep(self, node: KnownNode, tls: Tls) {
        let mut random = StdRng::from_os_rng();
        let mut changes = self.registry.changes();
        let mut pause = RETRY_MIN;
        loop {
            changes.borrow_and_update();
            while self.registry.is_linked(&node.key) {
                pause = RETRY_MIN;
                if changes.changed().await.is_err() {
                    return;
                }
            }
            // Before the first try too: of two nodes that start together one is first.
            sleep(random.random_range(pause / 2..=pause)).await;
            pause = (2 * pause).min(RETRY_MAX);
            if self.registry.is_linked(&node.key) {
                continue;
            }
            match connect(&node, &tls).await {
                Ok(session) => self.dialled(session).await,
                Err(error) => tracing::info!(address = node.address, %error, "a node was not reached"),
            }
        }
    }

    /// Runs a link over a session that this node made.
    async fn dialled(&self, session: Session) {
        let Session { stream, shown } = session;
        let outcome = async {
            let channel = channel(stream).await?;
            let mut client = PeerServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
            let (outbound, requests) = mpsc::channel(OUTBOX);
            // There is room for the first message.
            let _ = outbound.try_send(hello::<LinkRequest>(&self.identity, &shown.binding));
            let mut inbound = client.link(ReceiverStream::new(requests)).await?.into_inner();
            greeted(&mut inbound, &shown).await?;
            self.linked(inbound, outbound, &shown, true).await
        };
        let outcome = outcome.await;
        self.ended(&shown, outcome);
    }
}

async fn connect(node: &KnownNode, tls: &Tls) -> io::Result<Session> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    let stream = timeout(CONNECT_TIME, TcpStream::connect(&node.address)).await.map_err(late)??;
    stream.set_nodelay(true)?;
    let session = timeout(CONNECT_TIME, tls.connect(stream)).await.map_err(late)??;
    let found = session.shown.admitted.node.key;
    if found == node.key {
        return Ok(session);
    }
    let reason = format!("expected the node {}, found {found}", node.key);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

/// HTTP/2 over a stream that is there. It is used for one link and never made anew.
async fn channel(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
) -> Result<Channel, Ended> {
    let mut stream = Some(TokioIo::new(stream));
    let once = tower::service_fn(move |_| {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "a link has one connection");
        std::future::ready(stream.take().ok_or_else(gone))
    });
    Endpoint::from_static("http://node.invalid")
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIME)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES)
        .connect_with_connector(once)
        .await
        .map_err(|error| Ended::Lost(error.to_string()))
}
