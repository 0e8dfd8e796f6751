//! The actix side of the router.

use super::meter::RouterMeter;
use crate::timer::Timer;
use actix::{Actor, ActorContext, Context, Handler, Message, SpawnHandle};
use catenary_links::ChainClient;
use catenary_platform::Platform;
use catenary_relay::{ChainIndex, Input, Relay};
use catenary_types::Height;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::oneshot;

/// What a router's mailbox takes: answers to its own questions, and blocks, one at a time per chain.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum RouterMessage {
    /// An answer or a block.
    Input(Box<Input>),
    /// The owner asks from where another router would have to read.
    Cursors(oneshot::Sender<Vec<Height>>),
    /// The owner is gone.
    Stop,
}

/// A router.
pub(crate) struct RouterActor {
    relay: Relay,
    pub(super) chains: Vec<Arc<dyn ChainClient>>,
    /// The stream of each chain.
    pub(super) streams: BTreeMap<usize, SpawnHandle>,
    timer: Timer,
    meter: Arc<RouterMeter>,
}

impl RouterActor {
    pub(super) fn new(
        platform: Platform,
        relay: Relay,
        chains: Vec<Arc<dyn ChainClient>>,
        meter: Arc<RouterMeter>,
    ) -> Self {
        Self { relay, chains, streams: BTreeMap::new(), timer: Timer::new(platform), meter }
    }

    pub(super) fn take_step(&mut self, input: Input, ctx: &mut Context<Self>) {
        self.meter.input(&input);
        for effect in self.relay.step(self.timer.now(), input) {
            self.run_effect(effect, ctx);
        }
        self.meter.waiting(self.relay.backlog());
        self.arm(ctx);
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.relay.deadline();
        self.timer.arm(deadline, ctx, |actor, ctx| {
            actor.timer.fired();
            actor.take_step(Input::Fired, ctx);
        });
    }
}

impl Actor for RouterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.take_step(Input::Reset, ctx);
    }
}

impl Handler<RouterMessage> for RouterActor {
    type Result = ();

    fn handle(&mut self, message: RouterMessage, ctx: &mut Self::Context) {
        match message {
            RouterMessage::Input(input) => self.take_step(*input, ctx),
            RouterMessage::Cursors(reply) => {
                let cursors = (0..self.chains.len()).map(|chain| self.relay.cursor(ChainIndex(chain)));
                // Whoever asked may be gone.
                let _ = reply.send(cursors.collect());
            }
            RouterMessage::Stop => ctx.stop(),
        }
    }
}
