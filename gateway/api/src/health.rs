//! `grpc.health.v1`: one service name per chain, `chain/<id>`, and the empty name for the node as a whole.
//!
//! A chain serves unless it is halted or does not answer. The node serves if all its chains do. Chains are asked when
//! somebody asks; nothing is polled while nobody watches.

use crate::{
    authorise::Action,
    limits::HEALTH_INTERVAL,
    node::{Node, shutting_down},
    outbox::{Outbox, Outgoing, outbox},
};
use catenary_links::ChainClient;
use catenary_proto::{Fault, api::ErrorReason};
use catenary_relay::query::Activity;
use std::sync::Arc;
use tokio::time::sleep;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server::Health,
};

/// What stands before a chain's id in its service name.
const PREFIX: &str = "chain/";

/// The service.
#[derive(Clone)]
pub(crate) struct HealthOfChains {
    pub(crate) node: Node,
}

impl HealthOfChains {
    /// The chains under a name; none if there is no such name.
    fn chains(&self, service: &str) -> Option<Vec<Arc<dyn ChainClient>>> {
        if service.is_empty() {
            return Some(self.node.directory.all());
        }
        let id = service.strip_prefix(PREFIX)?.parse().ok()?;
        self.node.directory.by_id(&id).map(|chain| vec![chain])
    }

    async fn is_serving(&self, chain: &dyn ChainClient) -> bool {
        match self.node.ask(chain.status()).await {
            Ok(status) => !matches!(status.activity, Activity::Halted { .. }),
            Err(_) => false,
        }
    }

    async fn status(&self, service: &str) -> ServingStatus {
        let Some(chains) = self.chains(service) else { return ServingStatus::ServiceUnknown };
        let serving = futures::future::join_all(chains.iter().map(|chain| self.is_serving(&**chain))).await;
        match serving.into_iter().all(|serving| serving) {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        }
    }

    async fn report(self, service: String, outbox: Outbox<HealthCheckResponse>) {
        let mut last = None;
        loop {
            let status = self.status(&service).await;
            if last != Some(status) && outbox.send(response(status)).await.is_err() {
                return;
            }
            last = Some(status);
            tokio::select! {
                () = self.node.stopped() => return outbox.finish(shutting_down()),
                () = outbox.closed() => return,
                () = sleep(HEALTH_INTERVAL) => {}
            }
        }
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthOfChains {
    type WatchStream = Outgoing<HealthCheckResponse>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.node.permit(&request, &Action::ReadHealth)?;
        let service = &request.get_ref().service;
        match self.status(service).await {
            ServingStatus::ServiceUnknown => {
                let message = format!("expected an empty name or chain/<id>, got {service:?}");
                Err(Fault::new(ErrorReason::ChainNotFound, message.clone()).field("service", message).into())
            }
            status => Ok(Response::new(response(status))),
        }
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.node.permit(&request, &Action::ReadHealth)?;
        let place = self.node.subscribe()?;
        let (outbox, outgoing) = outbox(1, self.node.limits.slow_consumer_time, place);
        tokio::spawn(self.clone().report(request.into_inner().service, outbox));
        Ok(Response::new(outgoing))
    }
}
