//! The way out of a stream: a bounded queue and the status that ends it.
//!
//! The status comes after everything queued, so a reader that was too slow still gets all that its resume token covers.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tonic::{Status, codegen::tokio_stream::Stream};

/// Why nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The reader left.
    Gone,
    /// The queue stayed full for too long.
    Slow,
}

/// The writing end.
pub(crate) struct Outbox<T> {
    items: mpsc::Sender<T>,
    end: oneshot::Sender<Status>,
    patience: Duration,
}

/// The reading end; what tonic sends.
pub(crate) struct Outgoing<T> {
    items: mpsc::Receiver<T>,
    end: Option<oneshot::Receiver<Status>>,
    _place: OwnedSemaphorePermit,
}

/// A queue of `buffer` items that holds a place among the subscriptions.
pub(crate) fn outbox<T>(
    buffer: usize,
    patience: Duration,
    place: OwnedSemaphorePermit,
) -> (Outbox<T>, Outgoing<T>) {
    let (sender, receiver) = mpsc::channel(buffer);
    let (end, ended) = oneshot::channel();
    let outbox = Outbox { items: sender, end, patience };
    (outbox, Outgoing { items: receiver, end: Some(ended), _place: place })
}

impl<T> Outbox<T> {
    /// Queues an item; waits for room, but not for ever.
    pub(crate) async fn send(&self, item: T) -> Result<(), Stopped> {
        use mpsc::error::SendTimeoutError;
        self.items.send_timeout(item, self.patience).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Stopped::Slow,
            SendTimeoutError::Closed(_) => Stopped::Gone,
        })
    }

    /// Comes when the reader has left.
    pub(crate) async fn closed(&self) {
        self.items.closed().await;
    }

    /// Ends the stream, after what is queued.
    pub(crate) fn finish(self, status: impl Into<Status>) {
        // The reader may have left.
        let _ = self.end.send(status.into());
    }
}

impl<T> Stream for Outgoing<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(item) = ready!(self.items.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(item)));
        }
        let Some(end) = self.end.as_mut() else { return Poll::Ready(None) };
        let status = ready!(Pin::new(end).poll(cx));
        self.end = None;
        Poll::Ready(status.ok().map(Err))
    }
}
