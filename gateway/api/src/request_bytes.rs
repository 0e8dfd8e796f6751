//! A limit of request bytes for each method, enforced while the request comes in.
//!
//! A request is refused as soon as the length that it announces, or what came of it, is too much. tonic's own limit is one
//! per service and has no reason for the caller; it stays behind this one.

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
        let bounded = request.map(|body| Body::new(Bounded { body, limit, read: 0, prefix: Vec::new() }));
        self.inner.call(bounded)
    }
}

/// A body that fails once it is too long.
struct Bounded {
    body: Body,
    limit: usize,
    read: usize,
    /// The first bytes: a flag and the length of the message, big-endian.
    prefix: Vec<u8>,
}

/// Bytes of the prefix of a gRPC message.
const PREFIX_BYTES: usize = 5;

impl Bounded {
    fn take_in(&mut self, data: &[u8]) -> Result<(), Status> {
        self.read += data.len();
        let missing = PREFIX_BYTES - self.prefix.len();
        self.prefix.extend(data.iter().take(missing));
        let announced = match *self.prefix.as_slice() {
            [_, a, b, c, d] => PREFIX_BYTES.saturating_add(u32::from_be_bytes([a, b, c, d]) as usize),
            _ => 0,
        };
        if self.read.max(announced) > self.limit { Err(too_large(self.limit)) } else { Ok(()) }
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(status) = self.take_in(data)
        {
            return Poll::Ready(Some(Err(status)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded() -> Bounded {
        Bounded { body: Body::empty(), limit: 100, read: 0, prefix: Vec::new() }
    }

    #[test]
    fn an_announced_length_is_refused_before_it_comes_however_it_is_cut() {
        for length in [95u32, 96, u32::MAX] {
            let mut body = bounded();
            let prefix = [&[0], &length.to_be_bytes()[..]].concat();
            let taken = prefix.chunks(2).all(|chunk| body.take_in(chunk).is_ok());
            assert_eq!(taken, length <= 95, "{length}");
        }
    }

    #[test]
    fn more_than_was_announced_is_refused_too() {
        let mut body = bounded();
        assert!(body.take_in(&[0; 100]).is_ok());
        assert!(body.take_in(&[0]).is_err());
    }
}
