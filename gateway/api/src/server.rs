//! Putting the services together and serving them until told to stop.

use crate::{
    accept::connections,
    authorise::{Authorise, authorise},
    gateway::Gateway,
    health::HealthOfChains,
    ledger::Ledger,
    limits::{
        GRACE_TIME, HEADER_LIST_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIME, Limits, READ_BYTES_MAX,
        SUBMIT_BYTES_MAX, SUBMIT_MANY_BYTES_MAX,
    },
    node::Node,
    request_bytes::RequestBytesLayer,
    transfer::Transfer,
};
use catenary_links::Directory;
use catenary_proto::{
    DESCRIPTORS,
    api::{
        gateway_service_server::GatewayServiceServer, ledger_service_server::LedgerServiceServer,
        transfer_service_server::TransferServiceServer,
    },
};
use std::time::Duration;
use tokio::{net::TcpListener, sync::watch, time::sleep};
use tonic::transport::Server;
use tonic_health::pb::{FILE_DESCRIPTOR_SET as HEALTH_DESCRIPTORS, health_server::HealthServer};
use tonic_reflection::server::Builder as Reflection;

/// On top of the time that a chain has for its answer: receiving the request. Whoever sends slower is cut off.
const RECEIVE_TIME: Duration = Duration::from_secs(20);

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The embedded descriptors do not decode: the build is broken.
    #[error("the schemas cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("serving failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// The front door before it opens.
#[derive(Clone)]
pub struct Api {
    directory: Directory,
    limits: Limits,
    authorise: Authorise,
}

impl Api {
    /// Serves these chains with default limits.
    pub fn new(directory: Directory) -> Self {
        Self { directory, limits: Limits::default(), authorise }
    }

    /// With other limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// With another rule of who may do what.
    #[must_use]
    pub fn authorise(self, authorise: Authorise) -> Self {
        Self { authorise, ..self }
    }

    /// Serves until `shutdown` comes. Then streams end with a status, open requests get [`GRACE_TIME`], and the call
    /// returns.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let Self { directory, limits, authorise } = self;
        let (stop, stopping) = watch::channel(false);
        let node = Node::new(directory, limits, authorise, stopping);
        let stop_on_signal = async {
            shutdown.await;
            stop.send_replace(true);
        };
        let after_grace = async {
            node.stopped().await;
            sleep(GRACE_TIME).await;
        };
        let incoming = connections(listener, &limits);
        let router = services(&node)?;
        tokio::select! {
            served = router.serve_with_incoming_shutdown(incoming, stop_on_signal) => Ok(served?),
            () = after_grace => Ok(()),
        }
    }
}

type Router = tonic::transport::server::Router<
    tower::layer::util::Stack<RequestBytesLayer, tower::layer::util::Identity>,
>;

fn services(node: &Node) -> Result<Router, ServeError> {
    let ledger = LedgerServiceServer::new(Ledger { node: node.clone() });
    let transfer = TransferServiceServer::new(Transfer { node: node.clone() });
    let gateway = GatewayServiceServer::new(Gateway { node: node.clone() });
    let health = HealthServer::new(HealthOfChains { node: node.clone() });
    let reflection = || {
        let builder = Reflection::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
        builder.register_encoded_file_descriptor_set(HEALTH_DESCRIPTORS)
    };
    let limits = &node.limits;
    let server = Server::builder()
        .timeout(limits.request_time + RECEIVE_TIME)
        .max_concurrent_streams(limits.streams_per_connection)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIME))
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .accept_http1(false)
        .layer(RequestBytesLayer);
    let mut server = server;
    Ok(server
        .add_service(ledger.max_decoding_message_size(SUBMIT_MANY_BYTES_MAX))
        .add_service(transfer.max_decoding_message_size(SUBMIT_BYTES_MAX))
        .add_service(gateway.max_decoding_message_size(SUBMIT_MANY_BYTES_MAX))
        .add_service(health.max_decoding_message_size(READ_BYTES_MAX))
        .add_service(reflection().build_v1()?.max_decoding_message_size(READ_BYTES_MAX))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(READ_BYTES_MAX)))
}

/// Serves these chains with default limits until `shutdown` comes.
pub async fn serve(
    listener: TcpListener,
    directory: Directory,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    Api::new(directory).serve(listener, shutdown).await
}
