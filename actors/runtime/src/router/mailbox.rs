//! The public handle of a router.

use super::{
    actor::{RouterActor, RouterMessage},
    meter::{RouterMeter, RouterStats},
};
use crate::home::Home;
use actix::Addr;
use catenary_links::ChainClient;
use catenary_relay::{ConfigError, Relay, RelayConfig};
use catenary_types::Height;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A running router; it stops when this is dropped.
pub struct Router {
    address: Addr<RouterActor>,
    meter: Arc<RouterMeter>,
}

impl Router {
    /// Starts a router. `chains` are in the order of the configuration's.
    pub fn start(
        home: &Home,
        config: RelayConfig,
        chains: Vec<Arc<dyn ChainClient>>,
    ) -> Result<Self, ConfigError> {
        let relay = Relay::new(config)?;
        let meter = Arc::new(RouterMeter::of(chains.len()));
        let counters = meter.clone();
        let platform = home.platform().clone();
        let address =
            home.start(home.capacities().router, move || RouterActor::new(platform, relay, chains, counters));
        Ok(Self { address, meter })
    }

    /// What the router saw and has to do.
    pub fn stats(&self) -> RouterStats {
        self.meter.stats()
    }
}

impl Router {
    /// From where a router in this one's place would have to read each chain; see [`Relay::cursor`]. None if it is gone.
    pub async fn cursors(&self) -> Option<Vec<Height>> {
        let (reply, cursors) = oneshot::channel();
        self.address.do_send(RouterMessage::Cursors(reply));
        cursors.await.ok()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.address.do_send(RouterMessage::Stop);
    }
}
