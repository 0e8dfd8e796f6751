//! The actix side of a chain.

use crate::{
    consensus::Group,
    executor::Lane,
    host::Host,
    index_writer::IndexWriter,
    journal::ChainJournal,
    meter::ChainMeter,
    peer::PeerLinks,
    reader::Reader,
    snapshot::{ChainSnapshots, TakeError},
    supervisor::Watch,
    suspect::Suspect,
    timer::Timer,
    verification::{Following, GroupView, Stall},
};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use catenary_consensus::Peer;
use catenary_platform::Platform;
use catenary_relay::query::{Activity, ChainStatus};
use catenary_replica::{Done, Input, Recovered, Replica, Step, SubmitOutcome, Ticket};
use catenary_store::{
    ChainDir,
    failpoint::{Failpoint, reached},
};
use catenary_types::Height;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::oneshot;

/// How often the index is brought to the present height, if it changed.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(2);

/// What a chain's mailbox takes. From outside: submissions and questions, refused with "busy" when it is full. The rest
/// are completions of the chain's own effects, as many as were started.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum ChainMessage {
    /// A client submits envelopes.
    Submit { envelopes: Vec<Vec<u8>>, reply: oneshot::Sender<Vec<SubmitOutcome>> },
    /// Somebody asks how the chain is.
    Status(oneshot::Sender<ChainStatus>),
    /// An effect of consensus, or a message of a peer: dropped and counted when the mailbox is full.
    Replica(Box<Input>),
    /// The worker did a job.
    Done(Box<Done>),
    /// A checkpoint is in the index, or could not be written.
    CheckpointWritten(Result<(), String>),
    /// The index is at this height, and nothing is being written.
    Checkpointed(Height),
    /// A snapshot was taken of the index, or could not be.
    SnapshotTaken(Result<Height, TakeError>),
    /// The storage of this chain failed.
    Failed(String),
    /// Others have another state than this one.
    Diverged { reason: String, state: Box<Suspect> },
    /// The operator stops the chain.
    Stop,
}

/// One chain on this node.
pub(crate) struct ChainActor {
    pub(super) platform: Platform,
    pub(super) replica: Replica,
    pub(super) recovered: Option<Recovered>,
    pub(super) lane: Arc<Lane<Host>>,
    pub(super) journal: ChainJournal,
    pub(super) index: IndexWriter,
    pub(super) consensus: Group,
    pub(super) links: Arc<PeerLinks>,
    /// Who is connected when the chain starts.
    peers: Vec<Peer>,
    pub(super) reader: Reader,
    view: GroupView,
    pub(super) meter: Arc<ChainMeter>,
    /// Peers whose request for blocks is being answered; each gets one answer at a time.
    pub(super) serving: BTreeSet<Peer>,
    /// The same for parts of snapshots.
    pub(super) serving_snapshot: BTreeSet<Peer>,
    pub(super) snapshots: ChainSnapshots,
    /// Where a snapshot of another node goes.
    pub(super) dir: ChainDir,
    pub(super) replies: BTreeMap<Ticket, oneshot::Sender<Vec<SubmitOutcome>>>,
    pub(super) next_ticket: Ticket,
    pub(super) pool: usize,
    timer: Timer,
    /// Height of the index, as far as is known here: an idle chain does not ask again.
    checkpointed: Option<Height>,
    pub(super) watch: Watch,
}

/// What a chain actor is made of.
pub(crate) struct ChainParts {
    pub(crate) platform: Platform,
    pub(crate) replica: Replica,
    pub(crate) recovered: Recovered,
    pub(crate) lane: Arc<Lane<Host>>,
    pub(crate) journal: ChainJournal,
    pub(crate) index: IndexWriter,
    pub(crate) consensus: Group,
    pub(crate) links: Arc<PeerLinks>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) reader: Reader,
    pub(crate) snapshots: ChainSnapshots,
    pub(crate) dir: ChainDir,
    pub(crate) view: GroupView,
    pub(crate) meter: Arc<ChainMeter>,
    pub(crate) watch: Watch,
}

impl ChainActor {
    pub(crate) fn new(parts: ChainParts) -> Self {
        Self {
            replica: parts.replica,
            recovered: Some(parts.recovered),
            lane: parts.lane,
            journal: parts.journal,
            index: parts.index,
            consensus: parts.consensus,
            links: parts.links,
            peers: parts.peers,
            reader: parts.reader,
            view: parts.view,
            meter: parts.meter,
            serving: BTreeSet::new(),
            serving_snapshot: BTreeSet::new(),
            snapshots: parts.snapshots,
            dir: parts.dir,
            replies: BTreeMap::new(),
            next_ticket: 0,
            pool: 0,
            timer: Timer::new(parts.platform.clone()),
            platform: parts.platform,
            checkpointed: None,
            watch: parts.watch,
        }
    }

