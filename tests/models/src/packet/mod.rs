//! The life of packets between two chains, with a courier that does whatever it likes.
//!
//! ```text
//!   source, a block a second                    target, a block a second
//!   send ─► commitment ──── any header that is final, as old as the courier likes ────► receive ─► receipt, answer
//!   acknowledge or timeout ◄──── any header, true and false claims, again and again ────────┘
//! ```
//!
//! Every block holds one call. The courier offers every packet with every header and every claim, in every order, any number
//! of times; one of the clients may be frozen, at any time, and recovered by governance. The chains run at their own pace.
//!
//! The law here is written by hand, because the production code decides over stores, headers and proofs, thousands of
//! times too slow to be searched. So it is tied to it: a test carries out ways through this model on real chains, among them the
//! shortest to every kind of step, and compares the outcome of every call and what the money counters say.

mod action;
mod courier;
mod law;
mod mutation;
mod state;
mod traces;

pub use action::{Action, Outcome};
pub use courier::{next as courier, settles};
pub use law::Law;
pub use mutation::Mutation;
pub use state::{Answer, Client, Ends, Money, PACKETS, Packet, Side, Standing, State};
pub use traces::shortest as shortest_ways;

use stateright::{Model, Property};

/// What is sent is in escrow, delivered or refunded; what escrow and deliveries hold is out on the target or in flight.
pub const MONEY: &str = "money is conserved";
/// No packet has two effects on the target.
pub const ONE_EFFECT: &str = "a packet has at most one effect";
/// An effect exists exactly if the packet was received and its answer is ok.
pub const EFFECT_IF_OK: &str = "an effect exists if and only if the outcome is ok";
/// Only what the source committed to has an effect.
pub const EFFECT_OF_COMMITTED: &str = "only a packet that a shown header commits to is received";
/// A packet is acknowledged, refunded for an error, or refunded for a timeout, once.
pub const ONE_END: &str = "a packet ends at most once";
/// An answer that settles a packet is the one that the target gave.
pub const ENDS_AS_RECEIVED: &str = "a packet is acknowledged as it was received";
/// A packet that was refunded has no effect, and gets none.
pub const NO_REFUND_OF_RECEIVED: &str = "no refund of what was received well";
/// The second of the deadline is too late.
pub const RECEIVED_IN_TIME: &str = "a packet is received only before its deadline";
/// The second of the deadline is the first of the refund.
pub const REFUNDED_IN_TIME: &str = "a timeout has a proof of a time not before the deadline";
/// Nothing is proven to a frozen client.
pub const FROZEN: &str = "a frozen client believes nothing";
/// From every state an honest courier settles every packet.
pub const ENDS_AFTER_FAULTS: &str = "once faults stop every packet ends";

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Packets {
    /// The law.
    pub law: Law,
    /// Blocks that each chain makes.
    pub blocks_max: u8,
    /// Deadlines to choose from.
    pub deadlines: [u8; 2],
    /// How many packets are sent, up to [`PACKETS`].
    pub packets: usize,
}

impl Packets {
    fn courier_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for packet in (0..self.packets).filter(|packet| state.packets[*packet].is_some()) {
            if state.target < self.blocks_max {
                actions.extend((1..=state.source).map(|header| Action::Receive { packet, header }));
            }
            if state.source < self.blocks_max {
                for header in 1..=state.target {
                    actions.push(Action::Timeout { packet, header });
                    for answer in [Answer::Ok, Answer::Error] {
                        actions.push(Action::Acknowledge { packet, header, answer });
                    }
                }
            }
        }
    }
}

