//! The actix side of a Raft group.

use super::{
    disk::{JournalDisk, RaftLog},
    peers::{Clocks, Directory},
};
use crate::{
    chain::ChainActor,
    consensus::ConsensusParts,
    journal::ChainJournal,
    peer::PeerLinks,
    supervisor::Watch,
    timer::Timer,
    verification::{Following, GroupView},
};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, StreamHandler,
    WrapFuture,
};
use catenary_consensus::{
    Input as GroupInput, Outbox, Peer, Voters,
    raft::{self, Input, LogId, Member, Payload, Step},
};
use catenary_crypto::Hash;
use catenary_platform::Platform;
use catenary_raft::{Event, Group, Leadership, Parts};
use catenary_replica::{PeerMessage, Recipients, Tip};
use catenary_store::failpoint::reached_each;
use catenary_types::{Address, Block, ChainId, Height};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// How often members ask each other for the time.
const CLOCK_INTERVAL: Duration = Duration::from_secs(2);

/// What a member's mailbox takes. Messages of peers are dropped when it is full, the protocol sends again; the rest are
/// completions of the node's own effects.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum RaftMessage {
    /// The chain that this group decides for; the first message.
    Chain(Addr<ChainActor>),
    /// From the chain, or a precommit of a peer.
    Input(Box<GroupInput>),
    /// A body that the chain found valid.
    Body(Arc<Block>),
    /// A peer speaks of the log.
    Peer(Peer, Box<raft::Message>),
    /// All records and marks up to this signature are on disk.
    Durable(u64),
    /// The journal failed; every chain of the node stops.
    JournalFailed(String),
    /// The chain stops: nothing more is signed, said or acknowledged.
    Stop,
}

/// One member on this node.
pub(crate) struct RaftActor {
    member: Member,
    pub(super) chain_id: ChainId,
    validator: Option<Address>,
    pub(super) chain: Option<Addr<ChainActor>>,
    pub(super) links: Arc<PeerLinks>,
    view: GroupView,
    journal: ChainJournal,
    outbox: Outbox,
    timer: Timer,
    platform: Platform,
    pub(super) watch: Watch,
    /// What the engine starts from, until it is started; none if this node only follows.
    log: Option<RaftLog>,
    pub(super) group: Option<Group>,
    directory: Directory,
    clocks: Clocks,
    /// Members of the height, and how far their clocks may be apart.
    members: Vec<Address>,
    precision_ms: u64,
    leadership: Option<Leadership>,
    applied: Option<LogId>,
    /// How far it was applied when the clock was looked at last: an idle log is cut.
    applied_before: Option<LogId>,
    leads: bool,
    /// Blocks of the log that are not decided.
    pub(super) logged: BTreeMap<Hash, Arc<Block>>,
    /// The newest body that the chain found valid; a leader's own.
    pub(super) built: Option<Arc<Block>>,
}

impl RaftActor {
    pub(crate) fn new(parts: ConsensusParts, log: RaftLog, tip: &Tip) -> Self {
        let ConsensusParts { platform, chain_id, signer, journal, links, view, cache, watch } = parts;
        let is_whole = log.records.is_some();
        if !is_whole && signer.is_some() {
            let reason = "a new validator key: this one's Raft log is lost or damaged, and who cannot tell whom it voted for \
                          must not vote again, so it follows without voting";
            tracing::error!(chain = %chain_id, reason, "this validator takes no part in its group");
            view.follow(Following { since: platform.now(), reason: reason.into() });
        }
        let signer = signer.filter(|_| is_whole);
        let validator = signer.as_ref().map(|signer| signer.address());
        if validator.is_none() {
            // No log is kept here, so nothing in the journal is held for one.
            journal.release(Height(u64::MAX));
        }
        let last_block = tip.block.as_ref().map(|block| block.hash);
        let parameters = tip.parameters.clone();
        Self {
            member: Member::new(chain_id.clone(), signer, Box::new(cache), parameters, last_block),
            chain_id,
            validator,
            chain: None,
            links,
            view,
            journal,
            outbox: Outbox::default(),
            timer: Timer::new(platform.clone()),
            platform,
            watch,
            log: validator.map(|_| log),
            group: None,
            directory: Directory::default(),
            clocks: Clocks::default(),
            members: Vec::new(),
            precision_ms: tip.parameters.clock_precision_ms,
            leadership: None,
            applied: None,
            applied_before: None,
            leads: false,
            logged: BTreeMap::new(),
            built: None,
        }
    }

