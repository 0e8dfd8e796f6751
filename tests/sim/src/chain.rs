//! One chain on one node: the production machines, joined as the actors join them, with no time of their own.

use crate::{kinds, spoiled::Spoil};
use catenary_consensus::{
    Consensus, Effect as ConsensusEffect, Input as ConsensusInput, LocalCache, Mark, Message, Outbox, Peer,
    Signer, Timeouts,
};
use catenary_crypto::SigningKey;
use catenary_failpoint::Failpoint;
use catenary_journal::journal::{ChainTag, Record};
use catenary_ledger::Ledger;
use catenary_relay::gateway::{FinalBlock, SharedBlock};
use catenary_replica::{
    Copies, Done, Effect, Executed, FETCH_BLOCKS_MAX, FetchedBlock, Input, Job, Memory, PeerMessage,
    Recipients, Replica, Reporter, SnapshotPart, SubmitOutcome, Tail, Ticket, Tip, Worker, body_record,
    consensus_part, consensus_record, flushed_record, from_consensus,
};
use catenary_types::{Address, Block, Certificate, ChainId, Genesis, Height, Message as _, Timestamp};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// What a chain wants done.
pub enum Out {
    /// Send a message.
    Send(Recipients, PeerMessage),
    /// Write to the journal.
    Append(Vec<Record>),
    /// Flush what was written, then raise the mark, then say [`Local::Durable`].
    Sign(Mark, u64),
    /// Come back with this when it is done.
    Later(Local),
    /// Write a block to the log and tell whoever wants to know.
    Final(Box<Executed>),
    /// A submission is answered.
    Reply(Ticket, Vec<SubmitOutcome>),
    /// Something that the report counts.
    Notice(&'static str),
    /// A node may be made to die here.
    Reached(Failpoint),
    /// The chain parted from the others.
    Broken(String),
}

/// What comes back to a chain.
#[derive(Clone, Copy, Debug)]
pub enum Local {
    /// The worker has time for a job.
    Job,
    /// A signature is on disk.
    Durable(u64),
    /// Blocks for a peer are read.
    Served(Peer, Height),
    /// A deadline may have passed.
    Wake,
}

/// What a chain is opened from.
pub struct Opening<'a> {
    /// The genesis.
    pub genesis: &'a Genesis,
    /// The code.
    pub ledger: &'a Ledger,
    /// The seed of the validator's key.
    pub seed: [u8; 32],
    /// Who reports double votes.
    pub reporter: Reporter,
    /// Blocks of the log.
    pub blocks: Vec<(Vec<u8>, Vec<u8>)>,
    /// Journal records of all chains.
    pub records: &'a [Record],
    /// What the two copies of the votes tell; the journal's part without the tip.
    pub copies: Copies,
    /// Whether the journal may have lost a record of this chain above a height.
    pub suspect: &'a dyn Fn(ChainTag, u64) -> bool,
}

enum Machine {
    New(Option<Signer>),
    Started(Box<Consensus>),
}

enum Todo {
    Replica(Input),
    Consensus(ConsensusInput),
}

/// A chain that runs.
pub struct Chain {
    id: ChainId,
    tag: ChainTag,
    replica: Replica,
    worker: Worker,
    machine: Machine,
    outbox: Outbox,
    jobs: VecDeque<Job>,
    tail: Tail,
    finals: Vec<(FetchedBlock, SharedBlock)>,
    armed: Option<Timestamp>,
    validator: Address,
    /// What is wrong with the next block that is built.
    spoil: Option<Spoil>,
}

