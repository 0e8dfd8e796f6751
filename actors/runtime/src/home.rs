//! Where actors run: on an arbiter's thread, or on the one that starts them.

use crate::capacities::Capacities;
use actix::{Actor, Addr, ArbiterHandle, Context};
use catenary_platform::Platform;

/// Where actors run, by which clock, and how much may wait for them; cheap to clone.
#[derive(Clone, Debug)]
pub struct Home {
    platform: Platform,
    capacities: Capacities,
    /// Whose thread; without one, that of whoever starts something.
    arbiter: Option<ArbiterHandle>,
}

impl Home {
    /// The thread of an arbiter, which ends what runs there when it stops.
    pub fn on(platform: Platform, capacities: Capacities, arbiter: ArbiterHandle) -> Self {
        Self { platform, capacities, arbiter: Some(arbiter) }
    }

    /// The thread that starts something, among its other local tasks.
    pub fn here(platform: Platform, capacities: Capacities) -> Self {
        Self { platform, capacities, arbiter: None }
    }

    /// Runs a future to its end.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.arbiter {
            // False if the arbiter has stopped: then nothing runs there any more.
            Some(arbiter) => drop(arbiter.spawn(future)),
            None => drop(actix::spawn(future)),
        }
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(crate) fn capacities(&self) -> &Capacities {
        &self.capacities
    }

    /// Starts an actor with a mailbox for so many messages.
    pub(crate) fn start<A: Actor<Context = Context<A>>>(
        &self,
        capacity: usize,
        actor: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A> {
        let begin = move |ctx: &mut Context<A>| {
            ctx.set_mailbox_capacity(capacity);
            actor()
        };
        match &self.arbiter {
            Some(arbiter) => A::start_in_arbiter(arbiter, begin),
            None => A::create(begin),
        }
    }
}