    /// Starts the engine, unless this node only follows.
    fn start_engine(&mut self, ctx: &mut Context<Self>) {
        let (Some(own), Some(RaftLog { records: Some(records), first_members })) =
            (self.validator, self.log.take())
        else {
            return;
        };
        let (events, happened) = mpsc::unbounded_channel();
        ctx.add_stream(UnboundedReceiverStream::new(happened));
        let (links, chain_id, directory) =
            (self.links.clone(), self.chain_id.clone(), self.directory.clone());
        let clock = self.platform.clone();
        let parts = Parts {
            name: self.chain_id.to_string(),
            own,
            first_members,
            records,
            disk: Arc::new(JournalDisk(self.journal.clone())),
            send: Arc::new(move |to, message| {
                let peer = directory.peer(&to);
                if let Some(peer) = peer {
                    links.send(&chain_id, Recipients::One(peer), &PeerMessage::Raft(message));
                }
                peer.is_some()
            }),
            clock: Arc::new(move || clock.now()),
            events,
        };
        let started = Group::start(parts).into_actor(self);
        ctx.wait(started.map(|started, actor, ctx| match started {
            Ok(group) => {
                actor.group = Some(group);
                actor.links.peers().into_iter().for_each(|peer| actor.greet(peer));
            }
            Err(error) => actor.fail(error.to_string(), ctx),
        }));
        ctx.run_interval(CLOCK_INTERVAL, |actor, ctx| {
            if let Some(group) = &actor.group {
                let known = actor.directory.members();
                // Whoever came later than this one has not heard its greeting.
                if known.len() + 1 < actor.members.len() {
                    actor.links.peers().into_iter().for_each(|peer| actor.greet(peer));
                }
                known.into_iter().for_each(|member| group.greet(member));
                if actor.applied == actor.applied_before {
                    group.compact_idle();
                }
                actor.applied_before = actor.applied;
            }
            actor.follow(ctx);
        });
    }

    /// Tells a peer who is here. It answers, and from then on each knows where the other is.
    fn greet(&self, peer: Peer) {
        if let Some(group) = &self.group {
            let rpc = raft::Rpc::Hello;
            let message = raft::Message { from: group.own(), number: 0, clock: self.timer.now(), rpc };
            self.links.send(&self.chain_id, Recipients::One(peer), &PeerMessage::Raft(message));
        }
    }

    fn take_input(&mut self, input: GroupInput, ctx: &mut Context<Self>) {
        match &input {
            GroupInput::StartHeight(start) => {
                self.view.start(Voters {
                    chain_id: self.chain_id.clone(),
                    height: start.height,
                    validators: start.validators.clone(),
                    last_time: start.last_time,
                });
                self.members = start.validators.addresses().to_vec();
                self.precision_ms = start.timeliness.precision_ms;
                self.logged.retain(|_, block| block.header.height >= start.height);
            }
            GroupInput::Greet(peer) => self.greet(*peer),
            _ => {}
        }
        let starts = matches!(input, GroupInput::StartHeight(_));
        self.take_step(Input::Group(input), ctx);
        if starts {
            self.follow(ctx);
        }
    }

    /// Has the engine follow the chain: its members, its flushed blocks, and whether this node's clock lets it lead.
    fn follow(&mut self, ctx: &mut Context<Self>) {
        if let Some(group) = &self.group {
            group.follow_members(&self.members.iter().copied().collect());
            group.compact();
        }
        self.look_who_leads(ctx);
    }

    fn look_who_leads(&mut self, ctx: &mut Context<Self>) {
        let may_lead = !self.clocks.is_off(&self.members, self.precision_ms);
        if let Some(group) = &self.group {
            group.may_lead(may_lead);
        }
        let members = self.members.iter().copied().collect();
        let follows = self.group.as_ref().is_some_and(|group| group.has_members(&members));
        let ready = self.leadership.is_some_and(|leadership| leadership.is_ready(self.applied));
        // A block of a new set is built by a log of the same members: whoever sees one knows that the change is over.
        let leads = ready && follows && may_lead;
        if self.leadership.is_some() && !may_lead {
            tracing::warn!(chain = %self.chain_id, "this node's clock is off the others': it does not lead");
        }
        if leads != self.leads {
            self.leads = leads;
            self.take_step(Input::Leads(leads), ctx);
        }
    }

