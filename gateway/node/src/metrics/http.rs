//! A small HTTP server: three paths, one request for each connection.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    task::AbortHandle,
    time::timeout,
};

/// Connections at once; one more is closed at once.
const CONNECTIONS_MAX: usize = 16;
/// Bytes of a request's line and headers.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Longest life of a connection.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the node may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// What Prometheus' text format is called on the wire.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// What the door asks the node.
pub enum Question {
    /// All metrics, as text.
    Metrics(oneshot::Sender<String>),
    /// Why the node is not ready; nothing if it is.
    Ready(oneshot::Sender<Vec<String>>),
}

/// The open door; it closes when this is dropped.
pub struct MetricsDoor {
    address: SocketAddr,
    serving: AbortHandle,
}

impl MetricsDoor {
    /// Opens the door. Until the questions are answered the node counts as alive and not ready.
    pub async fn open(listen: SocketAddr) -> Result<(Self, mpsc::Receiver<Question>)> {
        let listening = || format!("listening for monitoring on {listen}");
        let listener = TcpListener::bind(listen).await.with_context(listening)?;
        let address = listener.local_addr().with_context(listening)?;
        let (ask, questions) = mpsc::channel(CONNECTIONS_MAX);
        let serving = tokio::spawn(serve(listener, ask)).abort_handle();
        Ok((Self { address, serving }, questions))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsDoor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, ask: mpsc::Sender<Question>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a connection that was gone before it was taken: neither ends the door.
                tracing::warn!(%error, "a connection of the monitoring was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Ok(place) = room.clone().try_acquire_owned() {
            let ask = ask.clone();
            tokio::spawn(async move {
                // Whatever ends it, the next one is as good.
                let _ = timeout(CONNECTION_TIME_MAX, connection(stream, ask)).await;
                drop(place);
            });
        }
    }
}

async fn connection(stream: TcpStream, ask: mpsc::Sender<Question>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let ask = ask.clone();
        async move { Ok::<_, Infallible>(respond(&request, &ask).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

type Answer = Response<Full<Bytes>>;

async fn respond(request: &Request<Incoming>, ask: &mpsc::Sender<Question>) -> Answer {
    if request.method() != Method::GET {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, TEXT_TYPE, "only GET is answered here\n");
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
        return refused;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, TEXT_TYPE, "alive\n"),
        "/readyz" => match answer(ask, Question::Ready).await {
            Some(obstacles) if obstacles.is_empty() => text(StatusCode::OK, TEXT_TYPE, "ready\n"),
            Some(obstacles) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE, obstacles.join("\n") + "\n"),
            None => not_yet(),
        },
        "/metrics" => match answer(ask, Question::Metrics).await {
            Some(metrics) => text(StatusCode::OK, METRICS_TYPE, metrics),
            None => not_yet(),
        },
        _ => text(StatusCode::NOT_FOUND, TEXT_TYPE, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn not_yet() -> Answer {
    text(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE, "the node is starting, or too busy to answer\n")
}

/// The node's answer, if it comes in time.
async fn answer<T>(
    ask: &mpsc::Sender<Question>,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    ask.try_send(question(reply)).ok()?;
    timeout(ANSWER_TIME_MAX, answer).await.ok()?.ok()
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n")
    }

    #[tokio::test]
    async fn a_node_that_has_not_started_is_alive_and_not_ready() {
        let (door, mut questions) = MetricsDoor::open("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = door.address();
        assert!(ask(address, &get("/healthz")).await.starts_with("HTTP/1.1 200 "));
        assert!(ask(address, &get("/other")).await.starts_with("HTTP/1.1 404 "));
        let refused = ask(address, "POST /metrics HTTP/1.1\r\nhost: node\r\ncontent-length: 0\r\n\r\n").await;
        assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
        let answers = async {
            for obstacles in [vec!["a is down".to_owned()], Vec::new()] {
                let Some(Question::Ready(reply)) = questions.recv().await else {
                    panic!("/readyz was asked")
                };
                reply.send(obstacles).unwrap();
            }
        };
        let asks = async { [ask(address, &get("/readyz")).await, ask(address, &get("/readyz")).await] };
        let ((), [first, second]) = tokio::join!(answers, asks);
        assert!(first.starts_with("HTTP/1.1 503 ") && first.ends_with("a is down\n"), "{first}");
        assert!(second.starts_with("HTTP/1.1 200 "), "{second}");
        drop(questions);
        assert!(ask(address, &get("/metrics")).await.starts_with("HTTP/1.1 503 "));
    }

    #[tokio::test]
    async fn connections_and_heads_are_bounded() {
        let (door, _questions) = MetricsDoor::open("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let long = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", "a".repeat(2 * HEAD_BYTES_MAX));
        let mut stream = TcpStream::connect(door.address()).await.unwrap();
        // The door may be closed before all of it is written.
        let _ = stream.write_all(long.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));

        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(door.address()).await.unwrap());
        }
        // One more is closed without a word, and a place that was given back is another's.
        let mut one_more = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(one_more.read(&mut [0; 1]).await.unwrap_or(0), 0);
        drop(silent);
        while !ask(door.address(), &get("/healthz")).await.starts_with("HTTP/1.1 200 ") {
            tokio::task::yield_now().await;
        }
    }
}
