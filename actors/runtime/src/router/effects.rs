//! Runs the effects of the relay machine: questions to chains, whose answers come back as inputs.

use super::actor::{RouterActor, RouterMessage};
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use catenary_links::BlockStream;
use catenary_relay::{ChainIndex, Effect, Input, gateway::GatewayError};
use catenary_store::failpoint::{Failpoint, reached};
use catenary_types::Height;
use futures::StreamExt;

impl RouterActor {
    pub(super) fn run_effect(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Subscribe { chain, from } => self.subscribe(chain, from, ctx),
            Effect::Prove { ticket, chain, request } => {
                reached(Failpoint::RelayProve);
                let client = self.chains[chain.0].clone();
                let ask = async move { client.prove(request).await.map(|view| view.proof) };
                ctx.spawn(ask.into_actor(self).map(move |result, actor, ctx| {
                    reached(Failpoint::RelayProof);
                    actor.take_step(Input::ProofReady { ticket, result }, ctx);
                }));
            }
            Effect::Submit { ticket, chain, envelopes } => {
                reached(Failpoint::RelaySubmit);
                let client = self.chains[chain.0].clone();
                let ask = async move { client.submit(envelopes).await };
                ctx.spawn(ask.into_actor(self).map(move |result, actor, ctx| {
                    reached(Failpoint::RelayAnswer);
                    actor.take_step(Input::Submitted { ticket, result }, ctx);
                }));
            }
        }
    }

    /// Replaces the stream of a chain.
    fn subscribe(&mut self, chain: ChainIndex, from: Height, ctx: &mut Context<Self>) {
        reached(Failpoint::RelaySubscribe);
        if let Some(old) = self.streams.remove(&chain.0) {
            ctx.cancel_future(old);
        }
        let (client, address) = (self.chains[chain.0].clone(), ctx.address());
        let stream = async move {
            let send = |input| address.send(RouterMessage::Input(Box::new(input)));
            // A mailbox error means that this router is gone, and with it this future.
            let begun = client.final_blocks(from).await;
            if let Err(GatewayError::Height { oldest, .. }) = begun
                && from < oldest
            {
                let _ = send(Input::Begins { chain, oldest }).await;
                return;
            }
            if let Ok(BlockStream { tip, mut blocks }) = begun
                && send(Input::Subscribed { chain, tip }).await.is_ok()
            {
                while let Some(Ok(block)) = blocks.next().await {
                    reached(Failpoint::RelayBlock);
                    if send(Input::Final { chain, block }).await.is_err() {
                        return;
                    }
                }
            }
            let _ = send(Input::Disconnected { chain }).await;
        };
        self.streams.insert(chain.0, ctx.spawn(stream.into_actor(self)));
    }
}