    fn take_step(&mut self, input: Input, ctx: &mut Context<Self>) {
        self.meter.input(&input);
        let Step { journal, effects } = self.replica.step(self.timer.now(), input);
        for block in journal {
            if let Err(reason) = self.consensus.body(&self.journal, block) {
                return self.fail(reason, ctx);
            }
        }
        for effect in effects {
            self.meter.effect(&effect);
            if let Err(reason) = self.run_effect(effect, ctx) {
                return self.fail(reason, ctx);
            }
        }
        self.arm(ctx);
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.replica.deadline();
        self.timer.arm(deadline, ctx, |actor, ctx| {
            actor.timer.fired();
            actor.take_step(Input::Fired, ctx);
        });
    }

    /// Stops the chain on this node; the supervisor decides what happens next.
    pub(super) fn fail(&mut self, reason: String, ctx: &mut Context<Self>) {
        tracing::error!(chain = %self.replica.tip().chain_id, reason, "the chain stops on this node");
        self.watch.fell(reason);
        ctx.stop();
    }

    fn status(&self) -> ChainStatus {
        let (pool, activity) = (self.replica.pool_len(), self.activity());
        ChainStatus { pool, activity, ..ChainStatus::at(self.replica.tip()) }
    }

    fn activity(&self) -> Activity {
        if let Some(Following { since, reason }) = self.view.following() {
            return Activity::Waiting { on: reason.clone(), since: *since };
        }
        match self.view.stalled() {
            _ if !self.replica.is_working() => Activity::Idle,
            None => Activity::Working,
            Some(Stall { since, absent }) => {
                let absent: Vec<_> = absent.iter().map(ToString::to_string).collect();
                Activity::Waiting { on: format!("validators {}", absent.join(", ")), since }
            }
        }
    }

    fn checkpoint(&mut self, ctx: &mut Context<Self>) {
        if self.checkpointed == Some(self.replica.tip().height) {
            return;
        }
        let (index, address) = (self.index.clone(), ctx.address());
        // A closed lane means that the chain is stopping.
        let _ = self.lane.run(move |host| match host.checkpoint() {
            Ok(None) => {
                if let Some(height) = host.checkpointed() {
                    address.do_send(ChainMessage::Checkpointed(height));
                }
            }
            Ok(Some(batch)) => {
                let space = host.space();
                index.write(space, batch, move |result| {
                    address
                        .do_send(ChainMessage::CheckpointWritten(result.map_err(|error| error.to_string())));
                });
            }
            Err(reason) => address.do_send(ChainMessage::Failed(reason)),
        });
    }
}

impl Actor for ChainActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(CHECKPOINT_INTERVAL, Self::checkpoint);
        self.consensus.chain(ctx.address());
        for peer in std::mem::take(&mut self.peers) {
            self.take_step(Input::Connected(peer), ctx);
        }
        let recovered = self.recovered.take().unwrap_or_default();
        self.take_step(Input::Start(recovered), ctx);
    }
}

impl Handler<ChainMessage> for ChainActor {
    type Result = ();

    fn handle(&mut self, message: ChainMessage, ctx: &mut Self::Context) {
        match message {
            ChainMessage::Submit { envelopes, reply } => {
                reached(Failpoint::SubmissionTaken);
                self.next_ticket += 1;
                self.replies.insert(self.next_ticket, reply);
                self.take_step(Input::Submit { ticket: self.next_ticket, envelopes }, ctx);
            }
            ChainMessage::Status(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.status());
            }
            ChainMessage::Replica(input) => self.take_step(*input, ctx),
            ChainMessage::Done(done) => self.take_step(Input::Done(*done), ctx),
            ChainMessage::CheckpointWritten(Ok(())) => self.checkpoint_written(ctx),
            ChainMessage::SnapshotTaken(result) => self.snapshot_taken(result),
            ChainMessage::Checkpointed(height) => self.checkpointed = Some(height),
            ChainMessage::CheckpointWritten(Err(reason)) | ChainMessage::Failed(reason) => {
                self.fail(reason, ctx)
            }
            ChainMessage::Diverged { reason, state } => {
                self.watch.diverged(reason, *state);
                ctx.stop();
            }
            ChainMessage::Stop => {
                self.watch.stopped();
                ctx.stop();
            }
        }
    }
}
