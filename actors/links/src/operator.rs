//! The door of a node's operator: a socket in its data folder.

use crate::{client::Reply, grpc::ConnectError};
use catenary_proto::{
    api::{StartChainRequest, StopChainRequest, operator_service_client::OperatorServiceClient},
    gateway_error,
};
use std::path::Path;
use tonic::transport::{Channel, Endpoint};

/// A running node as its operator reaches it.
#[derive(Clone, Debug)]
pub struct OperatorDoor(OperatorServiceClient<Channel>);

impl OperatorDoor {
    /// The node with this socket. Connects when first used.
    pub fn new(socket: &Path) -> Result<Self, ConnectError> {
        let address = format!("unix:{}", socket.display());
        let endpoint = Endpoint::from_shared(address.clone()).map_err(|_| ConnectError::Address(address))?;
        Ok(Self(OperatorServiceClient::new(endpoint.connect_lazy())))
    }

    /// Stops a chain on the node.
    pub async fn stop(&self, chain: &str, reason: &str) -> Reply<()> {
        let request = StopChainRequest { chain: chain.into(), reason: reason.into() };
        self.0.clone().stop_chain(request).await.map(drop).map_err(|status| gateway_error(&status))
    }

    /// Starts a chain on the node and waits until it runs; gives what was noticed on the way.
    pub async fn start(&self, chain: &str) -> Reply<Vec<String>> {
        let request = StartChainRequest { chain: chain.into() };
        let started = self.0.clone().start_chain(request).await.map_err(|status| gateway_error(&status))?;
        Ok(started.into_inner().notices)
    }
}