impl Chain {
    /// Opens a chain from what a disk holds. Gives it with its memory.
    pub fn open(opening: Opening<'_>) -> Result<(Self, Memory), String> {
        let genesis = opening.genesis;
        let id = genesis.chain_id().map_err(|error| error.to_string())?;
        let tag = ChainTag::of(id.as_str());
        let state = opening.ledger.genesis(genesis).map_err(|error| error.to_string())?;
        let tip = Tip::genesis(genesis, id.clone(), &state).map_err(|error| error.to_string())?;
        let mut worker = Worker::new(opening.ledger.clone(), state, tip, BTreeMap::new());
        let mut finals = Vec::new();
        for (block, certificate) in opening.blocks {
            let block = Block::decode(&block).map_err(|error| error.to_string())?;
            let certificate = Certificate::decode(&certificate).map_err(|error| error.to_string())?;
            let executed = worker.replay(block, certificate).map_err(|error| error.to_string())?;
            finals.push(kept(&executed));
        }
        let tip = worker.tip().clone();
        let mut tail = Tail::default();
        tail.extend(opening.records.iter().filter(|record| record.chain == tag).cloned());
        tail.trim(tip.height);
        let journal_whole = opening.copies.journal_whole && !(opening.suspect)(tag, tip.height.0);
        let (memory, mark) = Copies { journal_whole, ..opening.copies }.recall();
        let key = SigningKey::from_seed(&opening.seed);
        let validator = Address::of(&key.public_key());
        let replica = Replica::new(tip, Some(validator), Timeouts::default()).remembering(memory);
        let replica = replica.reporting(Some(opening.reporter));
        let machine = Machine::New(Some(Signer::new(key, mark)));
        let chain = Self {
            id,
            tag,
            replica,
            worker,
            machine,
            outbox: Outbox::default(),
            jobs: VecDeque::new(),
            tail,
            finals,
            armed: None,
            validator,
            spoil: None,
        };
        Ok((chain, memory))
    }

    /// Starts with these peers.
    pub fn start(&mut self, now: Timestamp, peers: impl Iterator<Item = Peer>, out: &mut Vec<Out>) {
        let height = self.height();
        if height > Height(0) {
            out.push(Out::Append(vec![flushed_record(self.tag, height)]));
        }
        for peer in peers {
            self.input(now, Input::Connected(peer), out);
        }
        let recovered = self.tail.recovered().expect("what the journal serves was written by this code");
        self.input(now, Input::Start(recovered), out);
    }

    /// The newest block.
    pub fn height(&self) -> Height {
        self.worker.tip().height
    }

    /// The newest block and the state after it.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Whether work waits for a decision.
    pub fn is_working(&self) -> bool {
        self.replica.is_working() || self.replica.pool_len() > 0
    }

    /// How far the chain is, for people.
    pub fn standing(&self) -> String {
        let round = match &self.machine {
            Machine::Started(machine) => machine.round(),
            Machine::New(_) => None,
        };
        let (pool, working) = (self.replica.pool_len(), self.replica.is_working());
        format!("height {}, round {round:?}, pool {pool}, working {working}", self.height())
    }

    /// Final blocks from height 1 on.
    pub fn finals(&self) -> impl ExactSizeIterator<Item = &SharedBlock> {
        self.finals.iter().map(|(_, block)| block)
    }

    /// A final block.
    pub fn final_block(&self, height: Height) -> Option<&SharedBlock> {
        let at = usize::try_from(height.0.checked_sub(1)?).ok()?;
        self.finals.get(at).map(|(_, block)| block)
    }

    /// The block log is flushed up to there.
    pub fn trim(&mut self, flushed: Height) {
        self.tail.trim(flushed);
    }

    /// When the chain must be woken, if that is another time than it was when asked last.
    pub fn rearm(&mut self) -> Option<Timestamp> {
        let consensus = match &self.machine {
            Machine::Started(machine) => machine.deadline(),
            Machine::New(_) => None,
        };
        let deadline = consensus.into_iter().chain(self.replica.deadline()).min();
        let changed = deadline != self.armed;
        self.armed = deadline;
        deadline.filter(|_| changed)
    }

    /// Forgets when it is to be woken, so that it is asked again.
    pub fn disarm(&mut self) {
        self.armed = None;
    }

    /// A message of consensus, or of the replica.
    pub fn message(&mut self, now: Timestamp, peer: Peer, message: PeerMessage, out: &mut Vec<Out>) {
        match message {
            PeerMessage::Consensus(message) => {
                self.run(now, Todo::Consensus(ConsensusInput::Message { peer, message }), out);
            }
            message => self.input(now, Input::Peer { peer, message }, out),
        }
    }

    /// Feeds the replica.
    pub fn input(&mut self, now: Timestamp, input: Input, out: &mut Vec<Out>) {
        self.run(now, Todo::Replica(input), out);
    }