    fn take_event(&mut self, event: Event, ctx: &mut Context<Self>) {
        match event {
            Event::Applied(entry) => {
                self.applied = Some(entry.id);
                if let Payload::Block(block) = entry.payload {
                    let (value, header) = (value_of(&block), &block.header);
                    let (height, last_block) = (header.height, header.last_block);
                    self.logged.insert(value.block, block.clone());
                    self.take_step(Input::Applied { height, last_block, value }, ctx);
                }
                self.look_who_leads(ctx);
            }
            Event::Installed(last) => self.applied = Some(last),
            Event::Leads(leadership) => {
                self.leadership = leadership;
                self.look_who_leads(ctx);
            }
            Event::Unwritten => {
                // Built again if this node still leads, or does again: the member forgets what it had written.
                self.leads = false;
                self.take_step(Input::Leads(false), ctx);
                ctx.run_later(CLOCK_INTERVAL, |actor, ctx| actor.look_who_leads(ctx));
            }
            // One that was shut down has not failed.
            Event::Failed(_) if self.group.is_none() => {}
            Event::Failed(reason) => self.fail(format!("raft: {reason}"), ctx),
        }
    }

    fn take_step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let Step { journal, mark, now, durable } = self.member.step(self.timer.now(), input);
        reached_each(journal.iter().map(|record| record.failpoint(self.validator)));
        if mark.is_some() || !journal.is_empty() {
            let signature = mark.map(|_| self.outbox.next_signature());
            let address = ctx.address();
            let on_durable = Box::new(move |result: Result<(), _>| match (result, signature) {
                (Ok(()), Some(number)) => address.do_send(RaftMessage::Durable(number)),
                (Ok(()), None) => {}
                (Err(error), _) => address.do_send(RaftMessage::JournalFailed(format!("{error}"))),
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
            self.run_group_effect(effect, ctx);
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.member.deadline();
        self.timer.arm(deadline, ctx, |actor, ctx| {
            actor.timer.fired();
            actor.view.stall(actor.timer.now(), actor.member.absent());
            actor.take_step(Input::Group(GroupInput::Fired), ctx);
        });
    }

    /// This node's log was rolled back: it takes no further part in the group.
    pub(super) fn leave(&mut self) {
        let reason = "a new validator key: another node shows a signature of this one that is not in its journal, so its Raft \
                      log was rolled back, and it follows without voting";
        self.view.follow(Following { since: self.timer.now(), reason: reason.into() });
        self.leadership = None;
        self.end_engine();
    }

    pub(super) fn fail(&mut self, reason: String, ctx: &mut Context<Self>) {
        tracing::error!(reason, "a consensus group stops on this node");
        self.watch.fell(reason);
        ctx.stop();
    }

    /// What it still has under way is refused by the journal, once the chain's next life has begun.
    fn end_engine(&mut self) {
        if let (Some(group), Ok(runtime)) = (self.group.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(group.shut_down());
        }
    }

    /// A block of the log, or the one that the chain has just built.
    pub(super) fn body(&self, hash: &Hash) -> Option<Arc<Block>> {
        let built = self.built.as_ref().filter(|block| block.header.hash() == *hash);
        self.logged.get(hash).or(built).cloned()
    }
}

fn value_of(block: &Block) -> catenary_consensus::ValueId {
    catenary_consensus::ValueId { block: block.header.hash(), time: block.header.time }
}

impl Actor for RaftActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.start_engine(ctx);
    }
}

/// However the actor ends, the engine ends with it.
impl Drop for RaftActor {
    fn drop(&mut self) {
        self.end_engine();
    }
}

impl Handler<RaftMessage> for RaftActor {
    type Result = ();

    fn handle(&mut self, message: RaftMessage, ctx: &mut Self::Context) {
        match message {
            RaftMessage::Chain(chain) => self.chain = Some(chain),
            RaftMessage::Input(input) => self.take_input(*input, ctx),
            RaftMessage::Body(block) => self.built = Some(block),
            RaftMessage::Peer(peer, message) => {
                let Some(group) = &self.group else { return };
                self.directory.hear(message.from, peer);
                if let Some((member, clock)) = group.receive(*message) {
                    self.clocks.note(member, clock);
                }
            }
            RaftMessage::Durable(number) => {
                self.outbox.reached(number);
                self.release(ctx);
            }
            RaftMessage::JournalFailed(reason) => self.fail(format!("journal: {reason}"), ctx),
            RaftMessage::Stop => {
                self.watch.stopped();
                ctx.stop();
            }
        }
    }
}

/// What the engine tells, in order.
impl StreamHandler<Event> for RaftActor {
    fn handle(&mut self, event: Event, ctx: &mut Self::Context) {
        self.take_event(event, ctx);
    }

    /// The engine has ended; whoever ended it has said why.
    fn finished(&mut self, _: &mut Self::Context) {}
}
