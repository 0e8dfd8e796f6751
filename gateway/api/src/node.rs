//! What all services share: the chains, the limits, and the steps that every request goes through.

use crate::{
    authorise::{Action, Authorise, Principal},
    limits::{ENVELOPES_PER_REQUEST_MAX, KEYS_PER_PROOF_MAX, Limits},
};
use catenary_links::{ChainClient, Directory, Reply};
use catenary_proto::{
    Fault, Malformed,
    api::{self, ErrorReason},
    ledger,
};
use catenary_types::{Height, Trust};
use std::{future::Future, sync::Arc};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tonic::Request;

/// Shared by all services; cheap to clone.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) directory: Directory,
    pub(crate) limits: Limits,
    authorise: Authorise,
    subscriptions: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

impl Node {
    pub(crate) fn new(
        directory: Directory,
        limits: Limits,
        authorise: Authorise,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let subscriptions = Arc::new(Semaphore::new(limits.subscriptions));
        Self { directory, limits, authorise, subscriptions, stopping }
    }

    /// Fails unless the sender of the request may do this.
    pub(crate) fn permit<T>(&self, request: &Request<T>, action: &Action<'_>) -> Result<(), Fault> {
        (self.authorise)(&Principal::of(request), action)
    }

    /// The chain that a request names.
    pub(crate) fn chain(&self, name: &str) -> Result<Arc<dyn ChainClient>, Fault> {
        self.directory.find(name).map_err(|unknown| {
            let text = unknown.to_string();
            Fault::new(ErrorReason::ChainNotFound, text.clone()).field("chain", text)
        })
    }

    /// An answer of a chain, within the time of a request.
    pub(crate) async fn ask<T>(&self, answer: impl Future<Output = Reply<T>> + Send) -> Result<T, Fault> {
        let late = || {
            let ms = self.limits.request_time.as_millis();
            Fault::new(ErrorReason::TimedOut, format!("the chain did not answer within {ms} ms"))
        };
        Ok(timeout(self.limits.request_time, answer).await.map_err(|_| late())??)
    }

    /// Names the state of an answer, with the chain's trust label.
    pub(crate) async fn context(
        &self,
        chain: &dyn ChainClient,
        height: Height,
    ) -> Result<api::ReadContext, Fault> {
        let status = self.ask(chain.status()).await?;
        Ok(context(chain, height, status.trust))
    }

    /// A place among the subscriptions of the node.
    pub(crate) fn subscribe(&self) -> Result<OwnedSemaphorePermit, Fault> {
        self.subscriptions.clone().try_acquire_owned().map_err(|_| {
            let most = self.limits.subscriptions;
            Fault::new(ErrorReason::TooManyStreams, format!("the node serves at most {most} subscriptions"))
        })
    }

    /// Comes when the node stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the server is gone, which is as good.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

pub(crate) fn context(chain: &dyn ChainClient, height: Height, trust: Trust) -> api::ReadContext {
    api::ReadContext {
        chain_id: chain.chain_id().to_string(),
        height: height.0,
        trust: ledger::Trust::from(trust).into(),
    }
}

/// What ends streams when the node stops.
pub(crate) fn shutting_down() -> Fault {
    Fault::new(ErrorReason::ShuttingDown, "the node is stopping; connect again, or to another node")
}

/// Nothing under this name in the state that was read.
pub(crate) fn not_found(reason: ErrorReason, what: &str, height: Height) -> Fault {
    Fault::new(reason, format!("no such {what} in the state after block {height}")).with("height", height)
}

/// Fails unless a list has 1 to `max` entries.
fn check_count(field: &str, actual: usize, max: usize) -> Result<(), Malformed> {
    if (1..=max).contains(&actual) {
        return Ok(());
    }
    Err(Malformed::new(field, format!("expected 1 to {max} entries, got {actual}")))
}

pub(crate) fn check_envelopes(envelopes: &[Vec<u8>]) -> Result<(), Malformed> {
    check_count("envelopes", envelopes.len(), ENVELOPES_PER_REQUEST_MAX)
}

pub(crate) fn check_keys(field: &str, keys: &[Vec<u8>]) -> Result<(), Malformed> {
    check_count(field, keys.len(), KEYS_PER_PROOF_MAX)
}