    /// Something that was to come back came back.
    pub fn local(&mut self, now: Timestamp, local: Local, out: &mut Vec<Out>) {
        match local {
            Local::Job => {
                let Some(job) = self.jobs.pop_front() else { return };
                let done = self.worker.run(job);
                let done = self.spoiled(done, out);
                out.extend(kinds::of_done(&done).into_iter().map(Out::Notice));
                if let Done::Executed(executed) = &done {
                    self.finals.push(kept(executed));
                    out.push(Out::Final(executed.clone()));
                }
                if !self.jobs.is_empty() {
                    out.push(Out::Later(Local::Job));
                }
                self.input(now, Input::Done(done), out);
            }
            Local::Durable(number) => {
                self.outbox.reached(number);
                let mut todo = VecDeque::new();
                self.release(&mut todo, out);
                self.settle(now, todo, out);
            }
            Local::Served(peer, from) => {
                let from = from.0.max(1) as usize - 1;
                let blocks = self.finals.iter().skip(from).take(FETCH_BLOCKS_MAX);
                let blocks = blocks.map(|(block, _)| block.clone()).collect();
                out.push(Out::Reached(Failpoint::BlocksServed));
                out.push(Out::Send(Recipients::One(peer), PeerMessage::Blocks(blocks)));
            }
            Local::Wake => {
                self.armed = None;
                let due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
                if let Machine::Started(machine) = &self.machine
                    && due(machine.deadline())
                {
                    self.run(now, Todo::Consensus(ConsensusInput::Fired), out);
                }
                if due(self.replica.deadline()) {
                    self.input(now, Input::Fired, out);
                }
            }
        }
    }

    /// The next block that is built breaks a rule.
    pub fn spoil_next(&mut self, spoil: Spoil) {
        self.spoil = Some(spoil);
    }

    fn spoiled(&mut self, done: Done, out: &mut Vec<Out>) -> Done {
        let Done::Assembled { height, round, block: Some(built), dropped } = done else { return done };
        let spoil = self.spoil.take();
        let old = self.finals.iter().rev().find_map(|(fetched, _)| fetched.block.envelopes.last());
        let spoiled = spoil.and_then(|spoil| spoil.spoil(&built, self.worker.tip(), old));
        out.extend(spoil.filter(|_| spoiled.is_some()).map(|spoil| Out::Notice(spoil.name())));
        Done::Assembled { height, round, block: spoiled.or(Some(built)), dropped }
    }

    /// The failpoint of a journal record.
    pub fn failpoint(&self, record: &Record) -> Failpoint {
        match consensus_part(record) {
            Some(record) => record.failpoint(Some(self.validator)),
            None if record.payload.is_empty() => Failpoint::AppendFlushed,
            None => Failpoint::AppendBody,
        }
    }

    fn run(&mut self, now: Timestamp, first: Todo, out: &mut Vec<Out>) {
        self.settle(now, VecDeque::from([first]), out);
    }

    fn settle(&mut self, now: Timestamp, mut todo: VecDeque<Todo>, out: &mut Vec<Out>) {
        while let Some(next) = todo.pop_front() {
            match next {
                Todo::Replica(input) => self.step_replica(now, input, &mut todo, out),
                Todo::Consensus(input) => self.step_consensus(now, input, &mut todo, out),
            }
        }
    }

    fn step_replica(&mut self, now: Timestamp, input: Input, todo: &mut VecDeque<Todo>, out: &mut Vec<Out>) {
        let step = self.replica.step(now, input);
        self.replica.check_invariants();
        if !step.journal.is_empty() {
            let records: Vec<_> = step.journal.iter().map(|block| body_record(self.tag, block)).collect();
            self.tail.extend(records.iter().cloned());
            out.push(Out::Append(records));
        }
        for effect in step.effects {
            out.push(Out::Notice(kinds::of_replica(&effect)));
            match effect {
                Effect::Work(job) => {
                    if self.jobs.is_empty() {
                        out.push(Out::Later(Local::Job));
                    }
                    self.jobs.push_back(job);
                }
                Effect::Consensus(input) => todo.push_back(Todo::Consensus(*input)),
                Effect::Reply { ticket, outcomes } => {
                    out.push(Out::Reached(Failpoint::SubmissionReply));
                    out.push(Out::Reply(ticket, outcomes));
                }
                Effect::Send { to, message } => {
                    out.push(Out::Reached(Failpoint::ReplicaSend));
                    out.push(Out::Send(to, message));
                }
                Effect::Serve { peer, from } => out.push(Out::Later(Local::Served(peer, from))),
                Effect::ServeSnapshot { peer, part } => {
                    let none = match part {
                        SnapshotPart::Manifest => PeerMessage::Manifest(None),
                        SnapshotPart::Chunk { height, index } => {
                            PeerMessage::Chunk { height, index, bytes: Vec::new() }
                        }
                    };
                    out.push(Out::Send(Recipients::One(peer), none));
                }
                Effect::Restore(_) => out.push(Out::Broken("a snapshot that nobody has".into())),
                Effect::Committed(_) | Effect::Rejected { .. } | Effect::SnapshotRefused { .. } => {}
                Effect::Diverged(divergence) => out.push(Out::Broken(divergence.to_string())),
            }
        }
    }

