//! One timer per actor, kept at its machine's deadline.

use crate::clock;
use actix::{Actor, AsyncContext, Context, SpawnHandle};
use catenary_types::Timestamp;

/// The timer. `fire` is called once per deadline, on the actor's arbiter.
#[derive(Default)]
pub(crate) struct Timer(Option<(Timestamp, SpawnHandle)>);

impl Timer {
    /// Moves the timer to `deadline`, or stops it.
    pub(crate) fn arm<A: Actor<Context = Context<A>>>(
        &mut self,
        deadline: Option<Timestamp>,
        ctx: &mut Context<A>,
        fire: fn(&mut A, &mut Context<A>),
    ) {
        if self.0.as_ref().map(|(at, _)| *at) == deadline {
            return;
        }
        if let Some((_, handle)) = self.0.take() {
            ctx.cancel_future(handle);
        }
        self.0 = deadline.map(|at| (at, ctx.run_later(clock::until(at), fire)));
    }

    /// The timer went off: the next deadline is a new one, even if it is the same.
    pub(crate) fn fired(&mut self) {
        self.0 = None;
    }
}
