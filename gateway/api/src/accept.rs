//! Accepting connections: how many, and how long a handshake may take.

use crate::limits::Limits;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tonic::{
    codegen::tokio_stream::Stream,
    transport::server::{Connected, TcpConnectInfo},
};

/// The client's preface and the head of its first frame: less than this is no HTTP/2 client.
const HANDSHAKE_BYTES: usize = 24 + 9;
/// Pause after the system could not give us a connection, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections as they come. One too many is closed at once, so that its client can go elsewhere.
pub(crate) fn connections(
    listener: TcpListener,
    limits: &Limits,
) -> impl Stream<Item = io::Result<Connection>> + Send + 'static {
    let places = Arc::new(Semaphore::new(limits.connections));
    let handshake_time = limits.handshake_time;
    futures::stream::unfold((listener, places), move |(listener, places)| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => match places.clone().try_acquire_owned() {
                    Ok(place) => {
                        let connection = Connection::new(stream, place, handshake_time);
                        return Some((Ok(connection), (listener, places)));
                    }
                    Err(_) => tracing::warn!("connection refused: as many are open as may be"),
                },
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// A connection that holds a place and must begin in time.
pub(crate) struct Connection {
    stream: TcpStream,
    handshake: Option<Handshake>,
    _place: OwnedSemaphorePermit,
}

struct Handshake {
    deadline: Pin<Box<Sleep>>,
    missing: usize,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, handshake_time: Duration) -> Self {
        // Answers are small and somebody waits for them; without the option they only come later.
        let _ = stream.set_nodelay(true);
        let handshake = Handshake { deadline: Box::pin(sleep(handshake_time)), missing: HANDSHAKE_BYTES };
        Self { stream, handshake: Some(handshake), _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(handshake) = &mut self.handshake
            && handshake.deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no handshake in time")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        if let Some(handshake) = &mut self.handshake {
            handshake.missing = handshake.missing.saturating_sub(read);
            if handshake.missing == 0 {
                self.handshake = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