    fn step_consensus(
        &mut self,
        now: Timestamp,
        input: ConsensusInput,
        todo: &mut VecDeque<Todo>,
        out: &mut Vec<Out>,
    ) {
        let step = match (&mut self.machine, input) {
            (Machine::Started(machine), input) => {
                let step = machine.step(now, input);
                machine.check_invariants();
                step
            }
            (Machine::New(signer), ConsensusInput::StartHeight(start)) => {
                let cache = Box::new(LocalCache::default());
                let (machine, step) = Consensus::start(now, self.id.clone(), signer.take(), cache, start);
                self.machine = Machine::Started(Box::new(machine));
                step
            }
            // Whatever comes before the first height comes again.
            (Machine::New(_), _) => return,
        };
        let records: Vec<_> =
            step.journal.into_iter().map(|record| consensus_record(self.tag, record)).collect();
        if !records.is_empty() {
            self.tail.extend(records.iter().cloned());
            out.push(Out::Append(records));
        }
        if let Some(mark) = step.mark {
            out.push(Out::Sign(mark, self.outbox.next_signature()));
        }
        for effect in step.now {
            effect_of(effect, todo, out);
        }
        self.outbox.push(step.durable);
        self.release(todo, out);
    }

    fn release(&mut self, todo: &mut VecDeque<Todo>, out: &mut Vec<Out>) {
        while let Some(effect) = self.outbox.pop() {
            effect_of(effect, todo, out);
        }
    }
}

/// Runs an effect of consensus that is the shell's, and hands the others to the replica.
fn effect_of(effect: ConsensusEffect, todo: &mut VecDeque<Todo>, out: &mut Vec<Out>) {
    out.push(Out::Notice(kinds::of_consensus(&effect)));
    if matches!(effect, ConsensusEffect::Decide(_)) {
        out.push(Out::Reached(Failpoint::DecisionTaken));
    }
    let other = match from_consensus(effect) {
        Ok(input) => return todo.push_back(Todo::Replica(input)),
        Err(other) => other,
    };
    match other {
        ConsensusEffect::Publish(message) => {
            out.push(Out::Reached(Failpoint::ConsensusPublish));
            out.push(Out::Send(Recipients::All, consensus(message)));
        }
        ConsensusEffect::Tell { peer, message } => {
            out.push(Out::Reached(Failpoint::ConsensusTell));
            out.push(Out::Send(Recipients::One(peer), consensus(message)));
        }
        ConsensusEffect::Halt(error) => out.push(Out::Broken(error.to_string())),
        ConsensusEffect::RoundStarted { .. } | ConsensusEffect::Abstain { .. } => {}
        ConsensusEffect::Build { .. }
        | ConsensusEffect::Ahead { .. }
        | ConsensusEffect::SyncRefused { .. }
        | ConsensusEffect::JudgeSynced { .. }
        | ConsensusEffect::Restream { .. }
        | ConsensusEffect::Decide(_) => unreachable!("these are inputs of the replica"),
    }
}

fn consensus(message: Message) -> PeerMessage {
    PeerMessage::Consensus(message)
}

/// A block as it is fetched, and as subscribers get it.
fn kept(executed: &Executed) -> (FetchedBlock, SharedBlock) {
    let (block, certificate) = (executed.block.clone(), executed.certificate().clone());
    (FetchedBlock { block, certificate }, Arc::new(FinalBlock::of(executed)))
}
