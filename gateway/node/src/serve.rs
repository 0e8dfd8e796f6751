//! The gRPC front door of a running network, and clients that go through it.

use anyhow::{Context as _, Result};
use catenary_api::Api;
use catenary_links::{ChainClient, Directory, GrpcChain};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::oneshot};

/// A front door on a thread of its own; it closes when this is dropped.
pub struct Server {
    address: SocketAddr,
    arbiter: actix::Arbiter,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    /// Opens the door to these chains at `address`; port 0 takes a free one.
    pub async fn start(directory: Directory, address: SocketAddr) -> Result<Self> {
        let listener =
            std::net::TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let arbiter = actix::Arbiter::new();
        arbiter.spawn(async move {
            let serve = async {
                let listener = TcpListener::from_std(listener)?;
                // Stopped by a message or by the sender's end.
                Api::new(directory).serve(listener, async { drop(stopped.await) }).await?;
                anyhow::Ok(())
            };
            if let Err(error) = serve.await {
                tracing::error!(%error, "the gRPC server ended");
            }
        });
        Ok(Self { address, arbiter, stop: Some(stop) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same chains through the door, in the same order.
    pub fn connect(&self, chains: &[Arc<dyn ChainClient>]) -> Result<Vec<Arc<dyn ChainClient>>> {
        let channel = GrpcChain::channel(&format!("http://{}", self.address))?;
        let client = |chain: &Arc<dyn ChainClient>| {
            Arc::new(GrpcChain::over(channel.clone(), chain.chain_id().clone())) as Arc<dyn ChainClient>
        };
        Ok(chains.iter().map(client).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.arbiter.stop();
    }
}