impl Model for Packets {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.courier_actions(state, actions);
        for side in [Side::Source, Side::Target] {
            if state.height(side) < self.blocks_max {
                actions.push(Action::Idle(side));
                match state.client(side).standing {
                    Standing::Sound if may_freeze(state, side) => actions.push(Action::Freeze(side)),
                    Standing::Frozen => actions.push(Action::Recover(side)),
                    Standing::Sound | Standing::Recovered => {}
                }
            }
        }
        // Packets are numbered in the order in which they are sent.
        let next = state.sent().count();
        if next < self.packets && state.source < self.blocks_max {
            for deadline in self.deadlines {
                for answer in [Answer::Ok, Answer::Error] {
                    actions.push(Action::Send { packet: next, deadline, answer });
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.law.apply(state, action).0)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(MONEY, |_, state: &State| is_conserved(state)),
            Property::always(FROZEN, |_, state: &State| !state.believed_frozen),
            Property::always(ENDS_AFTER_FAULTS, |model: &Self, state| settles(model.law, state)),
        ];
        properties.extend(safety());
        properties.extend(situations());
        properties
    }
}

/// What must hold of each packet.
fn safety() -> [Property<Packets>; 8] {
    [
        Property::always(ONE_EFFECT, |_, state: &State| state.sent().all(|packet| packet.effects <= 1)),
        Property::always(EFFECT_IF_OK, |_, state: &State| {
            let is_ok = |packet: &Packet| packet.receipt.is_some() && packet.answer == Answer::Ok;
            state.sent().all(|packet| (packet.effects > 0) == is_ok(packet))
        }),
        Property::always(EFFECT_OF_COMMITTED, |_, state: &State| {
            state.sent().all(|packet| !packet.unfounded)
        }),
        Property::always(ONE_END, |_, state: &State| {
            let ends = |Ends { acknowledged, error, timeout }: Ends| acknowledged + error + timeout;
            state.sent().all(|packet| ends(packet.ends) <= 1)
        }),
        Property::always(ENDS_AS_RECEIVED, |_, state: &State| {
            let fits = |packet: &Packet, answer| packet.receipt.is_some() && packet.answer == answer;
            state.sent().all(|packet| {
                (packet.ends.acknowledged == 0 || fits(packet, Answer::Ok))
                    && (packet.ends.error == 0 || fits(packet, Answer::Error))
            })
        }),
        Property::always(NO_REFUND_OF_RECEIVED, |_, state: &State| {
            let is_refunded = |packet: &Packet| packet.ends.error + packet.ends.timeout > 0;
            state.sent().all(|packet| packet.effects == 0 || !is_refunded(packet))
        }),
        Property::always(RECEIVED_IN_TIME, |_, state: &State| state.sent().all(|packet| !packet.late)),
        Property::always(REFUNDED_IN_TIME, |_, state: &State| state.sent().all(|packet| !packet.early)),
    ]
}

/// What must be reachable, so that what must hold does not hold for want of anything happening.
fn situations() -> [Property<Packets>; 4] {
    [
        Property::sometimes("every packet is acknowledged", |model: &Packets, state: &State| {
            state.sent().filter(|packet| packet.ends.acknowledged == 1).count() == model.packets
        }),
        Property::sometimes("a packet is refunded for an error", |_, state: &State| {
            state.sent().any(|packet| packet.ends.error == 1)
        }),
        Property::sometimes("a packet times out after a client was frozen", |_, state: &State| {
            let is_recovered = state.source_client.standing == Standing::Recovered;
            is_recovered && state.sent().any(|packet| packet.ends.timeout == 1)
        }),
        Property::sometimes(
            "a packet is received in the last second before its deadline",
            |_, state: &State| {
                state
                    .sent()
                    .any(|packet| packet.receipt.is_some_and(|receipt| receipt + 1 == packet.deadline))
            },
        ),
    ]
}

/// Whether there are two headers to show, and the other client never saw a contradiction: one is enough.
fn may_freeze(state: &State, side: Side) -> bool {
    state.height(side.other()) > 0 && state.client(side.other()).standing == Standing::Sound
}

fn is_conserved(state: &State) -> bool {
    let money = &state.money;
    let sent = state.sent().count() as i8;
    let is_in_flight = |packet: &&Packet| packet.is_committed() && packet.effects == 0;
    let in_flight = state.sent().filter(is_in_flight).count() as i8;
    sent == money.escrow + money.delivered + money.refunded
        && money.escrow + money.delivered == money.received + in_flight
}
