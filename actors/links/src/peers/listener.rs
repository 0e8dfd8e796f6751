//! The door for other nodes: TCP, TLS and the certificate come before a single byte of HTTP/2 is read.

use super::{
    network::Network,
    session::{OUTBOX, greeted, hello},
    tls::{Session, Shown, Tls},
};
use catenary_proto::peer::{
    LinkRequest, LinkResponse,
    peer_service_server::{PeerService, PeerServiceServer},
};
use catenary_types::Organisation;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_rustls::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    transport::server::{Connected, Server},
};

/// Connections whose handshake is under way. For one too many the oldest goes: who means it is through in a moment.
const HANDSHAKES_MAX: usize = 128;
/// Time for a handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Connections of nodes that showed an accepted certificate, and those of one organisation among them.
const CONNECTIONS_MAX: usize = 256;
const CONNECTIONS_OF_ONE_MAX: usize = 32;
/// Links at once on one connection: one, and one that is about to end.
const STREAMS_MAX: u32 = 2;
/// Pause after the system could not give us a connection, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of headers of one request.
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Bytes under way to this node, of one link.
pub(super) const WINDOW_BYTES: u32 = 1 << 20;
/// Bytes of one message: a full block fits.
pub(super) const MESSAGE_BYTES_MAX: usize = 9 << 20;
/// A silent connection is asked whether it lives, and a peer that vanished is noticed within ten seconds.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
pub(super) const KEEPALIVE_TIME: Duration = Duration::from_secs(5);

/// Serves until the network is closed.
pub(super) async fn serve(listener: TcpListener, tls: Tls, network: Network) {
    let (accepted, connections) = mpsc::channel(8);
    let door = PeerServiceServer::new(Door { network: network.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let server = Server::builder()
        .accept_http1(false)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES)
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIME))
        .add_service(door)
        .serve_with_incoming(ReceiverStream::new(connections));
    tokio::select! {
        () = accept(listener, tls, accepted) => {}
        served = server => if let Err(error) = served {
            tracing::error!(%error, "the door for other nodes ended");
        },
    }
}

async fn accept(listener: TcpListener, tls: Tls, accepted: mpsc::Sender<io::Result<Connection>>) {
    let places = Arc::new(Places::default());
    let mut handshakes = VecDeque::<AbortHandle>::new();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(connected) => connected,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        handshakes.retain(|handshake| !handshake.is_finished());
        if handshakes.len() >= HANDSHAKES_MAX
            && let Some(oldest) = handshakes.pop_front()
        {
            oldest.abort();
        }
        let (tls, places, accepted) = (tls.clone(), places.clone(), accepted.clone());
        let handshake = tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let session = match timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                Ok(Ok(session)) => session,
                Ok(Err(error)) => return tracing::info!(%address, %error, "a connection was refused"),
                Err(_) => return tracing::debug!(%address, "no handshake in time"),
            };
            let node = &session.shown.admitted.node;
            let Some(places) = places.take(&node.organisation) else {
                return tracing::warn!(%node, "connection refused: as many are open as may be");
            };
            // The server is gone when this fails, and with it the node.
            let _ = accepted.send(Ok(Connection { session, _places: places })).await;
        });
        handshakes.push_back(handshake.abort_handle());
    }
}

/// How many may be connected. Authorities vouch for as many nodes as they like, so each organisation has a share.
struct Places {
    all: Arc<Semaphore>,
    shares: Mutex<BTreeMap<Organisation, Arc<Semaphore>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(CONNECTIONS_MAX)), shares: Mutex::default() }
    }
}

impl Places {
    fn take(&self, organisation: &Organisation) -> Option<[OwnedSemaphorePermit; 2]> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(CONNECTIONS_OF_ONE_MAX));
        let share = shares.entry(organisation.clone()).or_insert_with(new).clone();
        Some([share.try_acquire_owned().ok()?, self.all.clone().try_acquire_owned().ok()?])
    }
}

/// A session as the server sees it.
struct Connection {
    session: Session,
    _places: [OwnedSemaphorePermit; 2],
}

impl Connection {
    fn stream(&mut self) -> Pin<&mut TlsStream<TcpStream>> {
        Pin::new(&mut self.session.stream)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = Shown;

    fn connect_info(&self) -> Shown {
        self.session.shown.clone()
    }
}

struct Door {
    network: Network,
}

#[tonic::async_trait]
impl PeerService for Door {
    type LinkStream = tonic::codegen::BoxStream<LinkResponse>;

    async fn link(
        &self,
        request: Request<Streaming<LinkRequest>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let shown = request.extensions().get::<Shown>().cloned();
        let shown = shown.ok_or_else(|| Status::unauthenticated("expected a certificate"))?;
        let (outbound, responses) = mpsc::channel(OUTBOX);
        let first = hello::<LinkResponse>(&self.network.identity, &shown.binding);
        // There is room for the first message.
        let _ = outbound.try_send(first);
        let (network, mut inbound) = (self.network.clone(), request.into_inner());
        tokio::spawn(async move {
            let linked = match greeted(&mut inbound, &shown).await {
                Ok(()) => network.linked(inbound, outbound, &shown, false).await,
                Err(ended) => Err(ended),
            };
            network.ended(&shown, linked);
        });
        let responses = tokio_stream::StreamExt::map(ReceiverStream::new(responses), Ok);
        Ok(Response::new(Box::pin(responses)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn no_organisation_takes_the_places_of_the_others() {
        let places = Places::default();
        let [greedy, other] = ["A", "B"].map(|name| name.parse().unwrap());
        let taken: Vec<_> = std::iter::from_fn(|| places.take(&greedy)).collect();
        assert_eq!(taken.len(), CONNECTIONS_OF_ONE_MAX);
        assert!(places.take(&other).is_some());
        drop(taken);
        assert!(places.take(&greedy).is_some(), "a connection that ends gives its place back");
        let all: Vec<_> = (0..20)
            .flat_map(|number| std::iter::repeat_n(number, CONNECTIONS_OF_ONE_MAX))
            .filter_map(|number: u8| places.take(&format!("C{number}").parse().unwrap()))
            .collect();
        assert_eq!(all.len(), CONNECTIONS_MAX);
    }
}
