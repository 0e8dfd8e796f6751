//! What routers ask of the chains of their node.

use super::{Event, Running, World};
use crate::{
    faults::happens,
    kinds,
    router::{Errand, Router, prove},
};
use catenary_failpoint::Failpoint;
use catenary_ledger::stores::IBC;
use catenary_relay::{
    Input as RelayInput,
    gateway::{GatewayError, ProofRequest, SubmitOutcome},
};
use catenary_replica::Input;
use catenary_types::{Height, Timestamp};
use rand::Rng;

impl World {
    pub(super) fn wake_router(
        &mut self,
        node: usize,
        work: impl FnOnce(&mut Router, Timestamp) -> Vec<Errand>,
    ) {
        let now = self.local_time(node);
        let Some(router) = self.nodes[node].running.as_mut().and_then(|running| running.router.as_mut())
        else {
            return;
        };
        let errands = work(router, now);
        let wake = router.rearm();
        let life = self.nodes[node].life;
        if let Some(deadline) = wake {
            let at = Timestamp(deadline.0.saturating_add_signed(-self.nodes[node].skew));
            self.at(at, Event::Errand { node, life, errand: Box::new(Errand::Wake) });
        }
        for errand in errands {
            let point = match &errand {
                Errand::Subscribe { .. } => Failpoint::RelaySubscribe,
                Errand::Prove { .. } => Failpoint::RelayProve,
                Errand::Submit { .. } => Failpoint::RelaySubmit,
                Errand::Answer(input) if matches!(**input, RelayInput::ProofReady { .. }) => {
                    Failpoint::RelayProof
                }
                Errand::Answer(_) | Errand::Wake => Failpoint::RelayAnswer,
            };
            self.report.count(errand.name());
            if self.reach(node, point) {
                return;
            }
            let ms = self.rng.random_range(0..=self.faults.delay_ms);
            if happens(&mut self.rng, self.faults.router) && !matches!(errand, Errand::Subscribe { .. }) {
                self.report.count("router's question lost");
                continue;
            }
            self.after(ms, Event::Errand { node, life, errand: Box::new(errand) });
        }
    }

    pub(super) fn errand(&mut self, node: usize, errand: Errand) {
        match errand {
            Errand::Wake => self.wake_router(node, Router::wake),
            Errand::Answer(input) => self.wake_router(node, |router, now| router.input(now, *input)),
            Errand::Subscribe { chain, from } => {
                let now = self.local_time(node);
                let Some(Running { chains, router: Some(router), .. }) = &mut self.nodes[node].running else {
                    return;
                };
                let errands = router.subscribe(now, chain, &chains[chain], from);
                self.wake_router(node, |_, _| errands);
            }
            Errand::Prove { ticket, chain, request } => {
                let Some(running) = &self.nodes[node].running else { return };
                let failed = happens(&mut self.rng, self.faults.router);
                let result =
                    if failed { Err(GatewayError::Busy) } else { prove(&running.chains[chain], &request) };
                if let Err(error) = &result {
                    self.report.count(kinds::of_gateway(error));
                }
                let answer = Errand::Answer(Box::new(RelayInput::ProofReady { ticket, result }));
                self.wake_router(node, |_, _| vec![answer]);
            }
            Errand::Submit { ticket, chain, envelopes } => {
                self.rogue.overhear(chain, &envelopes);
                let Some(running) = &mut self.nodes[node].running else { return };
                running.tickets += 1;
                let own = running.tickets;
                if let Some(router) = &mut running.router {
                    router.remember(own, ticket);
                }
                self.input(node, chain, Input::Submit { ticket: own, envelopes });
            }
        }
    }

    pub(super) fn pump(&mut self, node: usize, chain: usize) {
        if self.reach(node, Failpoint::RelayBlock) {
            return;
        }
        let now = self.local_time(node);
        let Some(Running { chains, router: Some(router), .. }) = &mut self.nodes[node].running else {
            return;
        };
        let errands = router.pump(now, chain, &chains[chain]);
        self.wake_router(node, |_, _| errands);
    }

    pub(super) fn reply(&mut self, node: usize, ticket: u64, outcomes: Vec<SubmitOutcome>) {
        let Some(Running { router: Some(router), .. }) = &mut self.nodes[node].running else { return };
        if let Some(answer) = router.replied(ticket, outcomes) {
            self.wake_router(node, |_, _| vec![Errand::Answer(Box::new(answer))]);
        }
    }

    /// A relayer with an account of its own tries something.
    pub(super) fn rogue_acts(&mut self) {
        let running: Vec<_> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].running.is_some()).collect();
        if running.is_empty() {
            return;
        }
        let node = running[self.rng.random_range(0..running.len())];
        let Some(Running { chains, .. }) = &self.nodes[node].running else { return };
        // It asks for what nobody keeps any more, too.
        let request = ProofRequest { height: Height(0), store: IBC, keys: vec![Vec::new()] };
        if let Err(error) = prove(&chains[0], &request) {
            self.report.count(kinds::of_gateway(&error));
        }
        let Some((trick, chain, call)) = self.rogue.act(&self.setup, chains, &mut self.rng) else { return };
        self.report.count(trick);
        self.report.line(self.now, || format!("rogue: {trick} on chain {chain}"));
        let number = self.rogue.next_number();
        let envelope = self.setup.rogue_call(chain, number, &call, self.now.seconds().0 + 30);
        self.submit(node, chain, envelope);
    }
}
