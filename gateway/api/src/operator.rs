//! `OperatorService`, on a socket of its own: who may open the socket's file is the operator.

use catenary_links::Directory;
use catenary_proto::{
    Fault,
    api::{
        self, ErrorReason,
        operator_service_server::{OperatorService, OperatorServiceServer},
    },
};
use catenary_runtime::Supervisor;
use catenary_types::ChainId;
use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};
use tokio::net::UnixListener;
use tonic::{Request, Response, Status, transport::Server};

/// The service.
struct Operator {
    supervisor: Supervisor,
    directory: Directory,
}

impl Operator {
    fn chain(&self, name: &str) -> Result<ChainId, Fault> {
        let chain = self.directory.find(name);
        let chain = chain.map_err(|unknown| Fault::new(ErrorReason::ChainNotFound, unknown.to_string()))?;
        Ok(chain.chain_id().clone())
    }
}

fn failed(reason: String) -> Fault {
    Fault::new(ErrorReason::ChainUnavailable, reason)
}

#[tonic::async_trait]
impl OperatorService for Operator {
    async fn stop_chain(
        &self,
        request: Request<api::StopChainRequest>,
    ) -> Result<Response<api::StopChainResponse>, Status> {
        let api::StopChainRequest { chain, reason } = request.into_inner();
        let reason = if reason.is_empty() { "its operator stopped it".into() } else { reason };
        self.supervisor.stop(&self.chain(&chain)?, &reason).await.map_err(failed)?;
        Ok(Response::new(api::StopChainResponse {}))
    }

    async fn start_chain(
        &self,
        request: Request<api::StartChainRequest>,
    ) -> Result<Response<api::StartChainResponse>, Status> {
        let chain = self.chain(&request.get_ref().chain)?;
        let notices = self.supervisor.start(&chain).await.map_err(failed)?;
        Ok(Response::new(api::StartChainResponse { notices }))
    }
}

/// Opens the operator's socket, in the place of one that an earlier process left. Only this user may connect.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the operator as long as it is polled.
pub async fn serve(
    listener: UnixListener,
    supervisor: Supervisor,
    directory: Directory,
) -> Result<(), tonic::transport::Error> {
    let service = OperatorServiceServer::new(Operator { supervisor, directory });
    let connections = futures::stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    Server::builder().add_service(service).serve_with_incoming(connections).await
}
