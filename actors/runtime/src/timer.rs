//! One timer per actor, kept at its machine's deadline, by the node's clock.

use actix::{Actor, AsyncContext, Context, SpawnHandle};
use catenary_platform::Platform;
use catenary_types::Timestamp;
use std::time::Duration;

/// Timers round to this anyway.
const SHORTEST: Duration = Duration::from_millis(1);

/// The timer. `fire` is called once per deadline, on the actor's arbiter.
pub(crate) struct Timer {
    platform: Platform,
    armed: Option<(Timestamp, SpawnHandle)>,
}

impl Timer {
    /// A timer that is not armed.
    pub(crate) fn new(platform: Platform) -> Self {
        Self { platform, armed: None }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.platform.now()
    }

    /// Moves the timer to `deadline`, or stops it.
    pub(crate) fn arm<A: Actor<Context = Context<A>>>(
        &mut self,
        deadline: Option<Timestamp>,
        ctx: &mut Context<A>,
        fire: fn(&mut A, &mut Context<A>),
    ) {
        if self.armed.as_ref().map(|(at, _)| *at) == deadline {
            return;
        }
        if let Some((_, handle)) = self.armed.take() {
            ctx.cancel_future(handle);
        }
        self.armed = deadline.map(|at| {
            let until = Duration::from_nanos(at.nanos_since(self.now())).max(SHORTEST);
            (at, ctx.run_later(until, fire))
        });
    }

    /// The timer went off: the next deadline is a new one, even if it is the same.
    pub(crate) fn fired(&mut self) {
        self.armed = None;
    }
}
