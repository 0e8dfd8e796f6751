//! Tells the supervisor that an actor of a chain is gone.

use super::actor::{SupervisorActor, SupervisorMessage};
use crate::{peer::LinkNumber, suspect::Suspect};
use actix::Addr;
use catenary_consensus::Peer;
use catenary_types::ChainId;
use std::sync::Arc;

/// Carried by a link. Reports when the link is down.
pub(crate) struct LinkWatch {
    supervisor: Addr<SupervisorActor>,
    peer: Peer,
    number: LinkNumber,
}

impl LinkWatch {
    pub(crate) fn new(supervisor: Addr<SupervisorActor>, peer: Peer, number: LinkNumber) -> Self {
        Self { supervisor, peer, number }
    }
}

impl Drop for LinkWatch {
    fn drop(&mut self) {
        self.supervisor.do_send(SupervisorMessage::Disconnected(self.peer, self.number));
    }
}

/// Carried by each actor of a chain. Reports when it is dropped, unless the end was announced.
pub(crate) struct Watch {
    supervisor: Addr<SupervisorActor>,
    chain: ChainId,
    generation: u64,
    announced: bool,
}

impl Watch {
    /// Watches an actor of a chain's present generation.
    pub(crate) fn new(supervisor: Addr<SupervisorActor>, chain: ChainId, generation: u64) -> Self {
        Self { supervisor, chain, generation, announced: false }
    }

    /// The actor stops because something failed.
    pub(crate) fn fell(&mut self, reason: String) {
        self.report(reason, None);
    }

    /// The actor stops because others have another state than this one.
    pub(crate) fn diverged(&mut self, reason: String, state: Suspect) {
        self.report(reason, Some(Arc::new(state)));
    }

    /// The actor stops because the chain is to begin with a snapshot.
    pub(crate) fn restored(&mut self) {
        self.announced = true;
        let (chain, generation) = (self.chain.clone(), self.generation);
        self.supervisor.do_send(SupervisorMessage::Restored { chain, generation });
    }

    fn report(&mut self, reason: String, suspect: Option<Arc<Suspect>>) {
        self.announced = true;
        let (chain, generation) = (self.chain.clone(), self.generation);
        self.supervisor.do_send(SupervisorMessage::Fell { chain, generation, reason, suspect });
    }

    /// The actor stops because it was told to.
    pub(crate) fn stopped(&mut self) {
        self.announced = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.announced {
            self.fell("an actor of the chain panicked".into());
        }
    }
}
