//! The public handle of a router.

use super::actor::{RouterActor, RouterMessage};
use actix::{Actor, Addr, ArbiterHandle};
use catenary_links::ChainClient;
use catenary_relay::{ConfigError, Relay, RelayConfig};
use std::sync::Arc;

/// A running router; it stops when this is dropped.
pub struct Router {
    address: Addr<RouterActor>,
}

impl Router {
    /// Starts a router. `chains` are in the order of the configuration's.
    pub fn start(
        arbiter: &ArbiterHandle,
        config: RelayConfig,
        chains: Vec<Arc<dyn ChainClient>>,
    ) -> Result<Self, ConfigError> {
        let relay = Relay::new(config)?;
        let address = RouterActor::start_in_arbiter(arbiter, move |_| RouterActor::new(relay, chains));
        Ok(Self { address })
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.address.do_send(RouterMessage::Stop);
    }
}
