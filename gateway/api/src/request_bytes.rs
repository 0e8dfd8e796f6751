//! A limit of request bytes for each method, enforced while the request comes in.
//!
//! tonic's own limit is one per service and counts only once a message's length is known; it stays behind this one.

use crate::limits::request_bytes_max;
use catenary_proto::{
    Fault,
    api::{ErrorReason, WriteEffect},
};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{
    Status,
    body::Body,
    codegen::{Bytes, Service, http},
};

/// Puts the limit around a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestBytesLayer;

impl<S> tower::Layer<S> for RequestBytesLayer {
    type Service = RequestBytes<S>;

    fn layer(&self, inner: S) -> RequestBytes<S> {
        RequestBytes { inner }
    }
}

/// A service whose requests are bounded.
#[derive(Clone, Debug)]
pub(crate) struct RequestBytes<S> {
    inner: S,
}

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for RequestBytes<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        let Some(limit) = request_bytes_max(request.uri().path()) else { return self.inner.call(request) };
        let bounded = request.map(|body| Body::new(Bounded { body, limit, read: 0 }));
        self.inner.call(bounded)
    }
}

/// A body that fails once it is too long.
struct Bounded {
    body: Body,
    limit: usize,
    read: usize,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.read += frame.data_ref().map_or(0, Bytes::len);
            if self.read > self.limit {
                return Poll::Ready(Some(Err(too_large(self.limit))));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_large(limit: usize) -> Status {
    let message = format!("expected a request of at most {limit} bytes; send less at once");
    Fault::new(ErrorReason::MessageTooLarge, message)
        .with("limit_bytes", limit)
        .effect(WriteEffect::NotApplied)
        .into()
}
