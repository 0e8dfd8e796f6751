//! The actix side of a consensus group.

use crate::{
    chain::ChainActor,
    journal::ChainJournal,
    peer::PeerLinks,
    supervisor::Watch,
    timer::Timer,
    verification::{GroupView, SharedCache},
};
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message};
use catenary_consensus::{Consensus, Input, Outbox, Signer, Step, Voters};
use catenary_platform::Platform;
use catenary_store::failpoint::reached_each;
use catenary_types::{Address, ChainId, Timestamp};
use std::sync::Arc;

/// What a group's mailbox takes. Peer messages are dropped when it is full, the protocol sends again; the rest are
/// completions of the node's own effects.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum ConsensusMessage {
    /// The chain that this group decides for; the first message.
    Chain(Addr<ChainActor>),
    /// From the chain, or from a peer.
    Input(Box<Input>),
    /// All records and marks up to this signature are on disk.
    Durable(u64),
    /// The journal failed; every chain of the node stops.
    JournalFailed(String),
    /// The chain stops: nothing more is signed or said, whatever timer is armed.
    Stop,
}

/// One consensus group on this node.
pub(crate) struct ConsensusActor {
    machine: Machine,
    pub(super) chain_id: ChainId,
    /// Whose votes are this node's own.
    validator: Option<Address>,
    pub(super) chain: Option<Addr<ChainActor>>,
    pub(super) links: Arc<PeerLinks>,
    view: GroupView,
    journal: ChainJournal,
    pub(super) outbox: Outbox,
    timer: Timer,
    pub(super) watch: Watch,
}

/// The machine starts with its first height.
enum Machine {
    New {
        chain_id: ChainId,
        signer: Option<Signer>,
        cache: SharedCache,
    },
    Started(Box<Consensus>),
    /// Only while it changes from one to the other.
    Starting,
}

impl Machine {
    fn step(&mut self, now: Timestamp, input: Input) -> Step {
        match (std::mem::replace(self, Self::Starting), input) {
            (Self::Started(mut machine), input) => {
                let step = machine.step(now, input);
                *self = Self::Started(machine);
                step
            }
            (Self::New { chain_id, signer, cache }, Input::StartHeight(start)) => {
                let (machine, step) = Consensus::start(now, chain_id, signer, Box::new(cache), start);
                *self = Self::Started(Box::new(machine));
                step
            }
            // Whatever comes before the first height comes again.
            (new, _) => {
                *self = new;
                Step::default()
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Started(machine) => machine.deadline(),
            Self::New { .. } | Self::Starting => None,
        }
    }
}

/// What a consensus actor is made of.
pub(crate) struct ConsensusParts {
    pub(crate) platform: Platform,
    pub(crate) chain_id: ChainId,
    pub(crate) signer: Option<Signer>,
    pub(crate) journal: ChainJournal,
    pub(crate) links: Arc<PeerLinks>,
    pub(crate) view: GroupView,
    pub(crate) cache: SharedCache,
    pub(crate) watch: Watch,
}

impl ConsensusActor {
    pub(crate) fn new(parts: ConsensusParts) -> Self {
        let ConsensusParts { chain_id, signer, cache, .. } = parts;
        Self {
            chain_id: chain_id.clone(),
            validator: signer.as_ref().map(Signer::address),
            machine: Machine::New { chain_id, signer, cache },
            chain: None,
            links: parts.links,
            view: parts.view,
            journal: parts.journal,
            outbox: Outbox::default(),
            timer: Timer::new(parts.platform),
            watch: parts.watch,
        }
    }

    fn take_step(&mut self, input: Input, ctx: &mut Context<Self>) {
        if let Input::StartHeight(start) = &input {
            self.view.start(Voters {
                chain_id: self.chain_id.clone(),
                height: start.height,
                validators: start.validators.clone(),
                last_time: start.last_time,
            });
        }
        let Step { journal, mark, now, durable } = self.machine.step(self.timer.now(), input);
        reached_each(journal.iter().map(|record| record.failpoint(self.validator)));
        if mark.is_some() || !journal.is_empty() {
            let signature = mark.map(|_| self.outbox.next_signature());
            let address = ctx.address();
            let on_durable = Box::new(move |result: Result<(), _>| match (result, signature) {
                (Ok(()), Some(number)) => address.do_send(ConsensusMessage::Durable(number)),
                // Nothing waits for what was only received; and the mark of an earlier signature may still be under way.
                (Ok(()), None) => {}
                (Err(error), _) => address.do_send(ConsensusMessage::JournalFailed(format!("{error}"))),
            });
            if let Err(refused) = self.journal.append_step(journal, mark, on_durable) {
                return self.fail(format!("journal: {}", refused.reason), ctx);
            }
        }
        for effect in now {
            self.run_effect(effect, ctx);
        }
        self.outbox.push(durable);
        self.release(ctx);
        self.arm(ctx);
    }

    /// Runs the effects whose signatures are on disk.
    fn release(&mut self, ctx: &mut Context<Self>) {
        while let Some(effect) = self.outbox.pop() {
            self.run_effect(effect, ctx);
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.machine.deadline();
        self.timer.arm(deadline, ctx, |actor, ctx| {
            actor.timer.fired();
            actor.take_step(Input::Fired, ctx);
            actor.note_stall();
        });
    }

    /// Something took longer than it should: says for whom the group waits.
    fn note_stall(&self) {
        if let Machine::Started(machine) = &self.machine {
            let absent = machine.absent();
            if !absent.is_empty() {
                self.view.stall(self.timer.now(), absent);
            }
        }
    }

    pub(super) fn fail(&mut self, reason: String, ctx: &mut Context<Self>) {
        tracing::error!(reason, "a consensus group stops on this node");
        self.watch.fell(reason);
        ctx.stop();
    }
}

impl Actor for ConsensusActor {
    type Context = Context<Self>;
}

impl Handler<ConsensusMessage> for ConsensusActor {
    type Result = ();

    fn handle(&mut self, message: ConsensusMessage, ctx: &mut Self::Context) {
        match message {
            ConsensusMessage::Chain(chain) => self.chain = Some(chain),
            ConsensusMessage::Input(input) => self.take_step(*input, ctx),
            ConsensusMessage::Durable(number) => {
                self.outbox.reached(number);
                self.release(ctx);
            }
            ConsensusMessage::JournalFailed(reason) => self.fail(format!("journal: {reason}"), ctx),
            ConsensusMessage::Stop => {
                self.watch.stopped();
                ctx.stop();
            }
        }
    }
}
