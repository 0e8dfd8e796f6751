//! Where actors run: on an arbiter's thread, or on the one that starts them.

use actix::{Actor, Addr, ArbiterHandle, Context};
use catenary_platform::Platform;

/// Where actors run, and by which clock; cheap to clone.
#[derive(Clone, Debug)]
pub struct Home {
    platform: Platform,
    /// Whose thread; without one, that of whoever starts something.
    arbiter: Option<ArbiterHandle>,
}

impl Home {
    /// The thread of an arbiter, which ends what runs there when it stops.
    pub fn on(platform: Platform, arbiter: ArbiterHandle) -> Self {
        Self { platform, arbiter: Some(arbiter) }
    }

    /// The thread that starts something, among its other local tasks.
    pub fn here(platform: Platform) -> Self {
        Self { platform, arbiter: None }
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

    pub(crate) fn start<A: Actor<Context = Context<A>>>(
        &self,
        actor: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A> {
        match &self.arbiter {
            Some(arbiter) => A::start_in_arbiter(arbiter, move |_| actor()),
            None => actor().start(),
        }
    }
}
